"""Reports finished runs with missing metadata: parameters, metrics, data, environment, source, author (guide §10)."""

from typing import TYPE_CHECKING

from lib.backends.backend import Backend
from lib.doctor.report import evidence_rows, run_label
from lib.doctor.run_cache import read_active_runs
from lib.doctor.types import Check, Clock, Finding, ProgressCallback

if TYPE_CHECKING:
    import pandas as pd

    from lib.runs.table.types import RunTable

_UNKNOWN_USERS = ("", "unknown")
_AUTHOR_PREFIXES = ("author", "owner", "user", "created_by")
_DATA_PREFIXES = ("data", "mlflow.data", "train_", "training_data", "test_data")
_INHERITED_ITEMS = ("Data", "Environment", "Source", "Author")
_MAX_GENERATIONS = 3
_ENVIRONMENT_PREFIXES = (
    "environment",
    "env_",
    "python",
    "requirements",
    "conda",
    "docker",
    "mlflow.docker",
    "mlflow.project.env",
)


def check_run_metadata(backend: Backend, clock: Clock, _: ProgressCallback) -> tuple[Finding, ...]:
    """Count finished runs with missing metadata, by item."""
    active_runs = read_active_runs(backend, clock)
    table, is_finished = active_runs.table, active_runs.table.identity["status"] == "FINISHED"
    total = int(is_finished.sum())
    runs_without = {item: table.identity.index[is_finished & ~has_item] for item, has_item in _metadata_presence(table).items()}
    runs_without = {item: runs for item, runs in runs_without.items() if len(runs)}
    if not runs_without:
        return RUN_METADATA_CHECK.fine_findings(f"{total:,} of {total:,}" if total else "no finished runs")
    complete_count = total - len({run_id for runs in runs_without.values() for run_id in runs})
    return (
        Finding(
            RUN_METADATA_CHECK.id,
            "notice",
            "Some runs have incomplete metadata",
            f"{complete_count:,} of {total:,} complete",
            ("Missing", "In", "The newest of them"),
            evidence_rows(
                [(item, f"{len(runs):,} of {total:,}", run_label(table, runs[0])) for item, runs in runs_without.items()]
            ),
            f"Data that was not logged cannot be compared, explained or reproduced later. {active_runs.scope_note}".strip(),
            "Log it in the same run: log_params, log_metrics, log_input for data, a model with its requirements, an author tag.",
        ),
    )


def _metadata_presence(table: "RunTable") -> dict[str, "pd.Series[bool]"]:
    """Return a boolean series per metadata item, indexed by run. Values logged once by a parent run also count for its children."""
    identity = table.identity
    logged_data = identity.index.to_series().isin(table.inputs["run_id"])
    presence = {
        "Parameters": table.texts.notna().any(axis=1),
        "Metrics": table.metrics.notna().any(axis=1),
        "Data": logged_data | _has_column(table.texts, _DATA_PREFIXES) | _has_column(table.tags, _DATA_PREFIXES),
        "Environment": identity["has_model"].astype(bool)
        | _has_column(table.tags, _ENVIRONMENT_PREFIXES)
        | _has_column(table.texts, _ENVIRONMENT_PREFIXES),
        "Source": ~identity["source"].fillna("").isin(("",)),
        "Author": ~identity["user"].fillna("").str.lower().isin(_UNKNOWN_USERS) | _has_column(table.tags, _AUTHOR_PREFIXES),
    }
    return presence | {item: _inherit(presence[item], identity["parent"]) for item in _INHERITED_ITEMS}


def _inherit(has_item: "pd.Series[bool]", parents: "pd.Series[str]") -> "pd.Series[bool]":
    """Return True for runs that have the item or an ancestor that has it. Parents outside these runs count as lacking it."""
    for _ in range(_MAX_GENERATIONS):
        has_item = has_item | parents.map(has_item).fillna(value=False).astype(bool)
    return has_item


def _has_column(frame: "pd.DataFrame", prefixes: tuple[str, ...]) -> "pd.Series[bool]":
    """Return whether each run has a value in a column with one of these prefixes."""
    return frame[[name for name in frame.columns if name.lower().startswith(prefixes)]].notna().any(axis=1)


RUN_METADATA_CHECK = Check(
    "complete",
    "Runs have complete metadata",
    "Do finished runs have parameters, metrics, data, source and author?",
    check_run_metadata,
)
CHECKS = (RUN_METADATA_CHECK,)
