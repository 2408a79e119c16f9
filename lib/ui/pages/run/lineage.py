"""Where a run comes from and what came of it: parent, children, siblings, code, and the registered versions."""

from collections.abc import Sequence

import streamlit as st

from lib.ledger.entry.vocabulary import SLOTS
from lib.ledger.state.holdings import Holding
from lib.registry.run_usage import VersionUse
from lib.runs.reading.related_runs import RelatedRun, RelatedRuns
from lib.runs.table.types import COMMIT_TAG, Run
from lib.ui.app.routes import page_link
from lib.ui.components.badges import STAGE_BADGES, badge_markdown
from lib.ui.components.formatting import escape, format_count, format_date
from lib.ui.components.layout import card, show_facts

MAX_CHILDREN = 5
MAX_NAME_LENGTH = 48
FROZEN_TAG = "git_commit"


def show_lineage(run: Run, related_runs: RelatedRuns, uses: Sequence[VersionUse]) -> None:
    """Who made it possible and what came of it. Empty parts are left out."""
    with card("Where it belongs", key="run.lineage"):
        told = _facts(run, related_runs)
        if told:
            show_facts(told)
        with st.container(gap=None):
            if related_runs.parent:
                _relative(related_runs.parent, f"its parent{_gone(related_runs.parent)}", "arrow_upward")
            for child in related_runs.children[:MAX_CHILDREN]:
                _relative(child, "child run", "subdirectory_arrow_right")
        if len(related_runs.children) > 1:
            _all_children(run, related_runs)
        for use in uses:
            _use(use)
        if not told and not related_runs.parent and not related_runs.children and not uses:
            st.caption("It has no parent, no child runs, no commit, and no registered version.")


def _facts(of: Run, kin: RelatedRuns) -> dict[str, str]:
    gone = f"{escape(kin.parent_id[:40])}, gone for good" if kin.parent_id and not kin.parent else ""
    frozen = of.tags.get(FROZEN_TAG, "")
    told = {
        "Parent": gone,
        "Siblings": _many(len(kin.siblings), more=kin.has_more) if kin.siblings else "",
        "Commit": f"`{_hash(of.tags.get(COMMIT_TAG, ''))}`" if of.tags.get(COMMIT_TAG) else "",
        "Frozen as": f"`{_hash(frozen)}`" if frozen else "",
    }
    return {name: value for name, value in told.items() if value}


def _all_children(of: Run, kin: RelatedRuns) -> None:
    every = _many(len(kin.children), more=kin.has_more)
    query: dict[str, str | list[str]] = {"experiment": of.experiment_id, "parent": of.run_id}
    page_link(f"Compare its {every}", "compare", icon="compare_arrows", query=query)


def _relative(one: RelatedRun, what: str, icon: str) -> None:
    """The way to a related run. A page link to the page that is open would be drawn as the chosen one."""
    label = f"{escape(_cut(one.name))} :gray[{what}]"
    st.button(label, type="tertiary", icon=f":material/{icon}:", key=f"run.to.{one.run_id}", on_click=_open, args=(one.run_id,))


def _open(run_id: str) -> None:
    st.query_params["run"] = run_id


def _cut(name: str) -> str:
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[: MAX_NAME_LENGTH - 1]}…"


def _use(use: VersionUse) -> None:
    """A registered version: what it is called, its stage, and since when or until when it was in Production."""
    aliases = "".join(f" :gray-badge[{escape(alias)}]" for alias in use.aliases if alias not in SLOTS)
    label = f"{escape(use.model)} v{escape(use.version)} {badge_markdown(STAGE_BADGES, use.stage)}{aliases}"
    page_link(label, "models", icon="deployed_code", query={"model": use.model, "version": use.version})
    if use.holdings:
        st.caption(" · ".join(holding_text(one) for one in use.holdings[-3:]))


def holding_text(holding: Holding) -> str:
    """ "Production since 3 Jan 2024", "Staging 3 Jan 2024 to 5 Jan 2024"."""
    until = f" to {format_date(holding.until)}" if holding.until else ""
    return f"{SLOTS[holding.slot]} {'' if holding.until else 'since '}{format_date(holding.since)}{until}"


def _many(number: int, *, more: bool) -> str:
    return format_count(number, "run") + (" or more" if more else "")


def _gone(one: RelatedRun) -> str:
    return ", deleted" if one.lifecycle != "active" else ""


def _hash(text: str) -> str:
    """A commit as it may stand between code marks: letters and digits only."""
    return "".join(mark for mark in text if mark.isalnum())[:12]
