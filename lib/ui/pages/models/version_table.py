"""The versions of a model as a table to pick from, with the metrics and parameters that tell them apart."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lib.backends.backend import Backend
from lib.registry.snapshot import RegistrySnapshot
from lib.runs.table.types import Run
from lib.ui.app.session import current_backend
from lib.ui.components.badges import STAGE_BADGES, badge_column_options
from lib.ui.components.layout import card
from lib.ui.queries.registry import LoadedModelStatus, source_run

MAX_VERSIONS_WITH_RUNS = 50
"""How many of the newest versions are shown with the metrics and parameters of their runs."""


def show_version_table(cached_status: LoadedModelStatus, selected_version: str) -> str:
    """The versions as a table to pick from; gives the number of the picked one."""
    seen, here = cached_status.status.snapshot, current_backend()
    numbers = list(seen.versions)
    note = (
        "choose one to see its actions"
        if len(numbers) <= MAX_VERSIONS_WITH_RUNS
        else f"metrics of the newest {MAX_VERSIONS_WITH_RUNS} of {len(numbers):,}"
    )
    with card("Versions", note, key="models.versions"):
        frame, config = _versions_table(seen, here)
        key = "models.table." + hashlib.sha256("|".join([seen.model, *numbers]).encode()).hexdigest()[:12]
        row = numbers.index(selected_version)
        event: Any = st.dataframe(
            frame,
            hide_index=True,
            key=key,
            height="content" if len(numbers) <= 8 else 32 + 31 * 8 + 2,
            on_select="rerun",
            selection_mode="single-row-required",
            selection_default={"selection": {"rows": [row]}},
            column_config=config,
            alt=f"{len(numbers)} versions, newest first",
        )
    rows = event["selection"]["rows"]
    return numbers[rows[0]] if rows else selected_version


def _versions_table(seen: RegistrySnapshot, here: Backend) -> tuple[pd.DataFrame, dict[str, Any]]:
    runs = read_source_runs(seen, here)
    metrics, params = (
        rank_names([run.metrics for run in runs.values()])[:2],
        rank_names([run.params for run in runs.values()])[:1],
    )
    rows = [
        {
            "version": f"v{v.number}",
            "stage": [v.stage],
            "aliases": sorted(alias for alias, number in seen.aliases.items() if number == v.number),
            "run": runs[v.number].name if v.number in runs else "gone" if v.run_id else "",
            **{f"m.{name}": runs[v.number].metrics.get(name) if v.number in runs else None for name in metrics},
            **{f"p.{name}": runs[v.number].params.get(name) if v.number in runs else None for name in params},
            "created": pd.Timestamp(v.created_at),
        }
        for v in seen.versions.values()
    ]
    return pd.DataFrame(rows), _columns(metrics, params, sorted(seen.aliases))


def read_source_runs(snapshot: RegistrySnapshot, backend: Backend) -> dict[str, Run]:
    """The runs of the newest versions, as far as they still exist."""
    found = {v.number: source_run(backend, v.run_id) for v in list(snapshot.versions.values())[:MAX_VERSIONS_WITH_RUNS]}
    return {number: run for number, run in found.items() if run}


def rank_names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names in the order of what they tell: accuracy and AUC, then what differs between the versions, then what most have."""
    counts = Counter(name for one in rows for name in one)
    differ = {name for name in counts if len({str(one.get(name)) for one in rows}) > 1}
    return sorted(counts, key=lambda name: (name not in ("accuracy", "auc"), name not in differ, -counts[name], name))


def _columns(metrics: list[str], params: list[str], aliases: list[str]) -> dict[str, Any]:
    column = st.column_config
    slots = {"production": "blue", "staging": "violet"}
    return {
        "version": column.TextColumn("Version", width=54),
        "stage": column.MultiselectColumn("Stage", width=88, **badge_column_options(STAGE_BADGES)),
        "aliases": column.MultiselectColumn("Aliases", options=aliases, color=[slots.get(a, "gray") for a in aliases], width=86),
        "run": column.TextColumn("Run", width=102),
        **{f"m.{name}": column.NumberColumn(name, format="%.4f", width=66) for name in metrics},
        **{f"p.{name}": column.TextColumn(name, width=90) for name in params},
        "created": column.DatetimeColumn("Created (UTC)", format="D MMM YYYY", width=92),
    }
