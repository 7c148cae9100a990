"""From a task's address to a file on this machine."""
