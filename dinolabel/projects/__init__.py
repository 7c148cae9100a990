"""What commands do to a project of Label Studio."""
