"""`make faces-bench`: how well faces are found and told apart on real portraits, with no hub. Writes faces.json."""
