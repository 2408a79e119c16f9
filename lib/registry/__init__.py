"""The model registry, made to follow the ledger: its snapshot, the plan of moves, and the actions that record and apply a decision.

`snapshot` and `move_plan` are pure. Nothing outside this room changes a registered model.
"""
