"""What a person names: a folder, a file or a zip; which format it is; and its pictures, read."""
