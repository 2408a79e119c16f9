"""Components of the Audit page: as-of query, entries, verification, corrections, and packets."""
