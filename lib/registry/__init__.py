"""The model registry, which follows the ledger: snapshot, moves, the plan of a requested move, and the actions that record and apply a decision.

`snapshot`, `moves` and `move_plan` are pure. Nothing outside this room changes a registered model.
"""
