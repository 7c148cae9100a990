"""The service Label Studio talks to: predict, push, switch, reconcile, jobs."""

if __name__ != "dinolabel.backend":
    raise ImportError("This folder is imported as dinolabel.backend: a second copy under another name has classes of its own.")
