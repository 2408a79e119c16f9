"""Runs as they are read and looked at."""
