"""The entries of the ledger: their types (`types`), fields, published schema and vocabulary. Pure."""
