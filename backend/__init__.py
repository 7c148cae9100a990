if __name__ != "dinolabel.backend":
    raise ImportError("This folder is imported as dinolabel.backend: a second copy under another name has classes of its own.")
