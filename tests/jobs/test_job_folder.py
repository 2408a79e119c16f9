"""Reading a job's folder: the end of its log, its progress, and incomplete files."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lib.backends.backend import Backend
from lib.errors import NotFound
from lib.jobs import job_folder
from lib.jobs.job_folder import Job, JobProgress


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(
        "x", "first-run", "A job", (), Backend("sqlite:////x.db", "sqlite"), tmp_path, "running", datetime(2026, 1, 1, tzinfo=UTC)
    )


def write_log(job: Job, text: bytes) -> None:
    (job.folder / "log.txt").write_bytes(text)


def test_a_job_that_has_printed_nothing_has_an_empty_tail_and_no_progress(job: Job) -> None:
    assert (job_folder.read_log_tail(job), job_folder.read_progress(job)) == ("", None)


def test_the_tail_of_a_long_log_begins_with_a_complete_line(job: Job) -> None:
    write_log(job, b"".join(b"line %06d\n" % number for number in range(20_000)))
    lines = job_folder.read_log_tail(job, 10_000).splitlines()
    assert lines[-1] == "line 019999"
    assert all(len(line) == len("line 000000") for line in lines)
    assert job_folder.read_log_tail(job, 2).splitlines() == ["line 019998", "line 019999"]


def test_terminal_codes_and_broken_bytes_do_not_reach_the_page(job: Job) -> None:
    write_log(job, b"\x1b[31mred\x1b[0m \x07bell \xff end\r\nnext\rover")
    assert job_folder.read_log_tail(job) == "red bell � end\nnext\nover"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"fit 1/60\nfit 12/60\n", JobProgress(12, 60, "fit")),
        (b"fit 60/60\nrun 1/1 best", JobProgress(1, 1, "run")),
        (b"the fit 12/60\n", None),
        (b"fit 12/6x\n", None),
        (b"fit 70/60\n", JobProgress(60, 60, "fit")),
        (b"fit 1/0\n", None),
    ],
)
def test_progress_is_the_last_line_that_counts(job: Job, text: bytes, expected: JobProgress | None) -> None:
    write_log(job, text)
    assert job_folder.read_progress(job) == expected


def test_a_folder_without_its_files_is_no_job(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        job_folder.read_job(tmp_path)


def test_only_folders_named_by_an_id_are_listed(tmp_path: Path) -> None:
    for name in ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "notes", "01ARZ3NDEKTSV4RRFFQ69G5FAW"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "spec.json").write_text("{}")
    assert job_folder.list_job_ids(tmp_path) == ["01ARZ3NDEKTSV4RRFFQ69G5FAW", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]
    assert job_folder.list_job_ids(tmp_path / "missing") == []
