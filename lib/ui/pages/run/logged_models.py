"""The models of a run, by what their MLmodel files say: flavours, signature, size, requirements. No model is loaded."""

from collections.abc import Sequence

import streamlit as st

from lib.backends.backend import Backend
from lib.runs.artifacts.files import ArtifactLocation
from lib.runs.artifacts.mlmodel import ModelFile, SignatureColumn
from lib.ui.components.badges import Badge
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import NBSP, escape, format_count
from lib.ui.components.layout import show_card_header, show_facts, show_table
from lib.ui.pages.run import queries

MODEL_STATUS_BADGES: dict[str, Badge] = {
    "READY": ("gray", "check", "Ready"),
    "PENDING": ("blue", "progress_activity", "Being written"),
    "FAILED": ("red", "error", "Failed"),
}
MAX_MODELS = 5
MAX_COLUMNS = 100
MAX_SIGNATURE_COLUMNS = 4
GENERIC_FLAVOURS = ("python_function",)
"""Flavours that say how a model is called, not what it is."""


def show_logged_models(backend: Backend, locations: Sequence[ArtifactLocation]) -> None:
    """A card per model, the one of the highest step first."""
    for place in locations[:MAX_MODELS]:
        with st.container(border=True, key=f"run.model.{place.model_id or locations.index(place)}", gap="small"):
            show_card_header(
                "Model", "read from MLmodel, never loaded", (MODEL_STATUS_BADGES, place.status) if place.status else None
            )
            with error_boundary():
                _told(place, queries.cached_model_file(backend, place))
            if place.model_id:
                st.code(f"models:/{place.model_id}", language=None)
    if len(locations) > MAX_MODELS:
        st.caption(f"Showing {MAX_MODELS} of {format_count(len(locations), 'model')}.")


def _told(place: ArtifactLocation, found: ModelFile) -> None:
    kinds = [name for name in found.flavours if name not in GENERIC_FLAVOURS] or list(found.flavours)
    told = {
        "Name": escape(place.name),
        "Flavour": " · ".join(_flavour(found, name) for name in kinds),
        "Made with": " · ".join(
            part for part in (_with("MLflow", found.mlflow_version), _with("Python", found.python_version)) if part
        ),
        "Size": _size(found.size_bytes),
        "Takes": _columns(found, found.inputs),
        "Gives": _columns(found, found.outputs),
        "Parameters": _columns(found, found.params) if found.params else "",
    }
    show_facts({name: value for name, value in told.items() if value})
    with st.container(horizontal=True, gap="small"):
        if len(found.inputs) + len(found.outputs) + len(found.params) > MAX_SIGNATURE_COLUMNS:
            with st.popover("Whole signature", type="tertiary", icon=":material/schema:"):
                _signature(found)
        if found.requirements:
            with st.popover(format_count(len(found.requirements), "requirement"), type="tertiary", icon=":material/package_2:"):
                st.code("\n".join(found.requirements), language=None)


def _flavour(found: ModelFile, name: str) -> str:
    said = found.flavours[name]
    version = next((value for key, value in said.items() if key.endswith("_version") and key != "python_version"), "")
    kept = said.get("serialization_format", "")
    return escape(" ".join(part for part in (name, version, f"({kept})" if kept else "") if part))


def _with(what: str, version: str) -> str:
    return f"{what}{NBSP}{escape(version)}" if version else ""


def _size(size: int | None) -> str:
    if size is None:
        return ""
    return f"{size / 1e6:,.1f}{NBSP}MB" if size >= 1e5 else f"{size / 1e3:,.1f}{NBSP}kB"


def _columns(found: ModelFile, columns: Sequence[SignatureColumn]) -> str:
    """The first columns with their types, and how many there are."""
    if not columns:
        return "nothing named" if found.has_signature else "no signature"
    first = ", ".join(f"{escape(one.name)} :gray[{escape(one.type)}]" for one in columns[:MAX_SIGNATURE_COLUMNS])
    return first if len(columns) <= MAX_SIGNATURE_COLUMNS else f"{first} and {len(columns) - MAX_SIGNATURE_COLUMNS} more"


def _signature(found: ModelFile) -> None:
    rows = [
        (f":gray[{where}]", escape(one.name), escape(one.type), "" if one.is_required else "optional")
        for where, columns in (("takes", found.inputs), ("gives", found.outputs), ("parameter", found.params))
        for one in columns
    ]
    show_table(rows[:MAX_COLUMNS], ["", "Name", "Type", " "])
    if len(rows) > MAX_COLUMNS:
        st.caption(f"Showing {MAX_COLUMNS} of {len(rows):,}.")
