"""The source run of a registered version: the one it names, else the one that logged its model. Shared by record and deletion.

A version registered in MLflow's own UI names no run. Its source leads to a logged model, which leads to its run.
"""

import re

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.errors import NotFound
from lib.registry.snapshot import VersionSnapshot

_MODEL_IN_SOURCE = re.compile(r"(?:^models:/|/models/)(m-[^/]+)(?:/|$)")
"""A logged model in the source of a version: its URI, or its folder."""
_RUN_IN_SOURCE = re.compile(r"(?:^runs:/+([^/]+)|/([0-9a-f]{32})/artifacts)(?:/|$)")
"""A run in the source of a version: its URI, or the folder of its artifacts."""


def find_source_run_id(backend: Backend, version: VersionSnapshot) -> str:
    """The run of a version; empty if neither the version, its source nor its logged model names one."""
    if version.run_id:
        return version.run_id
    named = named_run_ids(version) or source_run_ids(backend, version)
    return next(iter(sorted(named)), "")


def source_run_ids(backend: Backend, version: VersionSnapshot) -> set[str]:
    """The runs named by a version and those that logged its model. Deleted models are skipped."""
    run_ids = set[str]()
    for model_id in source_model_ids(version):
        try:
            with translate_errors(f"Model {model_id}"):
                run_ids.add(client(backend).get_logged_model(model_id).source_run_id or "")
        except NotFound:
            continue
    return (named_run_ids(version) | run_ids) - {""}


def named_run_ids(version: VersionSnapshot) -> set[str]:
    """The runs named by a version and its source."""
    match = _RUN_IN_SOURCE.search(version.source)
    return {version.run_id, (match[1] or match[2]) if match else ""} - {""}


def source_model_ids(version: VersionSnapshot) -> set[str]:
    """The logged models named by a version and its source."""
    match = _MODEL_IN_SOURCE.search(version.source)
    return {version.model_id, match[1] if match else ""} - {""}
