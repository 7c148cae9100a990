"""From crops with names to a head: features, selection, calibration, the promotion gate, the report."""

if __name__ != "dinolabel.training":
    raise ImportError("This folder is imported as dinolabel.training: a second copy under another name has classes of its own.")
