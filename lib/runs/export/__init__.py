"""Runs as files and scripts: CSV and JSON, a Python script of a view, charts as images."""
