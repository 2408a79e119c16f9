"""Runs as typed tables: the values, the frames, and derived properties of a table. Pure."""
