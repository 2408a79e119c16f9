"""What one entry of the ledger says: its types (`types`), their fields, the published schema and the vocabulary. Pure."""
