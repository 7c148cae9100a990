"""Exports without somebody: which hold the name, what of them goes."""
