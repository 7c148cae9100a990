"""Students: detectors that a project trained for itself; what is known of one, and where they are kept."""
