"""Puts runs into groups by parameters and tags, and says what their repeats are worth: mean, spread, interval, who leads. Pure.

Two values are one group only when they are the same value: labels are for the eye and never decide. Runs without a number in the
metric belong to no group and are counted. What the groups look like is the business of `plots`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from lib.runs.analysis.metric_direction import metric_direction
from lib.runs.table.memo import memoize_by_table
from lib.runs.table.number_format import NO_VALUE, format_param, is_finite_number, natural_sort_key
from lib.runs.table.run_table import METRIC_PREFIX, column_values, varying_params
from lib.runs.table.types import PARENT_TAG, RunTable
from lib.statistics.samples import SampleSummary, epsilon_squared, reject_by_holm, summarize, welch_p_value

TAG_PREFIX = "tags."
EXPERIMENT_COLUMN = "experiment"
PARENT_COLUMN = TAG_PREFIX + PARENT_TAG
"""A family is no setting: runs are grouped by it only when the reader says so."""
MAX_DISTINCT_NUMBERS = 12
"""Different numbers up to which each is a group of its own in `ranged`."""
RANGE_COUNT = 5
GroupStanding = Literal["best", "cannot tell", "worse", ""]
_PRIVATE = frozenset({"mlflow.runName", "mlflow.note.content", "mlflow.log-model.history", "mlflow.loggedArtifacts"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_REPEATS = frozenset({"seed", "seeds", "fold", "folds", "repeat", "repeats", "repetition", "replicate", "replica", "rep", "rng"})


@dataclass(frozen=True)
class Levels:
    """A column cut into groups: a label per level in natural order, the level of each run, and whether levels are ranges."""

    labels: tuple[str, ...]
    codes: tuple[int, ...]
    are_ranges: bool = False


@dataclass(frozen=True)
class Group:
    """Runs that share a level in every column: the labels of these levels, the run ids, and their numbers in the metric."""

    labels: tuple[str, ...]
    run_ids: tuple[str, ...]
    numbers: tuple[float, ...]

    @property
    def label(self) -> str:
        """The levels in one line."""
        return " · ".join(self.labels) or "all runs"


@dataclass(frozen=True)
class Grouping:
    """The groups in natural order, the columns that were cut into ranges, and how many runs have no number in the metric."""

    groups: tuple[Group, ...]
    range_columns: tuple[str, ...]
    unmeasured_count: int


@dataclass(frozen=True)
class RankedGroup:
    """A group with its summary, and how it stands against the group that leads."""

    group: Group
    summary: SampleSummary
    standing: GroupStanding = ""


def groupable_columns(table: RunTable) -> list[str]:
    """Columns that make at least two groups: the experiment, parameters, then tags as `tags.name`. A missing value counts as one."""
    homes = [EXPERIMENT_COLUMN] * (table.identity.experiment.nunique() > 1)
    params = ["params." + str(name) for name in table.params if table.params[name].nunique(dropna=False) > 1]
    tags = [TAG_PREFIX + str(name) for name in table.tags if name not in _PRIVATE and table.tags[name].nunique(dropna=False) > 1]
    return homes + params + tags


def is_repeat_column(name: str) -> bool:
    """Does the column only tell repeats of a run apart, such as a seed or a fold? Judged by the words in its name."""
    words = {word.lower() for word in _WORD.findall(name)}
    return bool(words & _REPEATS) or {"random", "state"} <= words


def varying_settings(table: RunTable) -> list[str]:
    """The parameters that differ and are more than a repeat."""
    return [name for name in varying_params(table) if not is_repeat_column(name.partition(".")[2])]


def grouping_values(table: RunTable, name: str) -> "pd.Series":
    """The values of a parameter, metric or tag. Raises KeyError for one that these runs do not have."""
    return table.tags[name.removeprefix(TAG_PREFIX)] if name.startswith(TAG_PREFIX) else column_values(table, name)


def exact_levels(values: "pd.Series") -> Levels:
    """A level for each different value: numbers by size, then words; runs without a value come last."""
    numeric = pd.api.types.is_numeric_dtype(values)
    listed = [None if pd.isna(value) else value for value in values.tolist()]
    present = sorted({value for value in listed if value is not None}, key=None if numeric else natural_sort_key)
    codes = {value: number for number, value in enumerate(present)} | {None: len(present)}
    labels = _numbers(present) if numeric else [_read(value) for value in present]
    lost = [NO_VALUE] if None in listed else []
    return Levels(_told_apart([*labels, *lost]), tuple(codes[value] for value in listed))


def range_levels(values: "pd.Series") -> Levels:
    """The same, but a number with more than `MOST_VALUES` values is cut into `RANGES` ranges that hold about as many runs each."""
    if not pd.api.types.is_numeric_dtype(values) or values.nunique() <= MAX_DISTINCT_NUMBERS:
        return exact_levels(values)
    plain = values.astype("float64")
    share = (plain.rank(method="min") - 1) / plain.notna().sum()
    codes = (share * RANGE_COUNT).fillna(RANGE_COUNT).astype("int64")
    present = sorted(set(codes))
    labels = [_range(plain[codes == code]) if code < RANGE_COUNT else NO_VALUE for code in present]
    return Levels(_told_apart(labels), tuple(present.index(code) for code in codes), are_ranges=True)


def group_runs(
    table: RunTable, column_names: Sequence[str], metric: str, make_levels: Callable[["pd.Series"], Levels] = exact_levels
) -> Grouping:
    """The runs with a number in `metric`, grouped by the columns `names`, each cut by `exact` or `ranged`."""
    levels = [make_levels(grouping_values(table, name)) for name in column_names]
    codes = zip(*(one.codes for one in levels), strict=True) if levels else ((),) * len(table)
    members: dict[tuple[int, ...], list[tuple[str, float]]] = {}
    for run_id, number, code in zip(table.ids, column_values(table, metric), codes, strict=True):
        if is_finite_number(number):
            members.setdefault(code, []).append((run_id, float(number)))
    groups = tuple(
        Group(
            tuple(one.labels[place] for one, place in zip(levels, code, strict=True)),
            tuple(run_id for run_id, _ in members[code]),
            tuple(number for _, number in members[code]),
        )
        for code in sorted(members)
    )
    cut_up = tuple(name for name, one in zip(column_names, levels, strict=True) if one.are_ranges)
    return Grouping(groups, cut_up, len(table) - sum(len(group.numbers) for group in groups))


def rank_columns(table: RunTable, column_names: Sequence[str], metric: str) -> list[str]:
    """The columns in the order of how much of the metric's differences lies between their groups; equal ones as they come.

    Measured by ε² (Kelley 1935), which is not fooled by many small groups; a guess for what to look at first, no finding.
    """
    return sorted(column_names, key=lambda name: -_share(table, name, metric))


@memoize_by_table
def _share(table: RunTable, name: str, metric: str) -> float:
    return epsilon_squared([group.numbers for group in group_runs(table, [name], metric, range_levels).groups])


def rank_groups(groups: Sequence[Group], metric: str) -> list[RankedGroup]:
    """The groups by their mean, the better ones first. The best mean among groups with repeats leads.

    A group is worse than the leader when Welch's test says so at 5 % after Holm's correction for looking at all of them (Welch 1947,
    Holm 1979); else nobody can tell. Nobody can tell either from one run, or when repeats agree to the last digit in both groups.
    """
    towards = metric_direction(metric.removeprefix(METRIC_PREFIX))
    made = [RankedGroup(group, summarize(group.numbers)) for group in groups]
    made.sort(key=lambda one: one.summary.mean, reverse=towards != "less")
    lead = next((one for one in made if one.summary.n > 1), None)
    if towards == "neither" or len(made) < 2:
        return made
    if lead is None:
        return [RankedGroup(one.group, one.summary, "cannot tell") for one in made]
    others = [one for one in made if one is not lead]
    worse = reject_by_holm([welch_p_value(lead.summary, one.summary) for one in others])
    verdicts: dict[int, GroupStanding] = {
        id(one): "worse" if so else "cannot tell" for one, so in zip(others, worse, strict=True)
    }
    return [RankedGroup(one.group, one.summary, verdicts.get(id(one), "best")) for one in made]


def _read(text: str) -> str:
    """A text as a label; one that shows nothing is said."""
    return text if text.strip() else "blank text" if text else "empty text"


def _numbers(present: Sequence[Any]) -> list[str]:
    labels = [format_param(value) for value in present]
    return labels if len(set(labels)) == len(labels) else [str(value) for value in present]


def _range(values: "pd.Series") -> str:
    low, high = float(values.min()), float(values.max())
    return " to ".join(_numbers(sorted({low, high})))


def _told_apart(labels: Sequence[str]) -> tuple[str, ...]:
    """The same labels, a repeated one with its number: a value may read like the word for no value."""
    made: dict[str, None] = {}
    for label in labels:
        number, one = 2, label
        while one in made:
            number, one = number + 1, f"{label} ({number})"
        made[one] = None
    return tuple(made)
