"""Selectable table of a model's versions, with the metrics and parameters that distinguish them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lib.backends.backend import Backend
from lib.registry.snapshot import RegistrySnapshot
from lib.runs.analysis.metric_direction import HEADLINE_METRICS, SYSTEM_PREFIX
from lib.runs.table.types import Run
from lib.ui.app.session import current_backend
from lib.ui.components.badges import STAGE_BADGES, badge_column_options
from lib.ui.components.data_table import hashed_key, table_height
from lib.ui.components.layout import card
from lib.ui.queries.registry import LoadedModelStatus, source_run

MAX_VERSIONS_WITH_RUNS = 50
"""Maximum number of versions, newest first, shown with their runs' metrics and parameters."""


def show_version_table(cached_status: LoadedModelStatus, selected_version: str) -> str:
    """Show the versions as a selectable table. Returns the number of the selected version."""
    snapshot, backend = cached_status.status.snapshot, current_backend()
    numbers = list(snapshot.versions)
    note = (
        "select one to see its actions"
        if len(numbers) <= MAX_VERSIONS_WITH_RUNS
        else f"metrics of the newest {MAX_VERSIONS_WITH_RUNS} of {len(numbers):,}"
    )
    with card("Versions", note, key="models.versions"):
        frame, config = _version_frame(snapshot, backend)
        row = numbers.index(selected_version)
        event: Any = st.dataframe(
            frame,
            hide_index=True,
            key=hashed_key("models.table", snapshot.model, *numbers),
            height=table_height(len(numbers), max_rows=8),
            on_select="rerun",
            selection_mode="single-row-required",
            selection_default={"selection": {"rows": [row]}},
            column_config=config,
            alt=f"{len(numbers)} versions, newest first",
        )
    rows = event["selection"]["rows"]
    return numbers[rows[0]] if rows else selected_version


def _version_frame(snapshot: RegistrySnapshot, backend: Backend) -> tuple[pd.DataFrame, dict[str, Any]]:
    runs = read_source_runs(snapshot, backend)
    metrics, params = (
        rank_names([run.metrics for run in runs.values()])[:2],
        rank_names([run.params for run in runs.values()])[:1],
    )
    rows = [
        {
            "version": f"v{version.number}",
            "stage": [version.stage],
            "aliases": sorted(alias for alias, number in snapshot.aliases.items() if number == version.number),
            "run": runs[version.number].name if version.number in runs else "deleted" if version.run_id else "",
            **{f"m.{name}": runs[version.number].metrics.get(name) if version.number in runs else None for name in metrics},
            **{f"p.{name}": runs[version.number].params.get(name) if version.number in runs else None for name in params},
            "created": pd.Timestamp(version.created_at),
        }
        for version in snapshot.versions.values()
    ]
    return pd.DataFrame(rows), _column_config(metrics, params, sorted(snapshot.aliases))


def read_source_runs(snapshot: RegistrySnapshot, backend: Backend) -> dict[str, Run]:
    """Return the runs of the newest versions by version number, where they still exist."""
    runs = {
        version.number: source_run(backend, version.run_id)
        for version in list(snapshot.versions.values())[:MAX_VERSIONS_WITH_RUNS]
    }
    return {number: run for number, run in runs.items() if run}


def rank_names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Rank names, most informative first: headline metrics, then values that differ between versions, then the most common.

    MLflow's system metrics come last.
    """
    counts = Counter(name for row in rows for name in row)
    varied_names = {name for name in counts if len({str(row.get(name)) for row in rows}) > 1}
    return sorted(
        counts,
        key=lambda name: (
            name.startswith(SYSTEM_PREFIX),
            name not in HEADLINE_METRICS,
            name not in varied_names,
            -counts[name],
            name,
        ),
    )


def _column_config(metrics: list[str], params: list[str], aliases: list[str]) -> dict[str, Any]:
    column = st.column_config
    slots = {"production": "blue", "staging": "violet"}
    return {
        "version": column.TextColumn("Version", width=54),
        "stage": column.MultiselectColumn("Stage", width=88, **badge_column_options(STAGE_BADGES)),
        "aliases": column.MultiselectColumn(
            "Aliases", options=aliases, color=[slots.get(alias, "gray") for alias in aliases], width=86
        ),
        "run": column.TextColumn("Run", width=102),
        **{f"m.{name}": column.NumberColumn(name, format="%.4f", width=66) for name in metrics},
        **{f"p.{name}": column.TextColumn(name, width=90) for name in params},
        "created": column.DatetimeColumn("Created (UTC)", format="D MMM YYYY", width=92),
    }
