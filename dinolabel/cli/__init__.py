"""What every command uses: console, options, plans, exit codes, signals, logs."""
