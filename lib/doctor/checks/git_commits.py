"""Which commits of the git repository here the runs name, and which of their commits are gone. git runs as a program and only reads.

The repository is the one Podium was started in, never one that a backend names: opening a strange repository can run its code.
"""

import re
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from lib.backends.backend import Backend
from lib.doctor.evidence import evidence_rows
from lib.doctor.run_cache import read_active_runs
from lib.doctor.types import Check, Clock, Finding, ProgressCallback
from lib.runs.table.types import RunTable

FROZEN_COMMIT_TAG = "git_commit"
"""The tag of a run whose state was committed (guide §8)."""
MAX_COMMITS = 30
_RECIPES = ("params.yaml", "dvc.yaml", "dvc.lock")
_HASH = re.compile(r"[0-9a-f]{40}")
_SECONDS = 20


@dataclass(frozen=True)
class Commit:
    """A commit of the repository: its hash and the first line of its message."""

    hash: str
    subject: str


def logged_commits(table: RunTable) -> set[str]:
    """The commits that runs name, whole hashes only: what MLflow noted, and the tag of a frozen state."""
    found = set(table.identity["git_commit"].dropna())
    if FROZEN_COMMIT_TAG in table.tags:
        found |= set(table.tags[FROZEN_COMMIT_TAG].dropna())
    return {one for one in found if _HASH.fullmatch(str(one))}


def existing_commits(commits: Collection[str], folder: Path) -> set[str] | None:
    """Those of the commits that the repository in a folder still has; None where there is no repository or no git."""
    if _git(folder, "rev-parse", "--git-dir") is None:
        return None
    asked = "".join(f"{one}^{{commit}}\n" for one in sorted(commits))
    answer = _git(folder, "cat-file", "--batch-check=%(objectname) %(objecttype)", said=asked)
    return {line.split(" ")[0] for line in (answer or "").splitlines() if line.endswith(" commit")}


def check_commits(backend: Backend, clock: Clock, _: ProgressCallback) -> tuple[Finding, ...]:
    """Which of the latest commits here no run names."""
    folder = Path.cwd()
    found = read_active_runs(backend, clock)
    named = logged_commits(found.table)
    there = existing_commits(named, folder)
    if not there:
        return (
            Finding(
                COMMITS_CHECK.id,
                "skipped",
                COMMITS_CHECK.title,
                "no repository here" if there is None else "no run from this repository",
            ),
        )
    latest, what = _latest(folder)
    if not what and _is_podiums(folder):
        return (Finding(COMMITS_CHECK.id, "skipped", COMMITS_CHECK.title, "Podium's own repository"),)
    bare = [one for one in latest if one.hash not in named]
    if not bare:
        return COMMITS_CHECK.fine_findings(f"{len(latest)} of {len(latest)}")
    return (
        Finding(
            COMMITS_CHECK.id,
            "notice",
            "A commit has no run" if len(bare) == 1 else f"{len(bare)} commits have no run",
            f"{len(latest) - len(bare)} of the latest {len(latest)}",
            ("Commit", "Says"),
            evidence_rows([(one.hash[:10], one.subject) for one in bare]),
            f"Looked at the latest {len(latest)} commits{what}. Nobody can tell how good the state of such a commit was.",
            f"Run it and tag the run: client.set_tag(run_id, '{FROZEN_COMMIT_TAG}', '‹whole hash›'). A commit of words only needs none.",
        ),
    )


def _is_podiums(folder: Path) -> bool:
    """Is this where Podium itself is developed? Its commits are no experiments."""
    top = _git(folder, "rev-parse", "--show-toplevel")
    return top is not None and Path(__file__).resolve().is_relative_to(Path(top.strip()).resolve())


def _latest(folder: Path) -> tuple[list[Commit], str]:
    """The latest commits; where there are recipes, only those that changed one, because such a commit is a decision."""
    recipes = (_git(folder, "ls-files", "--", *_RECIPES) or "").split()
    told = _git(folder, "log", f"-n{MAX_COMMITS}", "--format=%H %s", "--", *recipes) or ""
    lines = [line.partition(" ") for line in told.splitlines()]
    return [Commit(hash_, subject[:120]) for hash_, _, subject in lines], f" that changed {', '.join(recipes)}" if recipes else ""


def _git(folder: Path, *words: str, said: str = "") -> str | None:
    """What git answers; None when it fails or is not there."""
    try:
        done = subprocess.run(  # noqa: S603 - git with words of our own
            ["git", "-C", str(folder), *words],  # noqa: S607 - the person's own git
            input=said,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


COMMITS_CHECK = Check("commits", "Commits have a run", "Does a commit here have no run that tells how good it is?", check_commits)
CHECKS = (COMMITS_CHECK,)
