"""Whether an experiment holds traces. Podium compares runs; traces are for MLflow's own pages."""

from collections.abc import Sequence

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors


def has_traces(backend: Backend, experiment_ids: Sequence[str]) -> bool:
    """Is there at least one trace in these experiments? Raises as every read does, also where a server knows no traces."""
    with translate_errors("The traces of this experiment"):
        return bool(client(backend).search_traces(locations=list(experiment_ids), max_results=1, include_spans=False))
