"""Whether an experiment contains traces. Podium compares runs; traces are left to MLflow's own UI."""

from collections.abc import Sequence

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors


def has_traces(backend: Backend, experiment_ids: Sequence[str]) -> bool:
    """Whether these experiments contain a trace. Raises as every read does, also if a server does not support traces."""
    with translate_errors("The traces of this experiment"):
        return bool(client(backend).search_traces(locations=list(experiment_ids), max_results=1, include_spans=False))
