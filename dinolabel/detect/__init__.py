"""`dinolabel detect` and `bootstrap`: pictures and videos from the command line."""
