"""Components of the Settings page: backend list, adding a backend, keys, and sign-in."""
