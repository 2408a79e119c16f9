"""Export of runs: CSV and JSON files, a Python script of a view, charts as images."""
