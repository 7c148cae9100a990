"""The app's tabs: what each does, and beside it (`…_ui`) its layout."""
