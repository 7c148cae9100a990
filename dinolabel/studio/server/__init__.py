"""A Label Studio of our own, for people who have none."""
