"""Films: boxes followed from frame to frame, named by a vote, and written again."""

ENDINGS = ("-found.mp4", "-tracks.json", "-tracks.csv", "-timeline.png")
"""Of the files that are written beside a film's name. Here, so that who only needs to know them imports no decoder."""
