"""What is alike: similarity, clusters, suggestions, and the map."""
