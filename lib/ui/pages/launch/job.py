"""The right side of the Launch page: the job that is watched, live, with its log; and the list of earlier jobs."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from lib.backends.backend import Backend
from lib.errors import NotFound
from lib.jobs import job_folder as job
from lib.jobs import job_queue as jobs
from lib.jobs.job_folder import Job, Progress
from lib.ui.app.session import now
from lib.ui.components.badges import RUN, badge
from lib.ui.components.error_box import calm
from lib.ui.components.formatting import NARROW, count, lately, md, moment, span
from lib.ui.components.layout import card
from lib.ui.pages.launch.form import shop
from lib.ui.pages.launch.result import result

WORD = {
    "queued": "SCHEDULED",
    "running": "RUNNING",
    "finished": "FINISHED",
    "failed": "FAILED",
    "stopped": "KILLED",
    "lost": "KILLED",
}
"""The word of the vocabulary for each state of a job."""
SHOWN = 6
LINES_WITHOUT_SCROLLING = 10
Standing = tuple[tuple[str, str, bool], ...]


def watched(known: Sequence[Job]) -> Job | None:
    """The job that the address names; else the newest that lives; else the newest. It is put into the address."""
    asked = st.query_params.get("job", "")
    if asked:
        with calm():
            return next((one for one in known if one.id == asked), None) or jobs.read(shop(), asked)
    found = next((one for one in known if one.live), known[0] if known else None)
    if found:
        st.query_params["job"] = found.id
    return found


def follow(one: Job, known: Sequence[Job], here: Backend) -> None:
    """Draw the job once, or every second for as long as any job lives."""
    live = any(other.live for other in known)
    st.fragment(_look, run_every=1.0 if live else None)(one.id, _standing(known), here)


def _look(job_id: str, seen: Standing, here: Backend) -> None:
    """One look. When any job began or ended meanwhile, the whole page is drawn anew, and the timer with it."""
    known = jobs.settle(shop(), now())
    if _standing(known) != seen:
        st.rerun()
    with calm():
        one = next((other for other in known if other.id == job_id), None) or jobs.read(shop(), job_id)
        with st.container(border=True, key="launch.job", gap="small"):
            _head(one)
            _body(one, known, here)
        _log(one)


def _standing(known: Sequence[Job]) -> Standing:
    return tuple((one.id, one.state, one.stopping) for one in known if one.live)


def _head(one: Job) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(md(one.title), anchor=False, width="content")
        badge(RUN, WORD[one.state], "Stopping" if one.stopping else "")
        st.space("stretch")
        st.caption(_times(one), width="content")
        if one.live:
            st.button(
                "Stop",
                icon=":material/stop_circle:",
                key="launch.stop",
                disabled=one.stopping,
                on_click=_stop,
                args=(one.id,),
            )


def _stop(job_id: str) -> None:
    try:
        jobs.cancel(shop(), job_id)
    except NotFound:  # its folder was removed meanwhile; the next look says so
        return


def _times(one: Job) -> str:
    if one.started is None:
        return f"ordered {lately(one.created, now())}"
    if one.ended is None:
        return f"started {one.started:%H:%M:%S}{NARROW}UTC, {span(now() - one.started)} ago"
    return f"{moment(one.started)} · took {span(one.ended - one.started)}"


def _body(one: Job, known: Sequence[Job], here: Backend) -> None:
    match one.state:
        case "queued":
            ahead = [other for other in known if other.live and other.id < one.id]
            st.markdown(f"Waits for {' and '.join(md(other.title) for other in reversed(ahead)) or 'its turn'}")
        case "running":
            _progress(job.progress(one), one)
        case "failed":
            st.error(
                f"The script ended with exit code {one.code}. The last lines of its log say why.",
                title="The job failed",
                icon=":material/error:",
            )
        case "stopped" | "lost":
            st.markdown(_END[one.state] if one.started else "Stopped before its turn came. Nothing was written.")
    if not one.live and one.started:
        result(one, here)


_END = {
    "stopped": "Stopped on request. A run that was still open is now marked as stopped too.",
    "lost": "The process that watched this job was killed, so the job was stopped. A run that was still open is marked as stopped too.",
}


def _progress(far: Progress | None, one: Job) -> None:
    if one.stopping:
        st.progress(far.done / far.total if far else 0.0, text="Stopping: the script is given three seconds to end by itself")
    elif far is None:
        st.progress(0.0, text="Starting: Python imports MLflow and scikit-learn, which takes a few seconds")
    else:
        st.progress(far.done / far.total, text=f"{far.unit.capitalize()} {far.done} of {far.total}{_last(far)}")


def _last(far: Progress) -> str:
    return " · writing down what came out" if far.done == far.total else ""


def _log(one: Job) -> None:
    text = job.tail(one)
    lines = text.count("\n") + 1 if text else 0
    if one.started is None:
        return
    with card("Log", f"last {count(lines, 'line')}" if lines else "", key="launch.log"):
        if text:
            with st.container(height=230 if lines > LINES_WITHOUT_SCROLLING else "content", border=False, autoscroll=True):
                st.code(text, language=None)
        else:
            st.caption("The first line appears in a few seconds." if one.live else "The script printed nothing.")


def earlier(known: Sequence[Job], shown: Job | None) -> None:
    """The list of jobs; a click on a title shows that job at the right. Draws nothing before the first job."""
    if not known:
        return
    note = f"newest {SHOWN} of {len(known)} · UTC" if len(known) > SHOWN else "UTC"
    with card("Jobs", note, key="launch.jobs"), st.container(gap="xxsmall"):
        for one in known[:SHOWN]:
            _row(one, chosen=shown is not None and one.id == shown.id)


def _row(one: Job, *, chosen: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", wrap=False):
        with st.container(width="stretch"):
            if chosen:
                st.markdown(f":small[**{md(one.title)}**]")
            else:
                st.button(md(one.title), type="tertiary", key=f"launch.show.{one.id}", on_click=_show, args=(one.id,))
        badge(RUN, WORD[one.state])
        st.caption(_clock(one.created), width=40, text_alignment="right")


def _clock(at: datetime) -> str:
    """The hour today, else the day, in UTC."""
    return f"{at:%H:%M}" if at.date() == now().date() else f"{at:%-d}{NARROW}{at:%b}"


def _show(job_id: str) -> None:
    st.query_params["job"] = job_id
