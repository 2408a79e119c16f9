"""The top of the Run page: its name and facts, what can be done with it, and the pulse of a run that is still going."""

from pathlib import PurePosixPath

import streamlit as st

from lib.backends.backend import Backend
from lib.registry.delete_run import LIVE
from lib.runs.reading import run_reader as reading
from lib.runs.reading.related_runs import Home, Kin
from lib.runs.table.types import SOURCE_TAG, Run
from lib.ui.app.routes import goto, link
from lib.ui.app.session import backend, now
from lib.ui.components.badges import RUN, chip
from lib.ui.components.error_box import calm
from lib.ui.components.formatting import NARROW, lately, md, moment, span
from lib.ui.components.layout import card, facts, header
from lib.ui.components.write_access import for_recording, for_writing
from lib.ui.pages.run import dialogs
from lib.ui.pages.run import queries as reads

LONGEST_TITLE = 90
MOST_PICKED = 4
EVERY = 5
"""Seconds between two looks at a running run."""


def top(of: Run, home: Home, kin: Kin, *, has_model: bool) -> None:
    """Name, one line of facts, and the deeds."""
    name = of.name or of.run_id
    title = name if len(name) <= LONGEST_TITLE else f"{name[:LONGEST_TITLE]}…"
    with header(md(title), _line(of, home)):
        if of.lifecycle == "active" and not home.is_record:
            _deeds(of, kin, has_model=has_model)


def _line(of: Run, home: Home) -> str:
    told = [
        chip(RUN, of.status) if of.status in RUN else md(of.status),
        f"in {md(home.name)}",
        f"started {lately(of.started, now())}" if of.started else "",
        f"by {md(of.user)}" if of.user else "",
        "deleted" if of.lifecycle != "active" else "",
    ]
    return " · ".join(part for part in told if part)


def _deeds(of: Run, kin: Kin, *, has_model: bool) -> None:
    off = for_writing(backend(), of.experiment_id)
    ask = dialogs.ask
    st.button("Rename", type="tertiary", icon=":material/edit:", key="run.rename", on_click=ask, args=("rename", of), **off)
    st.button("Delete", type="tertiary", icon=":material/delete:", key="run.delete", on_click=ask, args=("delete", of), **off)
    can = has_model and of.status not in LIVE
    if can and st.button("Register", icon=":material/add_box:", key="run.register", **for_recording(backend())):
        goto("models", register=of.run_id)
    if st.button("Compare with its siblings", type="primary", icon=":material/compare_arrows:", key="run.siblings"):
        goto("compare", **siblings(of, kin))


def siblings(of: Run, kin: Kin) -> dict[str, str | list[str]]:
    """The address of Compare with a run among its siblings: few of them picked, many only listed.

    The siblings of a run without a parent are all runs of its experiment.
    """
    beside = [one.run_id for one in kin.siblings]
    picked = [of.run_id, *(beside if len(beside) < MOST_PICKED else ())]
    return {"experiment": of.experiment_id, "parent": kin.parent_id if kin.siblings else "", "pick": picked}


def identity_card(of: Run, home: Home) -> None:
    """When, by whom, from which code; and the id to be copied."""
    with card("This run", key="run.identity"):
        facts({name: value for name, value in _facts(of, home).items() if value})
        st.code(of.run_id, language=None)
        link(md(home.name) if home.name else "Its experiment", "compare", icon="science", query={"experiment": of.experiment_id})


def _facts(of: Run, home: Home) -> dict[str, str]:
    took = span(of.ended - of.started) if of.started and of.ended else ""
    long_name = md(of.name) if len(of.name) > LONGEST_TITLE else ""
    return {
        "Name": long_name,
        "Experiment": "" if home.lifecycle == "active" else f"{md(home.name)}, deleted",
        "Started": moment(of.started) if of.started else "",
        "Ended": moment(of.ended) if of.ended else "",
        "Took": took,
        "By": md(of.user),
        "Source": md(PurePosixPath(of.tags.get(SOURCE_TAG, "").replace("\\", "/")).name[:80]),
    }


def pulse(here: Backend, of: Run) -> None:
    """Look at a running run every few seconds, and draw the page anew when it has something new to tell."""
    if of.status in LIVE and of.lifecycle == "active":
        st.fragment(_beat, run_every=EVERY)(here, of)


def _beat(here: Backend, of: Run) -> None:
    since = f"Running for {span(now() - of.started)}." if of.started else "Running."
    st.caption(f":blue[:material/progress_activity:] {since} Looks again every {EVERY}{NARROW}s.")
    with calm():
        if _news(reading.run(here, of.run_id)) != _news(of):
            reads.shown.clear(here, of.run_id)
            st.rerun()


def _news(of: Run) -> tuple[object, ...]:
    return of.status, of.lifecycle, sorted((name, str(value)) for name, value in of.metrics.items()), len(of.params), len(of.tags)
