"""Files to upright RGB pixels, exactly as Label Studio's editor shows them."""
