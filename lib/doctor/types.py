"""Types of the Doctor: checks, findings, offered fixes, and fix results. Pure.

All text is plain, never Markdown, and contains no secrets: findings are copied, downloaded and sent to colleagues.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from lib.backends.backend import Backend

Level = Literal["fine", "notice", "problem", "skipped"]
Clock = Callable[[], datetime]
ProgressCallback = Callable[[str], None]
"""Receives progress messages, one sentence each, for display on a page or terminal."""
Rows = tuple[tuple[str, ...], ...]
CONFIRMATION_INPUT = "typed"
"""Argument with the text typed to confirm a fix; compared with the current confirmation text before applying."""
FINGERPRINT_INPUT = "previewed"
"""Argument with the fingerprint of the preview that was confirmed; the fix is refused if it would now concern other items."""


@dataclass(frozen=True)
class FixOffer:
    """A fix offered by a finding: its id (see `lib.doctor.fix_ids`) and its arguments."""

    fix_id: str
    arguments: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, name: str) -> str:
        """Return the argument of this name, or an empty string."""
        return dict(self.arguments).get(name, "")

    def with_inputs(self, inputs: Mapping[str, str]) -> "FixOffer":
        """Return the offer with user inputs as additional arguments."""
        return FixOffer(self.fix_id, tuple(sorted((dict(self.arguments) | dict(inputs)).items())))


def offer_fix(fix_id: str, **arguments: str) -> FixOffer:
    """Offer a fix: `offer_fix("restore_runs", runs="8b3e…")`."""
    return FixOffer(fix_id, tuple(sorted(arguments.items())))


@dataclass(frozen=True)
class Finding:
    """Result of a check.

    `title` is a sentence without a full stop ("Files cannot be saved in wine-remote"), `summary` a short form for the list of all
    checks ("1 of 9 wrong"), `evidence` the rows under `columns`, `means` the consequences, `next` the recommended action.
    """

    check_id: str
    level: Level
    title: str
    summary: str = ""
    columns: tuple[str, ...] = ()
    evidence: Rows = ()
    means: str = ""
    next: str = ""
    fix_offers: tuple[FixOffer, ...] = ()


@dataclass(frozen=True)
class Check:
    """A read-only check of a backend. `run(backend, clock, progress)` returns one or more findings.

    `is_quick` marks a check cheap enough for a card on Overview. After a problem in a check with `is_prerequisite`, the others
    are skipped because they could not produce meaningful results.
    """

    id: str
    title: str
    question: str
    run: Callable[[Backend, Clock, ProgressCallback], tuple[Finding, ...]]
    is_quick: bool = False
    is_prerequisite: bool = False

    def fine_findings(self, summary: str, title: str = "") -> tuple[Finding, ...]:
        """Return the finding of a passed check."""
        return (Finding(self.id, "fine", title or self.title, summary),)


@dataclass(frozen=True)
class Snippet:
    """Calls or commands equivalent to a fix, in one language, for copying; `label` distinguishes several."""

    text: str
    language: Literal["python", "bash", "powershell", "batch", "text"] = "python"
    label: str = ""


@dataclass(frozen=True)
class FixPreview:
    """Preview of what a fix would do if applied now.

    `changes` are sentences in execution order, `snippets` the equivalent calls or commands, `undo` the way to undo it, empty if
    impossible. `confirmation_text` must be typed to confirm; empty if no confirmation is needed. `fingerprint` identifies the items
    that an irreversible fix concerns.
    """

    title: str
    changes: tuple[str, ...]
    snippets: tuple[Snippet, ...] = ()
    undo: str = ""
    confirmation_text: str = ""
    fingerprint: str = ""


@dataclass(frozen=True)
class FixInput:
    """An input of a fix: argument name, label, default, and help text."""

    name: str
    label: str
    default: str = ""
    help: str = ""


@dataclass(frozen=True)
class FixResult:
    """Result of a fix: what was done, the verifying evidence, and the backend to switch to, if any."""

    title: str
    evidence: Rows = ()
    next: str = ""
    backend: Backend | None = None


@dataclass(frozen=True)
class FixContext:
    """Environment of a fix: the backend, the clock, and Podium's own folder.

    With `is_shared`, users must not start programs or access folders on Podium's machine.
    """

    backend: Backend
    clock: Clock
    podium_home: Path
    is_shared: bool = False


@dataclass(frozen=True)
class Fix:
    """A kind of fix: title, a one-line note on its cost, inputs, preview, and apply function.

    `preview` is read-only. `apply` is None for a fix applied elsewhere, such as a shell command; it raises PodiumError on failure
    and returns a verified result. `needs_machine_access` marks a fix that starts a program on Podium's machine or accesses a
    user-specified folder there.
    """

    id: str
    title: str
    note: str
    preview: Callable[[FixContext, FixOffer], FixPreview]
    apply: Callable[[FixContext, FixOffer, ProgressCallback], FixResult] | None = None
    inputs: Callable[[FixContext, FixOffer], tuple[FixInput, ...]] = lambda _context, _offer: ()
    needs_machine_access: bool = False


@dataclass(frozen=True)
class Report:
    """All findings about a backend in check order, with time, duration in seconds, and MLflow version.

    `blocking_check` is the title of the check whose problem caused the remaining ones to be skipped.
    """

    backend: Backend
    at: datetime
    seconds: float
    mlflow_version: str
    findings: tuple[Finding, ...]
    blocking_check: str = ""

    def findings_with_level(self, *levels: Level) -> tuple[Finding, ...]:
        """Return the findings of these levels."""
        return tuple(finding for finding in self.findings if finding.level in levels)

    @property
    def problems_and_notices(self) -> tuple[Finding, ...]:
        """Findings that need attention: problems first, then notices."""
        return (*self.findings_with_level("problem"), *self.findings_with_level("notice"))
