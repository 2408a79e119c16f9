"""The Doctor's checks, one module per subject. Checks are read-only."""
