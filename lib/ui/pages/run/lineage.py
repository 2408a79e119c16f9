"""A run's lineage: parent, children, siblings, code, and registered versions."""

from collections.abc import Sequence

import streamlit as st

from lib.ledger.entry.vocabulary import SLOTS
from lib.ledger.state.holdings import Holding
from lib.registry.run_usage import VersionUse
from lib.runs.reading.related_runs import RelatedRun, RelatedRuns
from lib.runs.table.types import COMMIT_TAG, Run
from lib.ui.app.page_links import page_link
from lib.ui.components.badges import STAGE_BADGES, badge_markdown
from lib.ui.components.formatting import escape, format_count, format_date
from lib.ui.components.layout import card, show_facts

MAX_CHILDREN = 5
MAX_NAME_LENGTH = 48
FROZEN_TAG = "git_commit"


def show_lineage(run: Run, related_runs: RelatedRuns, uses: Sequence[VersionUse]) -> None:
    """Show related runs, code and registered versions; empty parts are omitted."""
    with card("Lineage", key="run.lineage"):
        facts = _lineage_facts(run, related_runs)
        if facts:
            show_facts(facts)
        with st.container(gap=None):
            if related_runs.parent:
                deleted = ", deleted" if related_runs.parent.lifecycle != "active" else ""
                _related_run_button(related_runs.parent, f"parent{deleted}", "arrow_upward")
            for child in related_runs.children[:MAX_CHILDREN]:
                _related_run_button(child, "child run", "subdirectory_arrow_right")
        if len(related_runs.children) > 1:
            _compare_children_link(run, related_runs)
        for use in uses:
            _show_version_use(use)
        if not facts and not related_runs.parent and not related_runs.children and not uses:
            st.caption("No parent, child runs, commit or registered versions.")


def _lineage_facts(run: Run, related_runs: RelatedRuns) -> dict[str, str]:
    missing_parent = (
        f"{escape(related_runs.parent_id[:40])}, permanently deleted"
        if related_runs.parent_id and not related_runs.parent
        else ""
    )
    frozen_commit = run.tags.get(FROZEN_TAG, "")
    facts = {
        "Parent": missing_parent,
        "Siblings": _run_count_text(len(related_runs.siblings), has_more=related_runs.has_more) if related_runs.siblings else "",
        "Commit": f"`{_safe_hash(run.tags.get(COMMIT_TAG, ''))}`" if run.tags.get(COMMIT_TAG) else "",
        "Frozen as": f"`{_safe_hash(frozen_commit)}`" if frozen_commit else "",
    }
    return {name: value for name, value in facts.items() if value}


def _compare_children_link(run: Run, related_runs: RelatedRuns) -> None:
    children_text = _run_count_text(len(related_runs.children), has_more=related_runs.has_more)
    query: dict[str, str | list[str]] = {"experiment": run.experiment_id, "parent": run.run_id}
    page_link(f"Compare child runs ({children_text})", "compare", icon="compare_arrows", query=query)


def _related_run_button(related_run: RelatedRun, relation: str, icon: str) -> None:
    """Show a button to a related run. A page link to the current page would be drawn as active."""
    label = f"{escape(_shorten_name(related_run.name))} :gray[{relation}]"
    st.button(
        label,
        type="tertiary",
        icon=f":material/{icon}:",
        key=f"run.to.{related_run.run_id}",
        on_click=_open_run,
        args=(related_run.run_id,),
    )


def _open_run(run_id: str) -> None:
    st.query_params["run"] = run_id


def _shorten_name(name: str) -> str:
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[: MAX_NAME_LENGTH - 1]}…"


def _show_version_use(use: VersionUse) -> None:
    """Show a registered version with its stage, aliases and holdings."""
    aliases = "".join(f" :gray-badge[{escape(alias)}]" for alias in use.aliases if alias not in SLOTS)
    label = f"{escape(use.model)} v{escape(use.version)} {badge_markdown(STAGE_BADGES, use.stage)}{aliases}"
    page_link(label, "models", icon="deployed_code", query={"model": use.model, "version": use.version})
    if use.holdings:
        st.caption(" · ".join(holding_text(holding) for holding in use.holdings[-3:]))


def holding_text(holding: Holding) -> str:
    """ "Production since 3 Jan 2024", "Staging 3 Jan 2024 to 5 Jan 2024"."""
    until = f" to {format_date(holding.until)}" if holding.until else ""
    return f"{SLOTS[holding.slot]} {'' if holding.until else 'since '}{format_date(holding.since)}{until}"


def _run_count_text(number: int, *, has_more: bool) -> str:
    return format_count(number, "run") + (" or more" if has_more else "")


def _safe_hash(text: str) -> str:
    """Return a commit hash that is safe inside backticks: letters and digits only."""
    return "".join(character for character in text if character.isalnum())[:12]
