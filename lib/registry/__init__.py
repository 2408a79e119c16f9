"""The registry, made to follow the ledger: what is seen, the plan of moves, and the deeds that record and apply a decision.

`seen` and `plan` are pure. Nothing outside this room changes a registered model.
"""
