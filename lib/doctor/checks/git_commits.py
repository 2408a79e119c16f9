"""Compares the commits of the local git repository with those logged by runs. Runs git as a program, read-only.

The repository is the one Podium was started in, never one named by a backend: opening an untrusted repository can run its code.
"""

import re
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from lib.backends.backend import Backend
from lib.doctor.report import evidence_rows
from lib.doctor.run_cache import read_active_runs
from lib.doctor.types import Check, Clock, Finding, ProgressCallback
from lib.runs.table.types import RunTable

FROZEN_COMMIT_TAG = "git_commit"
"""Tag of a run whose code state was committed (guide §8)."""
MAX_COMMITS = 30
_RECIPE_FILES = ("params.yaml", "dvc.yaml", "dvc.lock")
_FULL_HASH = re.compile(r"[0-9a-f]{40}")
_TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class _Commit:
    """A commit: its hash and the first line of its message."""

    hash: str
    subject: str


def logged_commits(table: RunTable) -> set[str]:
    """Return the commits logged by runs, full hashes only: those recorded by MLflow and the tag of a frozen state."""
    commits = set(table.identity["git_commit"].dropna())
    if FROZEN_COMMIT_TAG in table.tags:
        commits |= set(table.tags[FROZEN_COMMIT_TAG].dropna())
    return {commit for commit in commits if _FULL_HASH.fullmatch(str(commit))}


def existing_commits(commits: Collection[str], folder: Path) -> set[str] | None:
    """Return the commits that still exist in the folder's repository, or None without a repository or git."""
    if _run_git(folder, "rev-parse", "--git-dir") is None:
        return None
    query = "".join(f"{commit}^{{commit}}\n" for commit in sorted(commits))
    output = _run_git(folder, "cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=query)
    return {line.split(" ")[0] for line in (output or "").splitlines() if line.endswith(" commit")}


def check_commits(backend: Backend, clock: Clock, _: ProgressCallback) -> tuple[Finding, ...]:
    """Report which of the latest local commits have no run."""
    folder = Path.cwd()
    active_runs = read_active_runs(backend, clock)
    run_commits = logged_commits(active_runs.table)
    repository_commits = existing_commits(run_commits, folder)
    if not repository_commits:
        return (
            Finding(
                COMMITS_CHECK.id,
                "skipped",
                COMMITS_CHECK.title,
                "no repository" if repository_commits is None else "no run from this repository",
            ),
        )
    latest_commits, scope = _read_latest_commits(folder)
    if not scope and _is_podium_repository(folder):
        return (Finding(COMMITS_CHECK.id, "skipped", COMMITS_CHECK.title, "Podium's own repository"),)
    if not latest_commits:
        return (Finding(COMMITS_CHECK.id, "skipped", COMMITS_CHECK.title, "not checked", means="git listed no commits."),)
    commits_without_run = [commit for commit in latest_commits if commit.hash not in run_commits]
    if not commits_without_run:
        return COMMITS_CHECK.fine_findings(f"{len(latest_commits)} of {len(latest_commits)}")
    return (
        Finding(
            COMMITS_CHECK.id,
            "notice",
            "A commit has no run" if len(commits_without_run) == 1 else f"{len(commits_without_run)} commits have no run",
            f"{len(latest_commits) - len(commits_without_run)} of the latest {len(latest_commits)}",
            ("Commit", "Says"),
            evidence_rows([(commit.hash[:10], commit.subject) for commit in commits_without_run]),
            f"Checked the latest {len(latest_commits)} commits{scope}. Without a run, there is no record of how well a commit performed.",
            f"Run it and tag the run: client.set_tag(run_id, '{FROZEN_COMMIT_TAG}', '‹full hash›'). Documentation-only commits need no run.",
        ),
    )


def _is_podium_repository(folder: Path) -> bool:
    """Return whether this is Podium's own source repository, whose commits are not experiments."""
    root = _run_git(folder, "rev-parse", "--show-toplevel")
    return root is not None and Path(__file__).resolve().is_relative_to(Path(root.strip()).resolve())


def _read_latest_commits(folder: Path) -> tuple[list[_Commit], str]:
    """Return the latest commits and a scope text; if recipes exist, only commits that changed one, as these are decisions."""
    recipes = (_run_git(folder, "ls-files", "--", *_RECIPE_FILES) or "").split()
    log = _run_git(folder, "log", f"-n{MAX_COMMITS}", "--format=%H %s", "--", *recipes) or ""
    lines = [line.partition(" ") for line in log.splitlines()]
    commits = [_Commit(hash_, subject[:120]) for hash_, _, subject in lines]
    return commits, f" that changed {', '.join(recipes)}" if recipes else ""


def _run_git(folder: Path, *arguments: str, stdin: str = "") -> str | None:
    """Return git's output, or None if git fails or is not installed."""
    try:
        result = subprocess.run(  # noqa: S603 - git with constant arguments
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's own git
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout if result.returncode == 0 else None


COMMITS_CHECK = Check(
    "commits", "Commits have a run", "Does every local commit have a run that shows how well it performs?", check_commits
)
CHECKS = (COMMITS_CHECK,)
