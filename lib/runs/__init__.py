"""The runs of an experiment: read once into frozen values (`reading`), then judged and drawn by pure functions.

`table` has the values and typed tables, `filters` checks and evaluates a search, `analysis` compares and groups, `plots` draws, `export`
makes files and scripts, `artifacts` shows what runs logged. Only `edit` changes anything.
"""
