"""The doctor's values: a check, its findings, the fixes they offer, and the result of a fix. Pure.

All text is plain sentences, never Markdown, and holds no secret: findings are copied, downloaded and sent to colleagues.
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
"""Receives, sentence by sentence, what is being done: a page and a terminal show it."""
Rows = tuple[tuple[str, ...], ...]
CONFIRMATION_INPUT = "typed"
"""The argument that holds what a person typed to confirm a fix; applying compares it with the confirmation text of that moment."""


@dataclass(frozen=True)
class FixOffer:
    """A fix that a finding offers: its id (see `lib.doctor.fix_ids`) and the arguments to apply it with."""

    fix_id: str
    arguments: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, name: str) -> str:
        """The argument of this name; empty when there is none."""
        return dict(self.arguments).get(name, "")

    def with_inputs(self, inputs: Mapping[str, str]) -> "FixOffer":
        """The same offer with a person's inputs as further arguments."""
        return FixOffer(self.fix_id, tuple(sorted((dict(self.arguments) | dict(inputs)).items())))


def offer_fix(fix_id: str, **arguments: str) -> FixOffer:
    """Offer a fix: `offer_fix("restore_runs", runs="8b3e…")`."""
    return FixOffer(fix_id, tuple(sorted(arguments.items())))


@dataclass(frozen=True)
class Finding:
    """What a check found.

    `title` is a sentence without a full stop ("Files cannot be saved in wine-remote"), `summary` its half line for the list of all
    checks ("1 of 9 wrong"), `evidence` rows under `columns`, `means` what follows for people's work, `next` what to do.
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
    """One question to a backend. `run(backend, clock, progress)` answers with one finding or more, and changes nothing.

    One that `is_quick` is cheap enough for a card on Overview. After a problem in one that `is_prerequisite`, the others are
    skipped: they could not say anything.
    """

    id: str
    title: str
    question: str
    run: Callable[[Backend, Clock, ProgressCallback], tuple[Finding, ...]]
    is_quick: bool = False
    is_prerequisite: bool = False

    def fine_findings(self, summary: str, title: str = "") -> tuple[Finding, ...]:
        """The answer when nothing is wrong."""
        return (Finding(self.id, "fine", title or self.title, summary),)


@dataclass(frozen=True)
class Snippet:
    """Something to copy: the calls or commands that do what a fix does, in one language; `label` when there are several."""

    text: str
    language: Literal["python", "bash", "powershell", "batch", "text"] = "python"
    label: str = ""


@dataclass(frozen=True)
class FixPreview:
    """What a fix would do if it were applied now, for the person who decides.

    `changes` are sentences in their order, `snippets` the calls or commands that do the same, `undo` says how to take it back; empty
    when that is impossible. `confirmation_text` must be typed before; empty for none.
    """

    title: str
    changes: tuple[str, ...]
    snippets: tuple[Snippet, ...] = ()
    undo: str = ""
    confirmation_text: str = ""


@dataclass(frozen=True)
class FixInput:
    """An input that a fix needs: the name of its argument, its label, its default, and a help line."""

    name: str
    label: str
    default: str = ""
    help: str = ""


@dataclass(frozen=True)
class FixResult:
    """How a fix ended: what was done, the evidence that verified it, and the backend to use from now on, if another."""

    title: str
    evidence: Rows = ()
    next: str = ""
    backend: Backend | None = None


@dataclass(frozen=True)
class FixContext:
    """Where a fix is applied: the backend, the clock, and Podium's own folder.

    A Podium that `is_shared` serves people who must not start programs or reach folders of its machine.
    """

    backend: Backend
    clock: Clock
    podium_home: Path
    is_shared: bool = False


@dataclass(frozen=True)
class Fix:
    """A kind of fix: its title, one line on what it costs, its inputs, how it is previewed, how it is applied.

    `preview` changes nothing. `apply` is None for a fix that a person applies elsewhere, such as a line for a shell. It raises
    PodiumError when it did not work; what it returns has been verified. One that `needs_machine_access` starts a program on
    Podium's machine, or reads or writes a folder there that a person names.
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
    """All findings about one backend, in the order of the checks, when they were made, how long it took, and with which MLflow.

    `blocking_check` is the title of the check after which the others could not be asked.
    """

    backend: Backend
    at: datetime
    seconds: float
    mlflow_version: str
    findings: tuple[Finding, ...]
    blocking_check: str = ""

    def findings_with_level(self, *levels: Level) -> tuple[Finding, ...]:
        """The findings of these levels."""
        return tuple(finding for finding in self.findings if finding.level in levels)

    @property
    def problems_and_notices(self) -> tuple[Finding, ...]:
        """What needs a look: problems first, then notices."""
        return (*self.findings_with_level("problem"), *self.findings_with_level("notice"))
