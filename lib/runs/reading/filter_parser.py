"""Parses a search filter with MLflow's own parser: the one place that depends on that internal class."""

from typing import Any

from lib.errors import BadInput
from lib.runs.filters.explain import Clause, KnownNames, comparator_error, explain_error


def parse_filter(filter_text: str, known_names: KnownNames | None = None) -> tuple[Clause, ...]:
    """The conditions of a filter, joined by AND; none for an empty one.

    Raises BadInput with a plain sentence and an example of a right filter. `known` names make both of them fit this experiment.
    """
    here = known_names or KnownNames()
    clauses = tuple(_clause(raw) for raw in _parsed(filter_text, here))
    for clause in clauses:
        if wrong := comparator_error(clause):
            raise _bad(wrong, here)
    return clauses


def _parsed(asked: str, known: KnownNames) -> list[dict[str, Any]]:
    from mlflow.exceptions import MlflowException
    from mlflow.utils.search_utils import SearchUtils

    if not asked.strip():
        return []
    try:
        return list(SearchUtils.parse_search_filter(asked))
    except MlflowException as error:
        raise _bad(explain_error(asked, str(error), known), known) from error
    except (ValueError, IndexError, TypeError, AttributeError) as error:  # the parser stumbles over some half-typed filters
        raise _bad("MLflow cannot read this filter.", known) from error


def _clause(raw: dict[str, Any]) -> Clause:
    return Clause(str(raw["type"]), str(raw["key"]), " ".join(str(raw["comparator"]).upper().split()), raw["value"])


def _bad(what: str, known: KnownNames) -> BadInput:
    return BadInput(what, means="The filter is not applied.", next=f"Right would be, for example: {known.example_filter}")
