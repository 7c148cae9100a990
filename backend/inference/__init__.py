"""From a request or a task to predictions: deadlines, batches, whose turn it is at the model."""
