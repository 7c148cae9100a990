"""What people decided: tasks and annotations as values, verdicts, several annotators."""
