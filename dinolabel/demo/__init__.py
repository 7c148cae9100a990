"""The demo: a drawn world with known truth, a scripted reviewer and a score. Knows nothing that a user could not know, but the truth."""
