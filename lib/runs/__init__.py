"""The runs of an experiment: read once into frozen values (`reading`), then analysed and drawn by pure functions.

`table` contains the values and typed tables, `filters` checks and evaluates a search, `analysis` compares and groups, `plots` draws,
`export` creates files and scripts, `artifacts` shows logged files. Only `edit` changes anything.
"""
