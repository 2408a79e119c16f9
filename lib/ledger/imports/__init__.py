"""Parses files of decisions from before the record into entries. Pure."""
