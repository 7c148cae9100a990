"""How COCO and YOLO data sets are laid out by the tools that write them."""
