"""The reconcile loop: which project is due, what it lacks, and how it gets it."""
