"""Compare runs with a baseline, row by row: metrics, parameters, tags, environment, data, code. Pure.

A `ComparisonRow` has the value of each run and, for numbers, the change from the baseline and its verdict. The page shows all rows or
only those that differ.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from lib.runs.analysis.metric_direction import Direction, MetricVerdict, title_with_arrow, verdict_of_change
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
from lib.runs.table.run_table import METRIC_PREFIX, column_direction, column_values, metric_columns, sort_runs
from lib.runs.table.types import COMMIT_TAG, RunTable

RowKind = Literal["metric", "parameter", "data", "code", "environment", "tag"]
MAX_RUNS = 20
DEFAULT_RUN_COUNT = 10
PRODUCTION = "Production"
SHORT_COMMIT_LENGTH = 8
_VERDICTS: tuple[MetricVerdict, ...] = ("better", "worse", "same")
_MLFLOW_PREFIX = "mlflow."
_CODE_TAGS = {"mlflow.source.git.branch": "git branch", "mlflow.source.git.repoURL": "git repository"}
_ENVIRONMENT_TAGS = {
    "mlflow.source.type": "kind of source",
    "mlflow.project.entryPoint": "entry point",
    "mlflow.project.env": "kind of environment",
    "mlflow.docker.image.name": "image",
    "mlflow.docker.image.id": "image id",
}
_ENVIRONMENT_WORDS = (
    "python|mlflow|sklearn|scikit.?learn|numpy|pandas|torch|tensorflow|xgboost|lightgbm|cuda|platform|os|host|hostname|machine"
)
_ENVIRONMENT_TAG = re.compile(rf"({_ENVIRONMENT_WORDS})([._ -]?(version|name))?", re.I)


@dataclass(frozen=True)
class ComparisonRow:
    """A metric, parameter, tag or similar of all runs, in their order.

    `values` are for display, `logged` as they were logged (empty if a run has none). `changes` are signed, run minus baseline, and empty
    for the baseline itself or if either is not a number. `verdicts` judge the change of a metric by its `direction`.
    """

    kind: RowKind
    name: str
    values: tuple[str, ...]
    logged: tuple[str, ...]
    changes: tuple[str, ...]
    verdicts: tuple[MetricVerdict, ...]
    is_different: bool
    direction: Direction = "neither"

    @property
    def title(self) -> str:
        """The name, with a metric's arrow."""
        return title_with_arrow(self.name, self.direction)


def choose_baseline(runs: RunTable, requested_run_id: str) -> str:
    """Return the run to compare the others with: the requested one, else one with a version in Production, else the first.

    Raises IndexError if there is no run.
    """
    if requested_run_id in runs.identity.index:
        return requested_run_id
    champions = [run_id for run_id in runs.ids if is_champion(runs, run_id)]
    return next(iter(champions), runs.ids[0])


def is_champion(runs: RunTable, run_id: str) -> bool:
    """Whether a version registered from this run is in Production."""
    return any(version.stage == PRODUCTION for version in runs.identity.versions[run_id])


def runs_to_compare(all_runs: RunTable, filtered_runs: RunTable, selected_run_ids: Sequence[str], color: str) -> list[str]:
    """Return the run ids to compare: up to twenty selected ones; with at most one selected, the best filtered ones after it, ten in all.

    If the metric has no direction, these are the first filtered ones.
    """
    known_ids = [run_id for run_id in selected_run_ids if run_id in all_runs.identity.index]
    if len(known_ids) > 1:
        return known_ids[:MAX_RUNS]
    direction = column_direction(filtered_runs, color)
    if color in metric_columns(filtered_runs) and direction != "neither":
        others = sort_runs(filtered_runs, color, descending=direction != "less")
    else:
        others = list(filtered_runs.ids)
    return list(dict.fromkeys([*known_ids, *others]))[:DEFAULT_RUN_COUNT]


def compare_runs(runs: RunTable, baseline: str, first_metric: str = "") -> list[ComparisonRow]:
    """Compare all fields of these runs with the baseline: metrics (`first_metric` on top), parameters, data, code, tags."""
    baseline_index = runs.ids.index(baseline)
    names = sorted(metric_columns(runs), key=lambda name: name != first_metric)
    rows = [
        _metric_row(
            name.removeprefix(METRIC_PREFIX), list(column_values(runs, name)), baseline_index, column_direction(runs, name)
        )
        for name in names
        if column_values(runs, name).notna().any()
    ]
    rows += [_param_row(runs, str(name), baseline_index) for name in runs.params if runs.params[name].notna().any()]
    return [*rows, *_data_rows(runs), *_code_rows(runs), *_tag_rows(runs)]


def verdict_summary(rows: Sequence[ComparisonRow], run_index: int) -> str:
    """Count in words the metrics of the run at this index that are better, worse and the same as the baseline's; empty without verdicts."""
    verdicts = [row.verdicts[run_index] for row in rows if row.kind == "metric"]
    parts = [f"{verdicts.count(verdict)} {verdict}" for verdict in _VERDICTS if verdict in verdicts]
    return ", ".join(parts)


def rows_as_csv(rows: Sequence[ComparisonRow], run_names: Sequence[str]) -> str:
    """Return the rows as CSV with the logged values, and the change and verdict for each run but the baseline.

    A cell that a spreadsheet would run as a formula gets a leading apostrophe; plain numbers stay as they are.
    """
    compared_indices = [index for index in range(len(run_names)) if any(row.changes[index] for row in rows)]
    header = [
        "kind",
        "name",
        *run_names,
        *(f"{heading} of {run_names[index]}" for index in compared_indices for heading in ("change", "verdict")),
    ]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(map(escape_formula, header))
    for row in rows:
        change_cells = [
            cell
            for index in compared_indices
            for cell in (row.changes[index].replace(MINUS, "-").replace(",", ""), row.verdicts[index])
        ]
        writer.writerow(map(escape_formula, [row.kind, row.name, *row.logged, *change_cells]))
    return buffer.getvalue()


def count_equal_rows(rows: Sequence[ComparisonRow]) -> int:
    """Return how many metrics and parameters are the same in all runs."""
    return sum(row.kind in ("metric", "parameter") and not row.is_different for row in rows)


def _metric_row(name: str, values: list[float], baseline_index: int, direction: Direction) -> ComparisonRow:
    baseline_value = values[baseline_index]
    texts = tuple(NO_VALUE if value != value else format_number(value) for value in values)  # noqa: PLR0124 - NaN
    logged = tuple("" if value != value else repr(float(value)) for value in values)  # noqa: PLR0124 - NaN
    differences = [
        value - baseline_value
        if is_finite_number(value) and is_finite_number(baseline_value) and index != baseline_index
        else None
        for index, value in enumerate(values)
    ]
    changes = tuple(
        "" if difference is None else format_change(value, baseline_value)
        for value, difference in zip(values, differences, strict=True)
    )
    verdicts: tuple[MetricVerdict, ...] = tuple(
        "" if difference is None else verdict_of_change(difference, direction) for difference in differences
    )
    is_different = pd.Series(values).nunique(dropna=False) > 1
    return ComparisonRow("metric", name, texts, logged, changes, verdicts, is_different, direction)


def _param_row(runs: RunTable, name: str, baseline_index: int) -> ComparisonRow:
    values, logged_values = list(runs.params[name]), list(runs.texts[name])
    texts = tuple(format_param(value) if pd.notna(value) else "not set" for value in values)
    logged = tuple(str(text) if pd.notna(text) else "" for text in logged_values)
    distinct_count = runs.params[name].nunique(dropna=False)
    if len(set(texts)) < distinct_count:  # two numbers that look the same in six digits
        texts = tuple(text if pd.notna(value) else "not set" for text, value in zip(logged, values, strict=True))
    baseline_value = values[baseline_index]
    changes = tuple(
        format_change(value, baseline_value)
        if index != baseline_index and is_finite_number(value) and is_finite_number(baseline_value)
        else ""
        for index, value in enumerate(values)
    )
    return ComparisonRow("parameter", name, texts, logged, changes, _no_verdicts(len(values)), distinct_count > 1)


def _no_verdicts(count: int) -> tuple[MetricVerdict, ...]:
    no_verdict: MetricVerdict = ""
    return (no_verdict,) * count


def _text_row(kind: RowKind, name: str, values: Sequence[str], missing: str, logged: Sequence[str] = ()) -> ComparisonRow:
    texts = tuple(value or missing for value in values)
    return ComparisonRow(
        kind, name, texts, tuple(logged or values), ("",) * len(values), _no_verdicts(len(values)), len(set(logged or values)) > 1
    )


def _data_rows(runs: RunTable) -> Iterator[ComparisonRow]:
    for (name, context), inputs in runs.inputs.groupby(["name", "context"], sort=True):
        digests = inputs.groupby("run_id").digest.agg(lambda run_digests: ", ".join(dict.fromkeys(run_digests)))
        contexts = runs.inputs.context[runs.inputs.name == name].nunique()
        title = str(name) if not context or (contexts == 1 and str(context) in str(name)) else f"{name} ({context})"
        yield _text_row("data", title, [str(digests.get(run_id, "")) for run_id in runs.ids], "not logged")


def _code_rows(runs: RunTable) -> Iterator[ComparisonRow]:
    commits = [str(commit) for commit in runs.identity.git_commit]
    if any(commits):
        yield _text_row("code", "git commit", _short_commits(commits), "not logged", commits)
    yield from (
        _text_row("code", title, texts, "not logged") for tag, title in _CODE_TAGS.items() if any(texts := _tag_values(runs, tag))
    )
    for title in ("source", "user"):
        if any(texts := [str(value) for value in runs.identity[title]]):
            yield _text_row("environment", title, texts, "not logged")


def _short_commits(commits: Sequence[str]) -> list[str]:
    """Return short commits that stay distinct even if two start alike."""
    prefixes = {commit: commit[:SHORT_COMMIT_LENGTH] for commit in commits}
    labels = prefixes if len(set(prefixes.values())) == len(prefixes) else short_labels(commits, 2 * SHORT_COMMIT_LENGTH)
    return [labels[commit] for commit in commits]


def _tag_rows(runs: RunTable) -> Iterator[ComparisonRow]:
    """Yield MLflow's tags that describe the environment, then the team's own tags."""
    yield from (
        _text_row("environment", title, texts, "not logged")
        for tag, title in _ENVIRONMENT_TAGS.items()
        if any(texts := _tag_values(runs, tag))
    )
    team_tags = [str(tag) for tag in runs.tags if not str(tag).startswith(_MLFLOW_PREFIX) and str(tag) != COMMIT_TAG]
    environment_tags = [tag for tag in team_tags if _ENVIRONMENT_TAG.fullmatch(tag)]
    yield from (
        _text_row("environment", tag, texts, "not set") for tag in environment_tags if any(texts := _tag_values(runs, tag))
    )
    yield from (
        _text_row("tag", tag, texts, "not set")
        for tag in team_tags
        if tag not in environment_tags and any(texts := _tag_values(runs, tag))
    )


def _tag_values(runs: RunTable, tag: str) -> list[str]:
    if tag not in runs.tags:
        return [""] * len(runs)
    return [str(value) if pd.notna(value) else "" for value in runs.tags[tag]]
