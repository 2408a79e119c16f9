"""What finished runs do not tell about themselves: parameters, metrics, data, environment, source, author (guide §10)."""

from typing import TYPE_CHECKING

from lib.backends.backend import Backend
from lib.doctor.evidence import evidence_rows, run_label
from lib.doctor.run_cache import read_active_runs
from lib.doctor.types import Check, Clock, Finding, ProgressCallback

if TYPE_CHECKING:
    import pandas as pd

    from lib.runs.table.types import RunTable

_NOBODY = ("", "unknown")
_AUTHOR = ("author", "owner", "user", "created_by")
_DATA = ("data", "mlflow.data", "train_", "training_data", "test_data")
_ENVIRONMENT = ("environment", "env_", "python", "requirements", "conda", "docker", "mlflow.docker", "mlflow.project.env")


def check_run_metadata(backend: Backend, clock: Clock, _: ProgressCallback) -> tuple[Finding, ...]:
    """Count the finished runs that lack something, by what they lack."""
    found = read_active_runs(backend, clock)
    table, finished = found.table, found.table.identity["status"] == "FINISHED"
    total = int(finished.sum())
    lacking = {what: table.identity.index[finished & ~has] for what, has in _told_by(table).items()}
    lacking = {what: runs for what, runs in lacking.items() if len(runs)}
    if not lacking:
        return RUN_METADATA_CHECK.fine_findings(f"{total:,} of {total:,}" if total else "no finished run")
    whole = total - len({run for runs in lacking.values() for run in runs})
    return (
        Finding(
            RUN_METADATA_CHECK.id,
            "notice",
            "Some runs do not tell how they were made",
            f"{whole:,} of {total:,} whole",
            ("Missing", "In", "The newest of them"),
            evidence_rows([(what, f"{len(runs):,} of {total:,}", run_label(table, runs[0])) for what, runs in lacking.items()]),
            f"What was not logged cannot be compared, explained or repeated later. {found.scope_note}".strip(),
            "Log it in the same run: log_params, log_metrics, log_input for the data, a model with its requirements, a tag author.",
        ),
    )


def _told_by(table: "RunTable") -> dict[str, "pd.Series[bool]"]:
    """What each run tells, as one truth per run."""
    identity = table.identity
    logged_data = identity.index.to_series().isin(table.inputs["run_id"])
    return {
        "Parameters": table.texts.notna().any(axis=1),
        "Metrics": table.metrics.notna().any(axis=1),
        "Data": logged_data | _any(table.texts, _DATA) | _any(table.tags, _DATA),
        "Environment": identity["has_model"].astype(bool) | _any(table.tags, _ENVIRONMENT) | _any(table.texts, _ENVIRONMENT),
        "Source": ~identity["source"].fillna("").isin(("",)),
        "Author": ~identity["user"].fillna("").str.lower().isin(_NOBODY) | _any(table.tags, _AUTHOR),
    }


def _any(frame: "pd.DataFrame", beginnings: tuple[str, ...]) -> "pd.Series[bool]":
    """Does a run have a column whose name begins like this?"""
    return frame[[name for name in frame.columns if name.lower().startswith(beginnings)]].notna().any(axis=1)


RUN_METADATA_CHECK = Check(
    "complete",
    "Runs tell how they were made",
    "Do finished runs name parameters, metrics, data, source and author?",
    check_run_metadata,
)
CHECKS = (RUN_METADATA_CHECK,)
