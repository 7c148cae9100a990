"""Label Studio's documented API calls, one file per noun; dinolabel.studio.client puts them together."""
