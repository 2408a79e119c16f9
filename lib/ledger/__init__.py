"""The record: entries and their chain, the state they add up to, who held what, and the book that stores them.

Everything is pure except `storage`, which reads books and appends to them through MLflow. The registry itself is read and changed in
`lib.registry`.
"""
