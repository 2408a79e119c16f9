"""The page of one run: what it measured, how it was made, what came of it, and what may be changed about it."""
