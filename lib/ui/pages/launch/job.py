"""The right side of the Launch page: the job that is watched, live, with its log; and the list of earlier jobs."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from lib.backends.backend import Backend
from lib.errors import NotFound
from lib.jobs import job_folder, job_queue
from lib.jobs.job_folder import Job, JobProgress
from lib.ui.app.jobs import job_settings
from lib.ui.app.session import now
from lib.ui.components.badges import RUN_STATUS_BADGES, show_badge
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import NBSP, escape, format_count, format_duration, format_recent_age, format_time
from lib.ui.components.layout import card
from lib.ui.pages.launch.result import show_result

STATUS_BY_STATE = {
    "queued": "SCHEDULED",
    "running": "RUNNING",
    "finished": "FINISHED",
    "failed": "FAILED",
    "stopped": "KILLED",
    "lost": "KILLED",
}
"""The word of the vocabulary for each state of a job."""
MAX_LISTED_JOBS = 6
LINES_WITHOUT_SCROLLING = 10
JobStates = tuple[tuple[str, str, bool], ...]


def find_selected_job(all_jobs: Sequence[Job]) -> Job | None:
    """The job that the address names; else the newest that lives; else the newest. It is put into the address."""
    asked = st.query_params.get("job", "")
    if asked:
        with error_boundary():
            return next((one for one in all_jobs if one.id == asked), None) or job_queue.find_job(job_settings(), asked)
    found = next((one for one in all_jobs if one.is_live), all_jobs[0] if all_jobs else None)
    if found:
        st.query_params["job"] = found.id
    return found


def show_job(selected_job: Job, all_jobs: Sequence[Job], backend: Backend) -> None:
    """Draw the job once, or every second for as long as any job lives."""
    live = any(other.is_live for other in all_jobs)
    st.fragment(_look, run_every=1.0 if live else None)(selected_job.id, _standing(all_jobs), backend)


def _look(job_id: str, seen: JobStates, here: Backend) -> None:
    """One look. When any job began or ended meanwhile, the whole page is drawn anew, and the timer with it."""
    known = job_queue.reap_lost_jobs(job_settings(), now())
    if _standing(known) != seen:
        st.rerun()
    with error_boundary():
        one = next((other for other in known if other.id == job_id), None) or job_queue.find_job(job_settings(), job_id)
        with st.container(border=True, key="launch.job", gap="small"):
            _head(one)
            _body(one, known, here)
        _log(one)


def _standing(known: Sequence[Job]) -> JobStates:
    return tuple((one.id, one.state, one.is_stopping) for one in known if one.is_live)


def _head(one: Job) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(escape(one.title), anchor=False, width="content")
        show_badge(RUN_STATUS_BADGES, STATUS_BY_STATE[one.state], "Stopping" if one.is_stopping else "")
        st.space("stretch")
        st.caption(_times(one), width="content")
        if one.is_live:
            st.button(
                "Stop",
                icon=":material/stop_circle:",
                key="launch.stop",
                disabled=one.is_stopping,
                on_click=_stop,
                args=(one.id,),
            )


def _stop(job_id: str) -> None:
    try:
        job_queue.cancel(job_settings(), job_id)
    except NotFound:  # its folder was removed meanwhile; the next look says so
        return


def _times(one: Job) -> str:
    if one.started_at is None:
        return f"ordered {format_recent_age(one.created_at, now())}"
    if one.ended_at is None:
        return f"started {one.started_at:%H:%M:%S}{NBSP}UTC, {format_duration(now() - one.started_at)} ago"
    return f"{format_time(one.started_at)} · took {format_duration(one.ended_at - one.started_at)}"


def _body(one: Job, known: Sequence[Job], here: Backend) -> None:
    match one.state:
        case "queued":
            ahead = [other for other in known if other.is_live and other.id < one.id]
            st.markdown(f"Waits for {' and '.join(escape(other.title) for other in reversed(ahead)) or 'its turn'}")
        case "running":
            _progress(job_folder.read_progress(one), one)
        case "failed":
            st.error(
                f"The script ended with exit code {one.exit_code}. The last lines of its log say why.",
                title="The job failed",
                icon=":material/error:",
            )
        case "stopped" | "lost":
            st.markdown(_END[one.state] if one.started_at else "Stopped before its turn came. Nothing was written.")
    if not one.is_live and one.started_at:
        show_result(one, here)


_END = {
    "stopped": "Stopped on request. A run that was still open is now marked as stopped too.",
    "lost": "The process that watched this job was killed, so the job was stopped. A run that was still open is marked as stopped too.",
}


def _progress(far: JobProgress | None, one: Job) -> None:
    if one.is_stopping:
        st.progress(far.done / far.total if far else 0.0, text="Stopping: the script is given three seconds to end by itself")
    elif far is None:
        st.progress(0.0, text="Starting: Python imports MLflow and scikit-learn, which takes a few seconds")
    else:
        st.progress(far.done / far.total, text=f"{far.unit.capitalize()} {far.done} of {far.total}{_last(far)}")


def _last(far: JobProgress) -> str:
    return " · writing down what came out" if far.done == far.total else ""


def _log(one: Job) -> None:
    text = job_folder.read_log_tail(one)
    lines = text.count("\n") + 1 if text else 0
    if one.started_at is None:
        return
    with card("Log", f"last {format_count(lines, 'line')}" if lines else "", key="launch.log"):
        if text:
            with st.container(height=230 if lines > LINES_WITHOUT_SCROLLING else "content", border=False, autoscroll=True):
                st.code(text, language=None)
        else:
            st.caption("The first line appears in a few seconds." if one.is_live else "The script printed nothing.")


def show_job_list(all_jobs: Sequence[Job], selected_job: Job | None) -> None:
    """The list of jobs; a click on a title shows that job at the right. Draws nothing before the first job."""
    if not all_jobs:
        return
    note = f"newest {MAX_LISTED_JOBS} of {len(all_jobs)} · UTC" if len(all_jobs) > MAX_LISTED_JOBS else "UTC"
    with card("Jobs", note, key="launch.jobs"), st.container(gap="xxsmall"):
        for one in all_jobs[:MAX_LISTED_JOBS]:
            _row(one, chosen=selected_job is not None and one.id == selected_job.id)


def _row(one: Job, *, chosen: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", wrap=False):
        with st.container(width="stretch"):
            if chosen:
                st.markdown(f":small[**{escape(one.title)}**]")
            else:
                st.button(escape(one.title), type="tertiary", key=f"launch.show.{one.id}", on_click=_show, args=(one.id,))
        show_badge(RUN_STATUS_BADGES, STATUS_BY_STATE[one.state])
        st.caption(_clock(one.created_at), width=40, text_alignment="right")


def _clock(at: datetime) -> str:
    """The hour today, else the day, in UTC."""
    return f"{at:%H:%M}" if at.date() == now().date() else f"{at:%-d}{NBSP}{at:%b}"


def _show(job_id: str) -> None:
    st.query_params["job"] = job_id
