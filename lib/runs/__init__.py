"""The runs of an experiment: read once into frozen values (`reading`), then judged and drawn by pure functions.

`values` says what comes out of a reading, `frames` types it, `grammar` and `filters` check a search, `table` orders and compares,
`plots` draws. Nothing here changes a run.
"""
