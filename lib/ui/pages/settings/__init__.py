"""The Settings page in parts: the list of backends, adding one, and signing in."""
