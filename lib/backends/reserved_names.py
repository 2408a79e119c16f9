"""The names under which Podium keeps its own things in a store: two experiments, and two tags. Pure."""

LEDGER_EXPERIMENT, INDEX_EXPERIMENT = "podium-ledger", "podium-ledger-index"
"""The experiment that holds index and books, and the one whose unique name elects the index."""
STAGE_TAG = "podium.stage"
"""The stage of a version, on servers that keep no stages."""
JOB_TAG = "podium.job"
"""The id of the job that a run was started by."""
