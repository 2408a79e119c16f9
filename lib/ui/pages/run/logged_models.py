"""The models of a run, by what their MLmodel files say: flavours, signature, size, requirements. No model is loaded."""

from collections.abc import Sequence

import streamlit as st

from lib.backends.backend import Backend
from lib.runs.artifacts.files import Place
from lib.runs.artifacts.mlmodel import Column, ModelFile
from lib.ui.components.badges import Word
from lib.ui.components.error_box import calm
from lib.ui.components.formatting import NARROW, count, md
from lib.ui.components.layout import facts, head, table
from lib.ui.pages.run import queries as reads

MODEL: dict[str, Word] = {
    "READY": ("gray", "check", "Ready"),
    "PENDING": ("blue", "progress_activity", "Being written"),
    "FAILED": ("red", "error", "Failed"),
}
MOST_MODELS = 5
MOST_COLUMNS = 100
CUT = 4
LANGUAGES = ("python_function",)
"""Flavours that say how a model is called, not what it is."""


def models_card(here: Backend, places: Sequence[Place]) -> None:
    """A card per model, the one of the highest step first."""
    for place in places[:MOST_MODELS]:
        with st.container(border=True, key=f"run.model.{place.model_id or places.index(place)}", gap="small"):
            head("Model", "read from MLmodel, never loaded", (MODEL, place.status) if place.status else None)
            with calm():
                _told(place, reads.model_file(here, place))
            if place.model_id:
                st.code(f"models:/{place.model_id}", language=None)
    if len(places) > MOST_MODELS:
        st.caption(f"Showing {MOST_MODELS} of {count(len(places), 'model')}.")


def _told(place: Place, found: ModelFile) -> None:
    kinds = [name for name in found.flavours if name not in LANGUAGES] or list(found.flavours)
    told = {
        "Name": md(place.name),
        "Flavour": " · ".join(_flavour(found, name) for name in kinds),
        "Made with": " · ".join(part for part in (_with("MLflow", found.mlflow), _with("Python", found.python)) if part),
        "Size": _size(found.size),
        "Takes": _columns(found, found.inputs),
        "Gives": _columns(found, found.outputs),
        "Parameters": _columns(found, found.params) if found.params else "",
    }
    facts({name: value for name, value in told.items() if value})
    with st.container(horizontal=True, gap="small"):
        if len(found.inputs) + len(found.outputs) + len(found.params) > CUT:
            with st.popover("Whole signature", type="tertiary", icon=":material/schema:"):
                _signature(found)
        if found.requirements:
            with st.popover(count(len(found.requirements), "requirement"), type="tertiary", icon=":material/package_2:"):
                st.code("\n".join(found.requirements), language=None)


def _flavour(found: ModelFile, name: str) -> str:
    said = found.flavours[name]
    version = next((value for key, value in said.items() if key.endswith("_version") and key != "python_version"), "")
    kept = said.get("serialization_format", "")
    return md(" ".join(part for part in (name, version, f"({kept})" if kept else "") if part))


def _with(what: str, version: str) -> str:
    return f"{what}{NARROW}{md(version)}" if version else ""


def _size(size: int | None) -> str:
    if size is None:
        return ""
    return f"{size / 1e6:,.1f}{NARROW}MB" if size >= 1e5 else f"{size / 1e3:,.1f}{NARROW}kB"


def _columns(found: ModelFile, columns: Sequence[Column]) -> str:
    """The first columns with their types, and how many there are."""
    if not columns:
        return "nothing named" if found.signed else "no signature"
    first = ", ".join(f"{md(one.name)} :gray[{md(one.type)}]" for one in columns[:CUT])
    return first if len(columns) <= CUT else f"{first} and {len(columns) - CUT} more"


def _signature(found: ModelFile) -> None:
    rows = [
        (f":gray[{where}]", md(one.name), md(one.type), "" if one.required else "optional")
        for where, columns in (("takes", found.inputs), ("gives", found.outputs), ("parameter", found.params))
        for one in columns
    ]
    table(rows[:MOST_COLUMNS], ["", "Name", "Type", " "])
    if len(rows) > MOST_COLUMNS:
        st.caption(f"Showing {MOST_COLUMNS} of {len(rows):,}.")
