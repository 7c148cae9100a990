"""What the app's tabs share: theme, words, downloads, models, turns."""
