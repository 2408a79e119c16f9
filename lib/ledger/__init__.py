"""The record: entries and their chain, what they add up to, who held what, and the book they are written into.

All of it is pure but `storage`, which reads books and appends to them through MLflow. The registry itself is read and changed in
`lib.registry`.
"""
