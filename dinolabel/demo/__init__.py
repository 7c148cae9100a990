"""The demo: a drawn world with known truth, a scripted reviewer and a score."""
