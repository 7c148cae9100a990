"""From scores of a network to boxes: phrases, thresholds, suppression, tiles."""
