"""What people approved, as files, and files back as annotations: formats, importers, crops out of videos, the effort report."""

if __name__ != "dinolabel.exporters":
    raise ImportError("This folder is imported as dinolabel.exporters: a second copy under another name has classes of its own.")
