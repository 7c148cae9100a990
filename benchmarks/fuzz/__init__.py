"""Odd input, by the hundred thousand, for every reader, config and route: a right result or a named error, never anything else."""
