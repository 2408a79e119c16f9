"""Permutation importance of parameters for a metric: a forest learns the metric from the parameters, and shuffling one shows how much
accuracy the forest loses. Pure: the same runs give the same numbers in any order.
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
"""Larger tables are sampled: a forest on 2,000 runs takes seconds, and 5,000 give the same result."""
MAX_CATEGORIES = 12
TREES, FOLDS, ROUNDS, SHUFFLED_COPIES = 60, 3, 5, 5
MIN_R_SQUARED = 0.1
"""Explained share of the variation below which no parameter counts as important."""
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class ParamImportance:
    """A parameter and its share of the metric's variation: mean, lowest and highest of the rounds.

    It is clear if even the lowest exceeds what chance alone gave any shuffled copy of a parameter.
    """

    name: str
    mean: float
    low: float
    high: float
    is_clear: bool


@dataclass(frozen=True)
class ImportanceResult:
    """The parameters, most important first.

    `r_squared` is the share of the variation that the forest explains in unseen runs; it may be negative. `sampled_count` of the
    `measured_count` runs were used.
    """

    r_squared: float
    sampled_count: int
    measured_count: int
    params: tuple[ParamImportance, ...]


@dataclass(frozen=True)
class _TrainingData:
    """The runs as numbers: a block of columns per parameter, and the metric with mean 0 and standard deviation 1."""

    columns: Floats
    blocks: tuple[slice, ...]
    target: Floats


def _runs_with_metric(table: RunTable, metric: str) -> RunTable:
    """Return the runs with a number in the metric."""
    return subset(
        table, [run_id for run_id, value in zip(table.ids, column_values(table, metric), strict=True) if is_finite_number(value)]
    )


def missing_requirement(table: RunTable, metric: str) -> str:
    """Return why importance cannot be computed for these runs, in a sentence; empty if it can."""
    runs = _runs_with_metric(table, metric)
    if len(runs) < MIN_RUNS:
        return f"At least {MIN_RUNS} runs with a number in this metric are needed; there are {len(runs)}."
    if column_values(runs, metric).nunique() < 2:
        return "The metric is the same in all runs, so there is no variation to explain."
    return (
        "" if varying_params(runs) else "A parameter with at least two distinct values among the runs with this metric is needed."
    )


def input_hash(table: RunTable, metric: str) -> str:
    """Return a hash of the runs, parameters and metric values that does not depend on the order of the runs."""
    rows = table.params.astype("str").assign(**{"\x00metric": column_values(table, metric)}).sort_index()
    names = "\x00".join([metric, *map(str, rows.columns)]).encode()
    return hashlib.sha256(names + pd.util.hash_pandas_object(rows).to_numpy().tobytes()).hexdigest()


def compute_importances(table: RunTable, metric: str) -> ImportanceResult:
    """Compute the importance of every varying parameter, for runs that meet the requirements (see `missing_requirement`).

    In each of five rounds the runs are split into three parts; a forest trained on two parts predicts the third, unchanged and with one
    parameter shuffled among its runs (Breiman 2001). The added squared error is twice the variance due to the parameter (Gregorutti,
    Michel, Saint-Pierre 2017), so half of it is the parameter's share of the squared deviations from the mean. Correlated parameters
    share their importance. Shuffled copies of some parameters are included to show what chance alone gives (Kursa, Rudnicki 2010).
    """
    runs = _runs_with_metric(table, metric)
    generator = np.random.default_rng(int(input_hash(runs, metric)[:16], 16))
    ids = sorted(runs.ids)
    if len(ids) > MAX_SAMPLED_RUNS:
        ids = [ids[index] for index in sorted(generator.choice(len(ids), MAX_SAMPLED_RUNS, replace=False))]
    sampled_runs = subset(runs, ids)
    names = varying_params(sampled_runs)
    data = _training_data(sampled_runs, names, metric)
    rounds = np.array([_prediction_errors(_add_shuffled_copies(data, generator), generator) for _ in range(ROUNDS)])
    shares = (rounds[:, 1:] - rounds[:, :1]) / 2
    max_chance_share = max(0.0, float(shares[:, len(names) :].max()))
    share_ranges = [
        (float(param_shares.mean()), float(param_shares.min()), float(param_shares.max())) for param_shares in shares.T
    ]
    importances = [
        ParamImportance(name, *share_range, share_range[1] > max_chance_share)
        for name, share_range in zip(names, share_ranges, strict=False)
    ]
    importances.sort(key=lambda importance: -importance.mean)
    return ImportanceResult(float(1 - rounds[:, 0].mean()), len(sampled_runs), len(runs), tuple(importances))


def _prediction_errors(data: _TrainingData, generator: np.random.Generator) -> Floats:
    """Return the forest's error share on unseen parts: unchanged, then with each parameter shuffled."""
    from sklearn.ensemble import RandomForestRegressor

    errors = np.zeros(1 + len(data.blocks))
    folds = np.array_split(generator.permutation(len(data.target)), FOLDS)
    for test_fold, test_rows in enumerate(folds):
        training_rows = np.concatenate([rows for fold, rows in enumerate(folds) if fold != test_fold])
        forest = RandomForestRegressor(
            TREES,
            min_samples_leaf=max(2, len(training_rows) // 250),
            max_features=0.5,
            random_state=int(generator.integers(2**31)),
            n_jobs=1,
        )
        forest.fit(data.columns[training_rows], data.target[training_rows])
        inputs = np.concatenate(list(_shuffled_inputs(data, test_rows, generator)))
        predictions = forest.predict(inputs).reshape(len(errors), len(test_rows))
        errors += ((predictions - data.target[test_rows]) ** 2).sum(axis=1)
    return errors / (data.target**2).sum()


def _add_shuffled_copies(data: _TrainingData, generator: np.random.Generator) -> _TrainingData:
    """Return the data with up to `SHUFFLED_COPIES` extra parameters, copies shuffled among all runs."""
    copied_blocks = generator.choice(len(data.blocks), min(SHUFFLED_COPIES, len(data.blocks)), replace=False)
    columns, blocks = [data.columns], list(data.blocks)
    for index in copied_blocks:
        copy = data.columns[generator.permutation(len(data.target)), data.blocks[index]]
        blocks.append(slice(blocks[-1].stop, blocks[-1].stop + copy.shape[1]))
        columns.append(copy)
    return _TrainingData(np.concatenate(columns, axis=1), tuple(blocks), data.target)


def _shuffled_inputs(data: _TrainingData, test_rows: "np.ndarray[Any, Any]", generator: np.random.Generator) -> Iterator[Floats]:
    rows = data.columns[test_rows]
    yield rows
    for block in data.blocks:
        shuffled_rows = rows.copy()
        shuffled_rows[:, block] = rows[generator.permutation(len(test_rows)), block]
        yield shuffled_rows


def _training_data(table: RunTable, names: Sequence[str], metric: str) -> _TrainingData:
    blocks = [_encode_param(column_values(table, name)) for name in names]
    offsets = np.cumsum([0, *(block.shape[1] for block in blocks)])
    target = column_values(table, metric).to_numpy(dtype="float64")
    target = target / (np.abs(target).max() or 1.0)
    target = target - target.mean()
    return _TrainingData(
        np.concatenate(blocks, axis=1),
        tuple(slice(int(start), int(end)) for start, end in pairwise(offsets)),
        target / (target.std() or 1.0),
    )


def _encode_param(values: "pd.Series") -> Floats:
    """Encode a number as its rank, which is all a tree uses, with 0 for missing; a text as one column per frequent value."""
    if pd.api.types.is_numeric_dtype(values):
        ranks = values.rank(method="dense").fillna(0)
        return np.array([ranks], dtype="float64").T
    texts = values.astype("object").where(values.notna(), None)
    counts = texts.value_counts(dropna=False)
    frequent_texts = sorted(counts.index, key=lambda text: (-counts[text] if text is not None else 0, str(text)))[:MAX_CATEGORIES]
    return np.stack(
        [[float(value == text) if text is not None else float(value is None) for value in texts] for text in frequent_texts],
        axis=1,
    )
