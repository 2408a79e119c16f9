"""All I/O of the ledger: books as MLflow runs, their index, and the cache of parsed books."""
