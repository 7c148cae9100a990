"""What is done with pixels: crops, annotated copies, likeness, sharpness."""
