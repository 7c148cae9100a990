"""A student against the detector that taught it, on drawn scenes whose truth is known (`make distil-bench`)."""
