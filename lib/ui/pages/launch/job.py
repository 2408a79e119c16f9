"""The right side of the Launch page: the selected job with live progress and log, and the list of jobs."""

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
"""Badge key for each job state."""
MAX_LISTED_JOBS = 6
LINES_WITHOUT_SCROLLING = 10
JobStates = tuple[tuple[str, str, bool], ...]


def find_selected_job(all_jobs: Sequence[Job]) -> Job | None:
    """Return the job from the URL, otherwise the newest live one, otherwise the newest. Writes it to the URL."""
    requested_id = st.query_params.get("job", "")
    if requested_id:
        with error_boundary():
            return next((job for job in all_jobs if job.id == requested_id), None) or job_queue.find_job(
                job_settings(), requested_id
            )
    selected_job = next((job for job in all_jobs if job.is_live), all_jobs[0] if all_jobs else None)
    if selected_job:
        st.query_params["job"] = selected_job.id
    return selected_job


def show_job(selected_job: Job, all_jobs: Sequence[Job], backend: Backend) -> None:
    """Draw the job once, or every second while any job is live."""
    is_live = any(job.is_live for job in all_jobs)
    st.fragment(_show_live_job, run_every=1.0 if is_live else None)(selected_job.id, _job_states(all_jobs), backend)


def _show_live_job(job_id: str, states: JobStates, backend: Backend) -> None:
    """Draw the job's current state. If any job has started or ended since, rerun the page, including the timer."""
    jobs = job_queue.reap_lost_jobs(job_settings(), now())
    if _job_states(jobs) != states:
        st.rerun()
    with error_boundary():
        selected_job = next((job for job in jobs if job.id == job_id), None) or job_queue.find_job(job_settings(), job_id)
        with st.container(border=True, key="launch.job", gap="small"):
            _show_header(selected_job)
            _show_state(selected_job, jobs, backend)
        _show_log(selected_job)


def _job_states(jobs: Sequence[Job]) -> JobStates:
    return tuple((job.id, job.state, job.is_stopping) for job in jobs if job.is_live)


def _show_header(job: Job) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(escape(job.title), anchor=False, width="content")
        show_badge(RUN_STATUS_BADGES, STATUS_BY_STATE[job.state], "Stopping" if job.is_stopping else "")
        st.space("stretch")
        st.caption(_times_text(job), width="content")
        if job.is_live:
            st.button(
                "Stop",
                icon=":material/stop_circle:",
                key="launch.stop",
                disabled=job.is_stopping,
                on_click=_stop_job,
                args=(job.id,),
            )


def _stop_job(job_id: str) -> None:
    try:
        job_queue.cancel(job_settings(), job_id)
    except NotFound:  # its folder has been removed since; the next rerun reports it
        return


def _times_text(job: Job) -> str:
    if job.started_at is None:
        return f"queued {format_recent_age(job.created_at, now())}"
    if job.ended_at is None:
        return f"started {job.started_at:%H:%M:%S}{NBSP}UTC, {format_duration(now() - job.started_at)} ago"
    return f"{format_time(job.started_at)} · took {format_duration(job.ended_at - job.started_at)}"


def _show_state(job: Job, jobs: Sequence[Job], backend: Backend) -> None:
    match job.state:
        case "queued":
            earlier_jobs = [other for other in jobs if other.is_live and other.id < job.id]
            st.markdown(f"Waiting for {' and '.join(escape(other.title) for other in reversed(earlier_jobs)) or 'a free slot'}")
        case "running":
            _show_progress(job_folder.read_progress(job), job)
        case "failed":
            st.error(
                f"The script ended with exit code {job.exit_code}. See the end of its log for the reason.",
                title="The job failed",
                icon=":material/error:",
            )
        case "stopped" | "lost":
            st.markdown(_END_TEXTS[job.state] if job.started_at else "Stopped before it started. Nothing was written.")
    if not job.is_live and job.started_at:
        show_result(job, backend)


_END_TEXTS = {
    "stopped": "Stopped on request. A run that was still open is now marked as stopped.",
    "lost": "The process that supervised this job was killed, so the job was stopped. A run that was still open is marked as stopped.",
}


def _show_progress(progress: JobProgress | None, job: Job) -> None:
    if job.is_stopping:
        st.progress(
            progress.done / progress.total if progress else 0.0,
            text="Stopping: the script has three seconds to exit",
        )
    elif progress is None:
        st.progress(0.0, text="Starting: importing MLflow and scikit-learn takes a few seconds")
    else:
        last_step = " · saving results" if progress.done == progress.total else ""
        st.progress(
            progress.done / progress.total,
            text=f"{progress.unit.capitalize()} {progress.done} of {progress.total}{last_step}",
        )


def _show_log(job: Job) -> None:
    text = job_folder.read_log_tail(job)
    lines = text.count("\n") + 1 if text else 0
    if job.started_at is None:
        return
    with card("Log", f"last {format_count(lines, 'line')}" if lines else "", key="launch.log"):
        if text:
            with st.container(height=230 if lines > LINES_WITHOUT_SCROLLING else "content", border=False, autoscroll=True):
                st.code(text, language=None)
        else:
            st.caption("Output appears in a few seconds." if job.is_live else "The script printed nothing.")


def show_job_list(all_jobs: Sequence[Job], selected_job: Job | None) -> None:
    """Show the list of jobs; clicking a title selects that job. Draws nothing if there are no jobs."""
    if not all_jobs:
        return
    note = f"newest {MAX_LISTED_JOBS} of {len(all_jobs)} · UTC" if len(all_jobs) > MAX_LISTED_JOBS else "UTC"
    with card("Jobs", note, key="launch.jobs"), st.container(gap="xxsmall"):
        for job in all_jobs[:MAX_LISTED_JOBS]:
            _show_row(job, is_selected=selected_job is not None and job.id == selected_job.id)


def _show_row(job: Job, *, is_selected: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", wrap=False):
        with st.container(width="stretch"):
            if is_selected:
                st.markdown(f":small[**{escape(job.title)}**]")
            else:
                st.button(escape(job.title), type="tertiary", key=f"launch.show.{job.id}", on_click=_select_job, args=(job.id,))
        show_badge(RUN_STATUS_BADGES, STATUS_BY_STATE[job.state])
        st.caption(_short_time(job.created_at), width=40, text_alignment="right")


def _short_time(at: datetime) -> str:
    """Return the time if today, otherwise the day, in UTC."""
    return f"{at:%H:%M}" if at.date() == now().date() else f"{at.day}{NBSP}{at:%b}"


def _select_job(job_id: str) -> None:
    st.query_params["job"] = job_id
