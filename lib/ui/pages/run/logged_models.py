"""The models of a run as described by their MLmodel files: flavours, signature, size, requirements. No model is loaded."""

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
    "PENDING": ("blue", "progress_activity", "Pending"),
    "FAILED": ("red", "error", "Failed"),
}
MAX_MODELS = 5
MAX_COLUMNS = 100
MAX_SIGNATURE_COLUMNS = 4
GENERIC_FLAVOURS = ("python_function",)
"""Flavours that describe how a model is called, not what it is."""


def show_logged_models(backend: Backend, locations: Sequence[ArtifactLocation]) -> None:
    """Show a card per model, highest step first."""
    for location in locations[:MAX_MODELS]:
        with st.container(border=True, key=f"run.model.{location.model_id or locations.index(location)}", gap="small"):
            show_card_header(
                "Model", "read from MLmodel, never loaded", (MODEL_STATUS_BADGES, location.status) if location.status else None
            )
            with error_boundary():
                _show_model_file(location, queries.cached_model_file(backend, location))
            if location.model_id:
                st.code(f"models:/{location.model_id}", language=None)
    if len(locations) > MAX_MODELS:
        st.caption(f"Showing {MAX_MODELS} of {format_count(len(locations), 'model')}.")


def _show_model_file(location: ArtifactLocation, model_file: ModelFile) -> None:
    flavours = [name for name in model_file.flavours if name not in GENERIC_FLAVOURS] or list(model_file.flavours)
    facts = {
        "Name": escape(location.name),
        "Flavour": " · ".join(_flavour_text(model_file, name) for name in flavours),
        "Built with": " · ".join(
            part
            for part in (
                _product_version("MLflow", model_file.mlflow_version),
                _product_version("Python", model_file.python_version),
            )
            if part
        ),
        "Size": _format_size(model_file.size_bytes),
        "Inputs": _columns_text(model_file, model_file.inputs),
        "Outputs": _columns_text(model_file, model_file.outputs),
        "Parameters": _columns_text(model_file, model_file.params) if model_file.params else "",
    }
    show_facts({name: value for name, value in facts.items() if value})
    with st.container(horizontal=True, gap="small"):
        if len(model_file.inputs) + len(model_file.outputs) + len(model_file.params) > MAX_SIGNATURE_COLUMNS:
            with st.popover("Full signature", type="tertiary", icon=":material/schema:"):
                _show_signature(model_file)
        if model_file.requirements:
            with st.popover(
                format_count(len(model_file.requirements), "requirement"), type="tertiary", icon=":material/package_2:"
            ):
                st.code("\n".join(model_file.requirements), language=None)


def _flavour_text(model_file: ModelFile, name: str) -> str:
    details = model_file.flavours[name]
    version = next((value for key, value in details.items() if key.endswith("_version") and key != "python_version"), "")
    serialization = details.get("serialization_format", "")
    return escape(" ".join(part for part in (name, version, f"({serialization})" if serialization else "") if part))


def _product_version(product: str, version: str) -> str:
    return f"{product}{NBSP}{escape(version)}" if version else ""


def _format_size(size: int | None) -> str:
    if size is None:
        return ""
    return f"{size / 1e6:,.1f}{NBSP}MB" if size >= 1e5 else f"{size / 1e3:,.1f}{NBSP}kB"


def _columns_text(model_file: ModelFile, columns: Sequence[SignatureColumn]) -> str:
    """Return the first columns with their types, and the number of others."""
    if not columns:
        return "no named columns" if model_file.has_signature else "no signature"
    first_columns = ", ".join(f"{escape(column.name)} :gray[{escape(column.type)}]" for column in columns[:MAX_SIGNATURE_COLUMNS])
    return (
        first_columns
        if len(columns) <= MAX_SIGNATURE_COLUMNS
        else f"{first_columns} and {len(columns) - MAX_SIGNATURE_COLUMNS} more"
    )


def _show_signature(model_file: ModelFile) -> None:
    rows = [
        (f":gray[{direction}]", escape(column.name), escape(column.type), "" if column.is_required else "optional")
        for direction, columns in (("takes", model_file.inputs), ("gives", model_file.outputs), ("parameter", model_file.params))
        for column in columns
    ]
    show_table(rows[:MAX_COLUMNS], ["", "Name", "Type", " "])
    if len(rows) > MAX_COLUMNS:
        st.caption(f"Showing {MAX_COLUMNS} of {len(rows):,}.")
