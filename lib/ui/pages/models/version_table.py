"""The versions of a model as a table to pick from, with the metrics and parameters that tell them apart."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lib.backends.backend import Backend
from lib.registry.snapshot import Seen
from lib.runs.reading.run_reader import Run
from lib.ui.app.session import backend
from lib.ui.components.badges import STAGE, pills
from lib.ui.components.layout import card
from lib.ui.queries.registry import Sight, source_run

MEASURED = 50
"""How many of the newest versions are shown with the metrics and parameters of their runs."""


def versions_card(sight: Sight, chosen: str) -> str:
    """The versions as a table to pick from; gives the number of the picked one."""
    seen, here = sight.found.seen, backend()
    numbers = list(seen.versions)
    note = (
        "choose one to see its actions" if len(numbers) <= MEASURED else f"metrics of the newest {MEASURED} of {len(numbers):,}"
    )
    with card("Versions", note, key="models.versions"):
        frame, config = _versions_table(seen, here)
        key = "models.table." + hashlib.sha256("|".join([seen.model, *numbers]).encode()).hexdigest()[:12]
        row = numbers.index(chosen)
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
    return numbers[rows[0]] if rows else chosen


def _versions_table(seen: Seen, here: Backend) -> tuple[pd.DataFrame, dict[str, Any]]:
    runs = runs_of(seen, here)
    metrics, params = (
        told_first([run.metrics for run in runs.values()])[:2],
        told_first([run.params for run in runs.values()])[:1],
    )
    rows = [
        {
            "version": f"v{v.number}",
            "stage": [v.stage],
            "aliases": sorted(alias for alias, number in seen.aliases.items() if number == v.number),
            "run": runs[v.number].name if v.number in runs else "gone" if v.run_id else "",
            **{f"m.{name}": runs[v.number].metrics.get(name) if v.number in runs else None for name in metrics},
            **{f"p.{name}": runs[v.number].params.get(name) if v.number in runs else None for name in params},
            "created": pd.Timestamp(v.created),
        }
        for v in seen.versions.values()
    ]
    return pd.DataFrame(rows), _columns(metrics, params, sorted(seen.aliases))


def runs_of(seen: Seen, here: Backend) -> dict[str, Run]:
    """The runs of the newest versions, as far as they still exist."""
    found = {v.number: source_run(here, v.run_id) for v in list(seen.versions.values())[:MEASURED]}
    return {number: run for number, run in found.items() if run}


def told_first(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names in the order of what they tell: accuracy and AUC, then what differs between the versions, then what most have."""
    counts = Counter(name for one in found for name in one)
    differ = {name for name in counts if len({str(one.get(name)) for one in found}) > 1}
    return sorted(counts, key=lambda name: (name not in ("accuracy", "auc"), name not in differ, -counts[name], name))


def _columns(metrics: list[str], params: list[str], aliases: list[str]) -> dict[str, Any]:
    column = st.column_config
    slots = {"production": "blue", "staging": "violet"}
    return {
        "version": column.TextColumn("Version", width=54),
        "stage": column.MultiselectColumn("Stage", width=88, **pills(STAGE)),
        "aliases": column.MultiselectColumn("Aliases", options=aliases, color=[slots.get(a, "gray") for a in aliases], width=86),
        "run": column.TextColumn("Run", width=102),
        **{f"m.{name}": column.NumberColumn(name, format="%.4f", width=66) for name in metrics},
        **{f"p.{name}": column.TextColumn(name, width=90) for name in params},
        "created": column.DatetimeColumn("Created (UTC)", format="D MMM YYYY", width=92),
    }
