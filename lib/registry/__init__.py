"""The model registry, which follows the ledger: snapshot, move plan, and the actions that record and apply a decision.

`snapshot` and `move_plan` are pure. Nothing outside this room changes a registered model.
"""
