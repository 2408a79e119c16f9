"""Cached reads that several pages share."""
