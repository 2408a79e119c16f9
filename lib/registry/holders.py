"""Which runs are the source of a version that somebody uses now. Reads only.

Used means: it stands in Production or Staging, or an alias leads to it. Asked before runs are deleted together with their experiment.
"""

import re

from mlflow.exceptions import MlflowException

from lib.backends.connect import client
from lib.backends.uri import Backend
from lib.ledger.words import SLOTS
from lib.registry.reading import every_model
from lib.registry.seen import Seen, Version

_LOGGED = re.compile(r"(?:^models:/|/models/)(m-[0-9a-f]{32})(?:/|$)")
"""A logged model in the source of a version: its address, or the folder it lies in."""


def held_sources(backend: Backend) -> dict[str, str]:
    """Run id → what people call the versions that came from it: "forest v3 in Production, forest v2 as @canary"."""
    found: dict[str, list[str]] = {}
    for seen in every_model(backend):
        for version in seen.versions.values():
            if (use := _use(seen, version)) and (source := _source(backend, version)):
                found.setdefault(source, []).append(f"{seen.model} v{version.number} {use}")
    return {run_id: ", ".join(texts) for run_id, texts in found.items()}


def _use(seen: Seen, version: Version) -> str:
    """How a version is used: "in Production", "as @canary"; "" when it is not."""
    aliases = sorted(alias for alias, number in seen.aliases.items() if number == version.number)
    if version.stage in SLOTS.values():
        return f"in {version.stage}"
    return f"as {', '.join(f'@{alias}' for alias in aliases)}" if aliases else ""


def _source(backend: Backend, version: Version) -> str:
    """The run of a version, or the run that logged its model; "" where neither is known."""
    named = _LOGGED.search(version.source)
    model_id = version.model_id or (named[1] if named else "")
    if version.run_id or not model_id:
        return version.run_id
    try:
        return client(backend).get_logged_model(model_id).source_run_id or ""
    except MlflowException:  # the logged model is gone: no run to protect
        return ""
