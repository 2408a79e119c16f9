"""The record: entries and their chain, what they add up to, who held what, and the book they are written into.

`bodies`, `chain`, `fold`, `holdings`, `history` and `strip` are pure. `index` and `book` read and append through MLflow.
The registry itself is looked at and moved in `lib.registry`.
"""
