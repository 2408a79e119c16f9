"""Queries on a book: as of a time, history, metrics of versions. Pure."""
