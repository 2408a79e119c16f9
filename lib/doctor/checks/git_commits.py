"""Which commits of the git repository here the runs name, and which of their commits are gone. git runs as a program and only reads.

The repository is the one Podium was started in, never one that a backend names: opening a strange repository can run its code.
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
"""The tag of a run whose state was committed (guide §8)."""
MAX_COMMITS = 30
_RECIPE_FILES = ("params.yaml", "dvc.yaml", "dvc.lock")
_FULL_HASH = re.compile(r"[0-9a-f]{40}")
_TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class _Commit:
    """A commit of the repository: its hash and the first line of its message."""

    hash: str
    subject: str


def logged_commits(table: RunTable) -> set[str]:
    """The commits that runs name, whole hashes only: what MLflow noted, and the tag of a frozen state."""
    commits = set(table.identity["git_commit"].dropna())
    if FROZEN_COMMIT_TAG in table.tags:
        commits |= set(table.tags[FROZEN_COMMIT_TAG].dropna())
    return {commit for commit in commits if _FULL_HASH.fullmatch(str(commit))}


def existing_commits(commits: Collection[str], folder: Path) -> set[str] | None:
    """Those of the commits that the repository in a folder still has; None where there is no repository or no git."""
    if _run_git(folder, "rev-parse", "--git-dir") is None:
        return None
    query = "".join(f"{commit}^{{commit}}\n" for commit in sorted(commits))
    output = _run_git(folder, "cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=query)
    return {line.split(" ")[0] for line in (output or "").splitlines() if line.endswith(" commit")}


def check_commits(backend: Backend, clock: Clock, _: ProgressCallback) -> tuple[Finding, ...]:
    """Which of the latest commits here no run names."""
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
                "no repository here" if repository_commits is None else "no run from this repository",
            ),
        )
    latest_commits, scope = _read_latest_commits(folder)
    if not scope and _is_podium_repository(folder):
        return (Finding(COMMITS_CHECK.id, "skipped", COMMITS_CHECK.title, "Podium's own repository"),)
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
            f"Looked at the latest {len(latest_commits)} commits{scope}. Nobody can tell how good the state of such a commit was.",
            f"Run it and tag the run: client.set_tag(run_id, '{FROZEN_COMMIT_TAG}', '‹whole hash›'). A commit of words only needs none.",
        ),
    )


def _is_podium_repository(folder: Path) -> bool:
    """Is this where Podium itself is developed? Its commits are no experiments."""
    root = _run_git(folder, "rev-parse", "--show-toplevel")
    return root is not None and Path(__file__).resolve().is_relative_to(Path(root.strip()).resolve())


def _read_latest_commits(folder: Path) -> tuple[list[_Commit], str]:
    """The latest commits; where there are recipes, only those that changed one, because such a commit is a decision."""
    recipes = (_run_git(folder, "ls-files", "--", *_RECIPE_FILES) or "").split()
    log = _run_git(folder, "log", f"-n{MAX_COMMITS}", "--format=%H %s", "--", *recipes) or ""
    lines = [line.partition(" ") for line in log.splitlines()]
    commits = [_Commit(hash_, subject[:120]) for hash_, _, subject in lines]
    return commits, f" that changed {', '.join(recipes)}" if recipes else ""


def _run_git(folder: Path, *arguments: str, stdin: str = "") -> str | None:
    """What git answers; None when it fails or is not there."""
    try:
        result = subprocess.run(  # noqa: S603 - git with words of our own
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the person's own git
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


COMMITS_CHECK = Check("commits", "Commits have a run", "Does a commit here have no run that tells how good it is?", check_commits)
CHECKS = (COMMITS_CHECK,)
