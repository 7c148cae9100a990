"""Files and caches that survive a kill."""
