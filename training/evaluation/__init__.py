"""Is the candidate better? Held-out answers, paired comparison, the promotion gate."""
