"""Questions that people ask of a book: as of a time, its history, the metrics of versions. Pure."""
