"""Metric directions from tags: Podium's own tag of an experiment, MLflow's, and Optuna's of each run. Pure.

Anyone may have written a tag: content of an unexpected shape is ignored.
"""

import ast
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lib.backends.length_limits import MAX_EXPERIMENT_TAG_LENGTH
from lib.runs.analysis.metric_direction import SYSTEM_PREFIX, Direction, DirectionStatement

DIRECTIONS_TAG = "podium.directions"
PRIMARY_METRIC_TAG = "mlflow.experiment.primaryMetric.name"
GREATER_IS_BETTER_TAG = "mlflow.experiment.primaryMetric.greaterIsBetter"
OPTUNA_TAG = "direction"
_OPTUNA_DIRECTIONS: Mapping[str, Direction] = {"MINIMIZE": "less", "MAXIMIZE": "more"}
_OPTUNA_DEFAULT_METRIC = "value"


class _DirectionsRecord(BaseModel):
    """The value of Podium's tag."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)
    schema_: Annotated[Literal[1], Field(alias="schema")]
    metrics: dict[str, Direction] = {}


def team_directions(tags: Mapping[str, str]) -> dict[str, Direction] | None:
    """Return the team's choice by metric; None if the tag has a shape that this Podium does not write."""
    text = tags.get(DIRECTIONS_TAG)
    if text is None:
        return {}
    try:
        return _DirectionsRecord.model_validate_json(text).metrics if len(text) <= MAX_EXPERIMENT_TAG_LENGTH else None
    except (ValidationError, RecursionError):
        return None


def team_directions_text(directions: Mapping[str, Direction]) -> str:
    """Return the tag value for these directions."""
    return json.dumps({"schema": 1, "metrics": dict(sorted(directions.items()))}, ensure_ascii=False, separators=(",", ":"))


def experiment_statements(tags: Mapping[str, str]) -> tuple[DirectionStatement, ...]:
    """Return the statements in an experiment's tags: the team's choices and MLflow's primary metric."""
    statements = [DirectionStatement(metric, direction, "team") for metric, direction in (team_directions(tags) or {}).items()]
    greater_is_better: Mapping[str, Direction] = {"true": "more", "false": "less"}
    direction = greater_is_better.get(tags.get(GREATER_IS_BETTER_TAG, "").strip().lower())
    if direction and (metric := tags.get(PRIMARY_METRIC_TAG, "")):
        statements.append(DirectionStatement(metric, direction, "MLflow"))
    return tuple(statements)


def optuna_statements(runs: Iterable[tuple[str, Sequence[str]]]) -> tuple[DirectionStatement, ...]:
    """Return the statements of Optuna trials, given pairs of a run's tag `direction` and its metric names.

    The tag refers to the objective without naming it: the only metric, else `value`, Optuna's default name. Several objectives are named
    `value_0`, `value_1` and so on. If nothing matches, the tag is ignored.
    """
    return tuple(dict.fromkeys(statement for tag, metrics in runs for statement in _trial_statements(tag, metrics)))


def _trial_statements(tag: str, metrics: Sequence[str]) -> list[DirectionStatement]:
    words = _direction_words(tag)
    if not words or any(word not in _OPTUNA_DIRECTIONS for word in words):
        return []
    candidates = [name for name in metrics if not name.startswith(SYSTEM_PREFIX)]
    if len(words) > 1:
        numbered = [[f"{prefix}_{index}" for index in range(len(words))] for prefix in _numbered_prefixes(candidates)]
        matching = [names for names in numbered if set(names) <= set(candidates)]
        objectives = matching[0] if len(matching) == 1 else []
    else:
        objectives = candidates if len(candidates) == 1 else [name for name in candidates if name == _OPTUNA_DEFAULT_METRIC]
    return [DirectionStatement(name, _OPTUNA_DIRECTIONS[word], "Optuna") for name, word in zip(objectives, words, strict=False)]


def _direction_words(tag: str) -> list[str]:
    """Return the directions in the tag: "MINIMIZE", or a list in Python's notation."""
    if not tag.startswith("["):
        return [tag]
    if len(tag) > MAX_EXPERIMENT_TAG_LENGTH:
        return []
    try:
        words = ast.literal_eval(tag)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    return [str(word) for word in words]


def _numbered_prefixes(names: Sequence[str]) -> list[str]:
    return [name.removesuffix("_0") for name in names if name.endswith("_0")]
