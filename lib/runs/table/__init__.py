"""Runs as typed tables: the values, the frames, and what is judged of a table. Pure."""
