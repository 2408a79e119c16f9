"""Compares runs with one of them, thing by thing: metrics, parameters, tags, environment, data, code. Pure.

Every thing is one `Row` with what each run has, and for a number how far it is from the baseline's and what that means. Whoever
shows it chooses between all rows and those that differ.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from lib.runs.analysis.metric_direction import MetricVerdict, metric_direction, metric_verdict
from lib.runs.export.table_files import escape_formula
from lib.runs.table.number_format import (
    MINUS,
    NO_VALUE,
    format_change,
    format_number,
    format_param,
    is_finite_number,
    short_labels,
)
from lib.runs.table.run_table import METRIC_PREFIX, column_values, metric_columns, sort_runs
from lib.runs.table.types import COMMIT_TAG, RunTable

RowKind = Literal["metric", "parameter", "data", "code", "environment", "tag"]
MAX_RUNS = 20
DEFAULT_RUN_COUNT = 10
PRODUCTION = "Production"
SHORT_COMMIT_LENGTH = 8
_WORDS: tuple[MetricVerdict, ...] = ("better", "worse", "same")
_MLFLOW = "mlflow."
_CODE = {"mlflow.source.git.branch": "git branch", "mlflow.source.git.repoURL": "git repository"}
_AROUND = {
    "mlflow.source.type": "kind of source",
    "mlflow.project.entryPoint": "entry point",
    "mlflow.project.env": "kind of environment",
    "mlflow.docker.image.name": "image",
    "mlflow.docker.image.id": "image id",
}
_SYSTEM = (
    "python|mlflow|sklearn|scikit.?learn|numpy|pandas|torch|tensorflow|xgboost|lightgbm|cuda|platform|os|host|hostname|machine"
)
_AROUND_OWN = re.compile(rf"({_SYSTEM})([._ -]?(version|name))?", re.I)


@dataclass(frozen=True)
class ComparisonRow:
    """One thing of all runs, in their order.

    `values` are as people read them, `raw` as they were logged (empty where a run has none). `changes` are signed, each run less the
    baseline, empty where one of the two is no number and for the baseline itself; `verdicts` say what a change of a metric means.
    """

    kind: RowKind
    name: str
    values: tuple[str, ...]
    logged: tuple[str, ...]
    changes: tuple[str, ...]
    verdicts: tuple[MetricVerdict, ...]
    is_different: bool


def choose_baseline(runs: RunTable, requested_run_id: str) -> str:
    """The run that the others are compared with: the one asked for, else one with a version in Production, else the first.

    Raises IndexError when there is no run.
    """
    if requested_run_id in runs.identity.index:
        return requested_run_id
    champions = [run_id for run_id in runs.ids if is_champion(runs, run_id)]
    return next(iter(champions), runs.ids[0])


def is_champion(runs: RunTable, run_id: str) -> bool:
    """Was a version registered from it that is in Production?"""
    return any(version.stage == PRODUCTION for version in runs.identity.versions[run_id])


def runs_to_compare(all_runs: RunTable, filtered_runs: RunTable, selected_run_ids: Sequence[str], color: str) -> list[str]:
    """The run ids to compare: the picked ones, up to twenty; with none or one picked, the best of `left` beside it, ten in all.

    Where nobody can say what is best, they are the first of `left`.
    """
    here = [run_id for run_id in selected_run_ids if run_id in all_runs.identity.index]
    if len(here) > 1:
        return here[:MAX_RUNS]
    direction = metric_direction(color.removeprefix(METRIC_PREFIX))
    if color in metric_columns(filtered_runs) and direction != "neither":
        others = sort_runs(filtered_runs, color, descending=direction != "less")
    else:
        others = list(filtered_runs.ids)
    return list(dict.fromkeys([*here, *others]))[:DEFAULT_RUN_COUNT]


def compare_runs(runs: RunTable, baseline: str, first_metric: str = "") -> list[ComparisonRow]:
    """Everything these runs have, compared with the run `base`: metrics (the column `first` on top), parameters, data, code, tags."""
    at = runs.ids.index(baseline)
    names = sorted(metric_columns(runs), key=lambda name: name != first_metric)
    made = [
        _of_metric(name.removeprefix(METRIC_PREFIX), list(column_values(runs, name)), at)
        for name in names
        if column_values(runs, name).notna().any()
    ]
    made += [_of_param(runs, str(name), at) for name in runs.params if runs.params[name].notna().any()]
    return [*made, *_of_data(runs), *_of_code(runs), *_of_tags(runs)]


def verdict_summary(rows: Sequence[ComparisonRow], run_index: int) -> str:
    """How many metrics of the run at this place are better, worse and the same as the baseline's, in words; empty when none can be told."""
    told = [row.verdicts[run_index] for row in rows if row.kind == "metric"]
    parts = [f"{told.count(word)} {word}" for word in _WORDS if word in told]
    return ", ".join(parts)


def rows_as_csv(rows: Sequence[ComparisonRow], run_names: Sequence[str]) -> str:
    """The rows as CSV with what was logged, and for each run but the baseline the change and its word. `names` are the runs'.

    A cell that a spreadsheet would run as a formula gets an apostrophe in front; plain numbers stay as they are.
    """
    compared = [place for place in range(len(run_names)) if any(row.changes[place] for row in rows)]
    heads = [
        "kind",
        "name",
        *run_names,
        *(f"{what} of {run_names[place]}" for place in compared for what in ("change", "verdict")),
    ]
    written = io.StringIO()
    lines = csv.writer(written, lineterminator="\r\n")
    lines.writerow(map(escape_formula, heads))
    for row in rows:
        told = [
            cell for place in compared for cell in (row.changes[place].replace(MINUS, "-").replace(",", ""), row.verdicts[place])
        ]
        lines.writerow(map(escape_formula, [row.kind, row.name, *row.logged, *told]))
    return written.getvalue()


def count_equal_rows(rows: Sequence[ComparisonRow]) -> int:
    """How many metrics and parameters are the same in all runs."""
    return sum(row.kind in ("metric", "parameter") and not row.is_different for row in rows)


def _of_metric(name: str, values: list[float], at: int) -> ComparisonRow:
    base = values[at]
    texts = tuple(NO_VALUE if value != value else format_number(value) for value in values)  # noqa: PLR0124 - NaN
    raw = tuple("" if value != value else repr(float(value)) for value in values)  # noqa: PLR0124 - NaN
    gaps = [
        value - base if is_finite_number(value) and is_finite_number(base) and n != at else None for n, value in enumerate(values)
    ]
    changes = tuple("" if gap is None else format_change(value, base) for value, gap in zip(values, gaps, strict=True))
    verdicts: tuple[MetricVerdict, ...] = tuple("" if gap is None else metric_verdict(name, gap) for gap in gaps)
    return ComparisonRow("metric", name, texts, raw, changes, verdicts, pd.Series(values).nunique(dropna=False) > 1)


def _of_param(runs: RunTable, name: str, at: int) -> ComparisonRow:
    values, logged = list(runs.params[name]), list(runs.texts[name])
    texts = tuple(format_param(value) if pd.notna(value) else "not set" for value in values)
    raw = tuple(str(text) if pd.notna(text) else "" for text in logged)
    different = runs.params[name].nunique(dropna=False)
    if len(set(texts)) < different:  # two numbers that read alike in six digits
        texts = tuple(text if pd.notna(value) else "not set" for text, value in zip(raw, values, strict=True))
    base = values[at]
    changes = tuple(
        format_change(value, base) if n != at and is_finite_number(value) and is_finite_number(base) else ""
        for n, value in enumerate(values)
    )
    return ComparisonRow("parameter", name, texts, raw, changes, _unjudged(len(values)), different > 1)


def _unjudged(number: int) -> tuple[MetricVerdict, ...]:
    nothing: MetricVerdict = ""
    return (nothing,) * number


def _plain(kind: RowKind, name: str, values: Sequence[str], missing: str, raw: Sequence[str] = ()) -> ComparisonRow:
    texts = tuple(value or missing for value in values)
    return ComparisonRow(
        kind, name, texts, tuple(raw or values), ("",) * len(values), _unjudged(len(values)), len(set(raw or values)) > 1
    )


def _of_data(runs: RunTable) -> Iterator[ComparisonRow]:
    for (name, context), inputs in runs.inputs.groupby(["name", "context"], sort=True):
        digests = inputs.groupby("run_id").digest.agg(lambda all_: ", ".join(dict.fromkeys(all_)))
        contexts = runs.inputs.context[runs.inputs.name == name].nunique()
        title = str(name) if not context or (contexts == 1 and str(context) in str(name)) else f"{name} ({context})"
        yield _plain("data", title, [str(digests.get(run_id, "")) for run_id in runs.ids], "not logged")


def _of_code(runs: RunTable) -> Iterator[ComparisonRow]:
    commits = [str(commit) for commit in runs.identity.git_commit]
    if any(commits):
        yield _plain("code", "git commit", _short(commits), "not logged", commits)
    yield from (_plain("code", title, texts, "not logged") for tag, title in _CODE.items() if any(texts := _tag(runs, tag)))
    for title in ("source", "user"):
        if any(texts := [str(value) for value in runs.identity[title]]):
            yield _plain("environment", title, texts, "not logged")


def _short(commits: Sequence[str]) -> list[str]:
    """Commits as people compare them; two that begin alike stay two."""
    heads = {commit: commit[:SHORT_COMMIT_LENGTH] for commit in commits}
    labels = heads if len(set(heads.values())) == len(heads) else short_labels(commits, 2 * SHORT_COMMIT_LENGTH)
    return [labels[commit] for commit in commits]


def _of_tags(runs: RunTable) -> Iterator[ComparisonRow]:
    """MLflow's own tags only where they tell of the environment; the team's own tags after them."""
    yield from (
        _plain("environment", title, texts, "not logged") for tag, title in _AROUND.items() if any(texts := _tag(runs, tag))
    )
    own = [str(tag) for tag in runs.tags if not str(tag).startswith(_MLFLOW) and str(tag) != COMMIT_TAG]
    around = [tag for tag in own if _AROUND_OWN.fullmatch(tag)]
    yield from (_plain("environment", tag, texts, "not set") for tag in around if any(texts := _tag(runs, tag)))
    yield from (_plain("tag", tag, texts, "not set") for tag in own if tag not in around and any(texts := _tag(runs, tag)))


def _tag(runs: RunTable, tag: str) -> list[str]:
    if tag not in runs.tags:
        return [""] * len(runs)
    return [str(value) if pd.notna(value) else "" for value in runs.tags[tag]]
