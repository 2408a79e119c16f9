"""Filters of runs: the grammar explained, evaluated on a table, and facets without a grammar. Pure."""
