"""From the name of weights to a model that answers."""
