"""Names by groups: crops that look alike are named together, and what is decided goes to Label Studio."""
