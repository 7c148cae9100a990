"""What a training did, for people: JSON, HTML, plots."""
