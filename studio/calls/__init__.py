"""Label Studio's documented API calls, one file per noun; studio.client puts them together."""
