"""What was done outside Podium, shown where people look: in full with the ways out on Models, as one line per model elsewhere."""

from collections.abc import Sequence
from datetime import timedelta

import streamlit as st

from lib.backends.backend import Backend
from lib.errors import LedgerBroken, NotFound, PodiumError
from lib.ledger.queries.history import Line, lines
from lib.ledger.state.replay import State
from lib.registry.drift import Way
from lib.registry.ledger_writer import Look
from lib.registry.model_survey import lost_runs, of_book, of_gone
from lib.registry.notices import Notice, notices
from lib.ui.app.routes import link
from lib.ui.app.session import backend, now
from lib.ui.components.error_box import show
from lib.ui.components.formatting import count, md, moment, version
from lib.ui.pages.models import move_dialogs as models_dialogs
from lib.ui.queries.registry import Registry, Sight, registry, source_run

ICONS = {"broken": "error", "drift": "visibility", "told": "info"}
DELETED = (
    "Its record stays, and answers for the time before. MLflow cannot restore a deleted model: if nobody meant it, bring the database "
    "back from a backup. A model that is registered anew under the same name goes on in the same book."
)
LATELY = timedelta(days=30)
"""For how long a deleted model is told without being asked for."""
MOST = 5
"""How many models the short banner names."""
RUNS_OF = 20
"""Of how many models the short banner asks whether the runs of their champions are still there: that is a call each."""


def notices_of(here: Backend, found: Look) -> tuple[Notice, ...]:
    """Everything a look found, deleted source runs included."""
    return notices(found, lost_runs(here, found.seen, source_run))


def banner(sight: Sight) -> None:
    """One box per thing a look found, with the ways out."""
    for number, notice in enumerate(notices_of(backend(), sight.found)):
        with st.container(border=True, key=f"models.outside.{notice.slot or number}"):
            _box(notice, f"{md(notice.means)} {md(notice.next)}{_recorded(notice)}")
            if notice.ways and sight.may_write:
                _ways_out(sight, notice)


def short_banner(found: Registry) -> None:
    """One box for all models: which were moved outside, or have no sound book, with a link to each. Nothing when all is well."""
    here = backend()
    looks = enumerate(sorted(found.looks.items()))
    told = [
        (model, notice)
        for number, (model, look) in looks
        for notice in (notices_of(here, look) if number < RUNS_OF else notices(look, {}))
    ]
    broken_off = [(model, of_book(lost)) for model, lost in found.lost.items()]
    told = broken_off + [(model, of_gone(book)) for model, book in found.gone.items()] + told
    due = sorted({model for model, notice in told if notice.weight != "told"})
    if not due:
        return
    lines = [f"**{md(model)}**: {_whats([one for name, one in told if name == model and one.weight != 'told'])}" for model in due]
    more = f"\n- and {count(len(due) - MOST, 'more model')}" if len(due) > MOST else ""
    broken = any(notice.weight == "broken" for _, notice in told)
    with st.container(border=True, key="outside.banner"):
        box = st.error if broken else st.warning
        box(
            "\n".join(f"- {line}" for line in lines[:MOST]) + more,
            title="A record needs attention" if broken else "Moved outside Podium",
            icon=f":material/{ICONS['broken' if broken else 'drift']}:",
        )
        with st.container(horizontal=True, gap="small"):
            for model in [one for one in due if one in found.looks][:MOST]:
                link(f"Settle {md(model)}", "models", icon="deployed_code", query={"model": model})


def deleted_banner(found: Registry) -> None:
    """One box for the models that were deleted lately: what stays of them, and what can be done."""
    deleted = {model: _last(look.state) for model, look in sorted(found.looks.items()) if look.seen.created is None}
    late = [(model, line) for model, line in deleted.items() if line.at and now() - line.at < LATELY]
    if not late:
        return
    named = [f"- **{md(model)}**: seen on {moment(line.at)} :gray[Entry {line.place}]" for model, line in late[:MOST]]
    more = [f"- and {count(len(late) - MOST, 'more model')}"] if len(late) > MOST else []
    with st.container(border=True, key="outside.deleted"):
        st.info(
            "\n".join([*named, *more, "", DELETED]),
            title="A model was deleted" if len(late) == 1 else f"{count(len(late), 'model')} were deleted",
            icon=":material/delete:",
        )


def unreadable(here: Backend, model: str, error: PodiumError) -> None:
    """In place of a model whose record cannot be read: why, and the way to the check."""
    gone = registry(here).gone.get(model) if isinstance(error, NotFound) else None
    if gone:
        notice = of_gone(gone)
        _box(notice, f"{md(notice.means)} {md(notice.next)}")
    else:
        show(error)
    if not isinstance(error, LedgerBroken):
        link("Verify on the Audit page", "audit", icon="fingerprint")


def elsewhere(here: Backend, asked: str, shown: str) -> None:
    """Say that another model is shown than was asked for; the record of a deleted one is a click away."""
    st.warning(f"There is no registered model {md(asked)}. Here is {md(shown)}.", icon=":material/search_off:")
    if asked in registry(here).records:
        query: dict[str, str | list[str]] = {"audit.of": asked, "audit.model": asked}
        link(f"The record of {md(asked)} on the Audit page", "audit", icon="history", query=query)


def _last(state: State) -> Line:
    """The newest entry: of a deleted model, the one that says so."""
    return lines(state)[0]


def _whats(told: Sequence[Notice]) -> str:
    return "; ".join(f"{md(one.what)}. {md(one.next)}" if one.weight == "broken" else md(one.what) for one in told)


def _box(notice: Notice, text: str) -> None:
    box = {"broken": st.error, "drift": st.warning, "told": st.info}[notice.weight]
    box(text, title=md(notice.what), icon=f":material/{ICONS[notice.weight]}:")


def _recorded(notice: Notice) -> str:
    return f" :gray[Entry {notice.place}]" if notice.place else ""


def _ways_out(sight: Sight, notice: Notice) -> None:
    with st.container(horizontal=True, gap="small"):
        for way in notice.ways:
            st.button(
                _way_said(way),
                key=f"models.{way.kind}.{notice.slot}.{way.version}.{way.to}",
                on_click=models_dialogs.ask,
                args=(sight, way.version, way.to, way.kind),
            )


def _way_said(way: Way) -> str:
    fills = way.to in ("Production", "Staging")
    if way.kind == "adopt":
        return f"Adopt {version(way.version)} with a reason" if fills else "Adopt nobody, with a reason"
    return f"Put {version(way.version)} back" if fills else f"Take {version(way.version)} out again"
