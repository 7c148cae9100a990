"""From annotated tasks to pictures with boxes, resumable: what all formats share."""
