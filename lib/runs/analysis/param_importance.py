"""Which parameters a metric depends on, by shuffling them: a forest learns the metric from the parameters, and shuffling one shows
what the forest loses without it. Pure: the same runs give the same numbers, in whatever order they come.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from lib.runs.table.number_format import is_finite_number
from lib.runs.table.run_table import column_values, subset, varying_params
from lib.runs.table.types import RunTable

MIN_RUNS = 20
MAX_SAMPLED_RUNS = 2000
"""More runs are sampled: a forest of 2,000 takes seconds and 5,000 tell the same."""
MAX_CATEGORIES = 12
TREES, FOLDS, ROUNDS, SHUFFLED_COPIES = 60, 3, 5, 5
MIN_R_SQUARED = 0.1
"""Share of the differences below which no parameter can be called important."""
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class ParamImportance:
    """A parameter, and the share of the metric's differences that comes from it: mean, lowest and highest of the rounds.

    It is clear when even the lowest is more than chance alone gave to any shuffled copy of a parameter.
    """

    name: str
    mean: float
    low: float
    high: float
    is_clear: bool


@dataclass(frozen=True)
class ImportanceResult:
    """The parameters, the most important first.

    `explained` is the share of the differences (R²) that the forest foretells in runs it has not seen; it may be below zero.
    `used` of the `measured` runs were taken.
    """

    r_squared: float
    sampled_count: int
    measured_count: int
    params: tuple[ParamImportance, ...]


@dataclass(frozen=True)
class _Sheet:
    """The runs as numbers: a block of columns per parameter, and the metric with mean 0 and spread 1."""

    columns: Floats
    blocks: tuple[slice, ...]
    target: Floats


def _runs_with_metric(table: RunTable, metric: str) -> RunTable:
    """The runs with a number in the metric."""
    return subset(
        table, [run_id for run_id, value in zip(table.ids, column_values(table, metric), strict=True) if is_finite_number(value)]
    )


def missing_requirement(table: RunTable, metric: str) -> str:
    """What these runs lack for an importance, in a sentence; an empty text when it can be reckoned."""
    runs = _runs_with_metric(table, metric)
    if len(runs) < MIN_RUNS:
        return f"It takes at least {MIN_RUNS} runs with a number in this metric; here are {len(runs)}."
    if column_values(runs, metric).nunique() < 2:
        return "The metric is the same in all runs, so nothing can explain its differences."
    return (
        "" if varying_params(runs) else "It takes a parameter with at least two different values among the runs with this metric."
    )


def input_hash(table: RunTable, metric: str) -> str:
    """The same text for the same runs, parameters and values of the metric, in whatever order the runs come."""
    rows = table.params.astype("str").assign(**{"\x00metric": column_values(table, metric)}).sort_index()
    names = "\x00".join([metric, *map(str, rows.columns)]).encode()
    return hashlib.sha256(names + pd.util.hash_pandas_object(rows).to_numpy().tobytes()).hexdigest()


def compute_importances(table: RunTable, metric: str) -> ImportanceResult:
    """The importance of every parameter that differs, for runs of which `lacks` says nothing.

    In each of five rounds the runs are dealt into three parts; a forest that learned two parts foretells the third, as it is and with
    one parameter shuffled among its runs (Breiman 2001). The squared error that this adds is twice the variance that comes from the
    parameter (Gregorutti, Michel, Saint-Pierre 2017), so half of it is the parameter's share of the squared differences from the mean.
    Parameters that move together share their importance. Shuffled copies of some parameters stand among them, to show what chance
    alone gives (Kursa, Rudnicki 2010).
    """
    runs = _runs_with_metric(table, metric)
    chance = np.random.default_rng(int(input_hash(runs, metric)[:16], 16))
    ids = sorted(runs.ids)
    if len(ids) > MAX_SAMPLED_RUNS:
        ids = [ids[place] for place in sorted(chance.choice(len(ids), MAX_SAMPLED_RUNS, replace=False))]
    taken = subset(runs, ids)
    names = varying_params(taken)
    sheet = _sheet(taken, names, metric)
    rounds = np.array([_round(_with_copies(sheet, chance), chance) for _ in range(ROUNDS)])
    shares = (rounds[:, 1:] - rounds[:, :1]) / 2
    by_chance = max(0.0, float(shares[:, len(names) :].max()))
    numbers = [(float(one.mean()), float(one.min()), float(one.max())) for one in shares.T]
    found = [ParamImportance(name, *three, three[1] > by_chance) for name, three in zip(names, numbers, strict=False)]
    found.sort(key=lambda one: -one.mean)
    return ImportanceResult(float(1 - rounds[:, 0].mean()), len(taken), len(runs), tuple(found))


def _round(sheet: _Sheet, chance: np.random.Generator) -> Floats:
    """The share that a forest gets wrong in parts it has not learned: as they are, then with each parameter shuffled."""
    from sklearn.ensemble import RandomForestRegressor

    wrong = np.zeros(1 + len(sheet.blocks))
    parts = np.array_split(chance.permutation(len(sheet.target)), FOLDS)
    for number, part in enumerate(parts):
        rest = np.concatenate([one for place, one in enumerate(parts) if place != number])
        forest = RandomForestRegressor(
            TREES, min_samples_leaf=max(2, len(rest) // 250), max_features=0.5, random_state=int(chance.integers(2**31)), n_jobs=1
        )
        forest.fit(sheet.columns[rest], sheet.target[rest])
        asked = np.concatenate(list(_shuffled(sheet, part, chance)))
        foretold = forest.predict(asked).reshape(len(wrong), len(part))
        wrong += ((foretold - sheet.target[part]) ** 2).sum(axis=1)
    return wrong / (sheet.target**2).sum()


def _with_copies(sheet: _Sheet, chance: np.random.Generator) -> _Sheet:
    """The same sheet and up to `COPIES` parameters once more, shuffled among all runs."""
    chosen = chance.choice(len(sheet.blocks), min(SHUFFLED_COPIES, len(sheet.blocks)), replace=False)
    columns, blocks = [sheet.columns], list(sheet.blocks)
    for place in chosen:
        copy = sheet.columns[chance.permutation(len(sheet.target)), sheet.blocks[place]]
        blocks.append(slice(blocks[-1].stop, blocks[-1].stop + copy.shape[1]))
        columns.append(copy)
    return _Sheet(np.concatenate(columns, axis=1), tuple(blocks), sheet.target)


def _shuffled(sheet: _Sheet, part: "np.ndarray[Any, Any]", chance: np.random.Generator) -> Iterator[Floats]:
    rows = sheet.columns[part]
    yield rows
    for block in sheet.blocks:
        other = rows.copy()
        other[:, block] = rows[chance.permutation(len(part)), block]
        yield other


def _sheet(table: RunTable, names: Sequence[str], metric: str) -> _Sheet:
    made = [_columns(column_values(table, name)) for name in names]
    ends = np.cumsum([0, *(one.shape[1] for one in made)])
    target = column_values(table, metric).to_numpy(dtype="float64")
    target = target / (np.abs(target).max() or 1.0)
    target = target - target.mean()
    return _Sheet(
        np.concatenate(made, axis=1),
        tuple(slice(int(start), int(end)) for start, end in pairwise(ends)),
        target / (target.std() or 1.0),
    )


def _columns(values: "pd.Series") -> Floats:
    """A number as its rank, which is all that a tree sees of it, with 0 for none; a text as one column per frequent value."""
    if pd.api.types.is_numeric_dtype(values):
        ranks = values.rank(method="dense").fillna(0)
        return np.array([ranks], dtype="float64").T
    texts = values.astype("object").where(values.notna(), None)
    counted = texts.value_counts(dropna=False)
    frequent = sorted(counted.index, key=lambda text: (-counted[text] if text is not None else 0, str(text)))[:MAX_CATEGORIES]
    return np.stack(
        [[float(one == text) if text is not None else float(one is None) for one in texts] for text in frequent], axis=1
    )
