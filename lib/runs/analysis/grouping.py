"""Group runs by parameters and tags and evaluate their repeats: mean, spread, interval, leading group. Pure.

Two values form one group only if they are equal: labels are for display and never decide. Runs without a number in the metric belong to
no group and are counted. Drawing groups is left to `plots`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from lib.runs.analysis.metric_direction import Direction
from lib.runs.table.memo import memoize_by_table
from lib.runs.table.number_format import NO_VALUE, format_param, is_finite_number, natural_sort_key
from lib.runs.table.run_table import column_values, varying_params
from lib.runs.table.types import PARENT_TAG, RunTable
from lib.statistics.hypothesis_tests import reject_by_holm, welch_p_value
from lib.statistics.samples import SampleSummary, epsilon_squared, summarize

TAG_PREFIX = "tags."
EXPERIMENT_COLUMN = "experiment"
PARENT_COLUMN = TAG_PREFIX + PARENT_TAG
"""A model family is not a setting: runs are grouped by it only on request."""
MAX_DISTINCT_NUMBERS = 12
"""Maximum distinct numbers that each form a group of their own in `range_levels`."""
RANGE_COUNT = 5
GroupStanding = Literal["best", "cannot tell", "worse", ""]
_EXCLUDED_TAGS = frozenset({"mlflow.runName", "mlflow.note.content", "mlflow.log-model.history", "mlflow.loggedArtifacts"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_REPEAT_WORDS = frozenset(
    {"seed", "seeds", "fold", "folds", "repeat", "repeats", "repetition", "replicate", "replica", "rep", "rng"}
)


@dataclass(frozen=True)
class Levels:
    """A column split into groups: a label per level in natural order, the level of each run, and whether levels are ranges."""

    labels: tuple[str, ...]
    codes: tuple[int, ...]
    are_ranges: bool = False


@dataclass(frozen=True)
class Group:
    """Runs with the same level in every column: the level labels, the run ids, and their metric values."""

    labels: tuple[str, ...]
    run_ids: tuple[str, ...]
    numbers: tuple[float, ...]

    @property
    def label(self) -> str:
        """The levels on one line."""
        return " · ".join(self.labels) or "all runs"


@dataclass(frozen=True)
class Grouping:
    """The groups in natural order, the columns split into ranges, and the number of runs without a number in the metric."""

    groups: tuple[Group, ...]
    range_columns: tuple[str, ...]
    unmeasured_count: int


@dataclass(frozen=True)
class RankedGroup:
    """A group with its summary and its standing relative to the leading group."""

    group: Group
    summary: SampleSummary
    standing: GroupStanding = ""


def groupable_columns(table: RunTable) -> list[str]:
    """Return columns with at least two groups: the experiment, parameters, then tags as `tags.name`. A missing value counts as one."""
    experiments = [EXPERIMENT_COLUMN] * (table.identity.experiment.nunique() > 1)
    params = ["params." + str(name) for name in table.params if table.params[name].nunique(dropna=False) > 1]
    tags = [
        TAG_PREFIX + str(name) for name in table.tags if name not in _EXCLUDED_TAGS and table.tags[name].nunique(dropna=False) > 1
    ]
    return experiments + params + tags


def is_repeat_column(name: str) -> bool:
    """Whether the column only distinguishes repeats of a run, such as a seed or a fold, judging by the words in its name."""
    words = {word.lower() for word in _WORD.findall(name)}
    return bool(words & _REPEAT_WORDS) or {"random", "state"} <= words


def varying_settings(table: RunTable) -> list[str]:
    """Return the varying parameters that do not just distinguish repeats."""
    return [name for name in varying_params(table) if not is_repeat_column(name.partition(".")[2])]


def grouping_values(table: RunTable, name: str) -> "pd.Series":
    """Return the values of a parameter, metric or tag. Raises KeyError if these runs do not have it."""
    return table.tags[name.removeprefix(TAG_PREFIX)] if name.startswith(TAG_PREFIX) else column_values(table, name)


def exact_levels(values: "pd.Series") -> Levels:
    """Return a level per distinct value: numbers by size, then words; runs without a value come last."""
    is_numeric = pd.api.types.is_numeric_dtype(values)
    cells = [None if pd.isna(value) else value for value in values.tolist()]
    distinct_values = sorted({value for value in cells if value is not None}, key=None if is_numeric else natural_sort_key)
    codes = {value: number for number, value in enumerate(distinct_values)} | {None: len(distinct_values)}
    labels = _number_labels(distinct_values) if is_numeric else [_text_label(value) for value in distinct_values]
    missing_label = [NO_VALUE] if None in cells else []
    return Levels(_unique_labels([*labels, *missing_label]), tuple(codes[value] for value in cells))


def range_levels(values: "pd.Series") -> Levels:
    """Like `exact_levels`, but numbers with more than `MAX_DISTINCT_NUMBERS` values are split into `RANGE_COUNT` ranges of similar size."""
    if not pd.api.types.is_numeric_dtype(values) or values.nunique() <= MAX_DISTINCT_NUMBERS:
        return exact_levels(values)
    numbers = values.astype("float64")
    rank_share = (numbers.rank(method="min") - 1) / numbers.notna().sum()
    codes = (rank_share * RANGE_COUNT).fillna(RANGE_COUNT).astype("int64")
    distinct_codes = sorted(set(codes))
    labels = [_range_label(numbers[codes == code]) if code < RANGE_COUNT else NO_VALUE for code in distinct_codes]
    return Levels(_unique_labels(labels), tuple(distinct_codes.index(code) for code in codes), are_ranges=True)


def group_runs(
    table: RunTable, column_names: Sequence[str], metric: str, make_levels: Callable[["pd.Series"], Levels] = exact_levels
) -> Grouping:
    """Group the runs with a number in `metric` by these columns, each split by `exact_levels` or `range_levels`."""
    levels = [make_levels(grouping_values(table, name)) for name in column_names]
    codes = zip(*(column_levels.codes for column_levels in levels), strict=True) if levels else ((),) * len(table)
    members: dict[tuple[int, ...], list[tuple[str, float]]] = {}
    for run_id, number, code in zip(table.ids, column_values(table, metric), codes, strict=True):
        if is_finite_number(number):
            members.setdefault(code, []).append((run_id, float(number)))
    groups = tuple(
        Group(
            tuple(column_levels.labels[level] for column_levels, level in zip(levels, code, strict=True)),
            tuple(run_id for run_id, _ in members[code]),
            tuple(number for _, number in members[code]),
        )
        for code in sorted(members)
    )
    range_columns = tuple(name for name, column_levels in zip(column_names, levels, strict=True) if column_levels.are_ranges)
    return Grouping(groups, range_columns, len(table) - sum(len(group.numbers) for group in groups))


def rank_columns(table: RunTable, column_names: Sequence[str], metric: str) -> list[str]:
    """Order the columns by how much of the metric's variation is between their groups; ties keep their order.

    Measured by ε² (Kelley 1935), which many small groups do not inflate. A hint on what to look at first, not a finding.
    """
    return sorted(column_names, key=lambda name: -_explained_share(table, name, metric))


@memoize_by_table
def _explained_share(table: RunTable, name: str, metric: str) -> float:
    return epsilon_squared([group.numbers for group in group_runs(table, [name], metric, range_levels).groups])


def rank_groups(groups: Sequence[Group], direction: Direction) -> list[RankedGroup]:
    """Rank the groups by mean, better ones first. The best mean among groups with repeats leads.

    A group is worse than the leader if Welch's test rejects equality at 5 % after Holm's correction for all comparisons (Welch 1947,
    Holm 1979); otherwise it is "cannot tell". That also applies to a single run, and if repeats are identical in both groups.
    """
    rows = [RankedGroup(group, summarize(group.numbers)) for group in groups]
    rows.sort(key=lambda row: row.summary.mean, reverse=direction != "less")
    leader = next((row for row in rows if row.summary.n > 1), None)
    if direction == "neither" or len(rows) < 2:
        return rows
    if leader is None:
        return [RankedGroup(row.group, row.summary, "cannot tell") for row in rows]
    others = [row for row in rows if row is not leader]
    is_worse = reject_by_holm([welch_p_value(leader.summary, row.summary) for row in others])
    standings: dict[int, GroupStanding] = {
        id(row): "worse" if row_is_worse else "cannot tell" for row, row_is_worse in zip(others, is_worse, strict=True)
    }
    return [RankedGroup(row.group, row.summary, standings.get(id(row), "best")) for row in rows]


def _text_label(text: str) -> str:
    """Return a text as a label; an empty or blank one is described."""
    return text if text.strip() else "blank text" if text else "empty text"


def _number_labels(values: Sequence[Any]) -> list[str]:
    labels = [format_param(value) for value in values]
    return labels if len(set(labels)) == len(labels) else [str(value) for value in values]


def _range_label(values: "pd.Series") -> str:
    low, high = float(values.min()), float(values.max())
    return " to ".join(_number_labels(sorted({low, high})))


def _unique_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Make the labels unique by numbering repeated ones: a value may look like `NO_VALUE`."""
    unique_labels: dict[str, None] = {}
    for label in labels:
        number, candidate = 2, label
        while candidate in unique_labels:
            number, candidate = number + 1, f"{label} ({number})"
        unique_labels[candidate] = None
    return tuple(unique_labels)
