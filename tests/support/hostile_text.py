"""A store in which every name and text is an attack, and what of a page Streamlit reads as Markdown or Vega draws."""

import json
import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message
from mlflow import MlflowClient
from streamlit.testing.v1 import AppTest

from lib.backends.backend import Backend

HOSTILE = (
    "![x](http://evil.invalid/a.png) [c](javascript:alert(1)) <img src=http://evil.invalid/b onerror=alert(1)> "
    "<script>alert(1)</script> :red[fake] :green-badge[All gates pass] $x$ :material/skull: http://evil.invalid www.evil.invalid"
)
HOSTILE_MODEL = HOSTILE.replace("/", "|").replace(":", ";")[:180]
"""As much of it as MLflow takes as a model's name."""
WIDE_METRICS = [f"a metric with a long name {n}" for n in range(8)]
"""As many as no table shows beside each other."""
_ACTIVE = re.compile(
    r"\]\((?:http://evil|javascript)|:red\[|:green-badge\[|\$x\$|:material/skull:|(?:http://|www\.)evil\.invalid"
)
_MARKDOWN_FIELDS = {"label", "help", "body", "title", "content", "captions", "text"}
_PLAIN_MESSAGES = {"Text", "Code", "Json", "Html"}
"""Elements whose `body` or `text` is shown letter by letter."""
_CODE_SPAN = re.compile(r"(`+).+?\1", re.DOTALL)


def fill_hostile_store(backend: Backend) -> str:
    """Fill an empty store by plain MLflow calls. Returns the id of the newest run."""
    client = MlflowClient(backend.uri, backend.uri)
    experiment = client.create_experiment(HOSTILE[:200], artifact_location=str(backend.artifact_folder / "hostile"))
    for number, status in enumerate(("FINISHED", "FAILED", "FINISHED")):
        run = client.create_run(
            experiment, run_name=HOSTILE, tags={"mlflow.note.content": HOSTILE, "Author": HOSTILE}
        ).info.run_id
        client.log_param(run, ":material-check: www.evil.invalid", f"{HOSTILE} {number}")
        client.log_metric(run, "accuracy", 0.5 + number / 10)
        for name in WIDE_METRICS:
            client.log_metric(run, name, number)
        client.set_terminated(run, status)
    client.create_registered_model(HOSTILE_MODEL, tags={"t": HOSTILE}, description=HOSTILE)
    client.create_model_version(
        HOSTILE_MODEL, str(backend.artifact_folder / "hostile"), run_id=run, description=HOSTILE, tags={"t": HOSTILE}
    )
    client.set_registered_model_alias(HOSTILE_MODEL, "champion", "1")
    return str(run)


def markdown_texts(page: AppTest) -> list[tuple[str, str]]:
    """What a page and its open dialog have Streamlit read as Markdown: kind and field, text. Code spans are left out."""
    texts = [pair for node in page._tree for pair in _texts_of(getattr(node, "proto", None))]
    assert len(texts) > 8  # an empty page would prove nothing
    return [(place, _CODE_SPAN.sub("", text)) for place, text in texts]


def active_texts(page: AppTest) -> list[tuple[str, str]]:
    """The texts among them in which something of `HOSTILE` is not escaped."""
    return [(place, text) for place, text in markdown_texts(page) if _ACTIVE.search(text)]


def chart_specs(page: AppTest) -> list[dict[str, Any]]:
    """The Vega-Lite specifications of the charts of a page, without their data."""
    return [json.loads(chart.proto.spec) for chart in page.get("vega_lite_chart")]


def spec_parts(spec: Any, keys: frozenset[str]) -> Iterator[tuple[str, Any]]:
    """Every value that stands under one of these keys, anywhere in a specification but in its data."""
    if isinstance(spec, dict):
        for key, value in spec.items():
            if key in keys:
                yield key, value
            if key not in ("data", "datasets", "values"):
                yield from spec_parts(value, keys)
    elif isinstance(spec, list):
        for part in spec:
            yield from spec_parts(part, keys)


def _texts_of(message: Any, place: str = "") -> Iterator[tuple[str, str]]:
    if not isinstance(message, Message):
        return
    kind = message.DESCRIPTOR.name
    for field, value in message.ListFields():
        values = value if field.is_repeated else [value]
        for part in values:
            if isinstance(part, Message):
                yield from _texts_of(part, kind)
            elif isinstance(part, str) and _is_markdown(kind, field.name):
                yield f"{place or kind}.{field.name}", part


def _is_markdown(kind: str, field_name: str) -> bool:
    return (field_name in _MARKDOWN_FIELDS and kind not in _PLAIN_MESSAGES) or (kind == "Radio" and field_name == "options")
