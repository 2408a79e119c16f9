"""Parse a search filter with MLflow's own parser: the only module that depends on that internal class."""

from typing import Any

from lib.errors import BadInput
from lib.runs.filters.explain import KnownNames, comparator_error, explain_error
from lib.runs.table.types import Clause, Filter


def parse_filter(filter_text: str, known_names: KnownNames | None = None) -> Filter:
    """Parse a filter. An empty one matches every run.

    Raises BadInput with a plain sentence and a valid example filter. `known_names` adapt both to this experiment.
    """
    text, names = filter_text.strip(), known_names or KnownNames()
    clauses = tuple(_make_clause(raw) for raw in _parse_with_mlflow(text, names))
    for clause in clauses:
        if message := comparator_error(clause):
            raise _filter_error(message, names)
    return Filter(text, clauses)


def _parse_with_mlflow(filter_text: str, known_names: KnownNames) -> list[dict[str, Any]]:
    from mlflow.exceptions import MlflowException
    from mlflow.utils.search_utils import SearchUtils

    if not filter_text:
        return []
    try:
        return list(SearchUtils.parse_search_filter(filter_text))
    except MlflowException as error:
        raise _filter_error(explain_error(filter_text, str(error), known_names), known_names) from error
    except (ValueError, IndexError, TypeError, AttributeError) as error:  # the parser crashes on some half-typed filters
        raise _filter_error("MLflow cannot read this filter.", known_names) from error


def _make_clause(raw: dict[str, Any]) -> Clause:
    return Clause(str(raw["type"]), str(raw["key"]), " ".join(str(raw["comparator"]).upper().split()), raw["value"])


def _filter_error(message: str, known_names: KnownNames) -> BadInput:
    return BadInput(message, means="The filter is not applied.", next=f"A valid example: {known_names.example_filter}")
