"""The Audit page in parts: the as-of question, entries, verification, corrections, packets."""
