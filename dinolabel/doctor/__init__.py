"""The checks of `dinolabel doctor`."""
