"""The doctor's values: a check, what it found, the cure that is offered, and how a cure ended. Pure.

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
"""Is told, sentence by sentence, what goes on just now: a page shows it, the command line drops it."""
Rows = tuple[tuple[str, ...], ...]
CONFIRMATION_INPUT = "typed"
"""The name under which a cure is given what a person typed to confirm it; the deed compares it with the word of that moment."""


@dataclass(frozen=True)
class FixOffer:
    """A cure that a finding offers: the id of a treatment (see `lib.doctor.fix_runner`) and what it is to be carried out on."""

    fix_id: str
    arguments: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, name: str) -> str:
        """What was given under a name; empty when nothing was."""
        return dict(self.arguments).get(name, "")

    def with_inputs(self, inputs: Mapping[str, str]) -> "FixOffer":
        """The same call with a person's answers in it."""
        return FixOffer(self.fix_id, tuple(sorted((dict(self.arguments) | dict(inputs)).items())))


def offer_fix(fix_id: str, **arguments: str) -> FixOffer:
    """Offer a cure: `call("restore_run", run="8b3e…")`."""
    return FixOffer(fix_id, tuple(sorted(arguments.items())))


@dataclass(frozen=True)
class Finding:
    """What a check found.

    `title` is a sentence without a full stop ("Files cannot be saved in wine-remote"), `short` its half line for the list of all
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
    """One question to a backend. `ask(backend, clock, told)` answers with one finding or more, and changes nothing.

    `quick` ones ask little enough for a card on Overview. After a problem in one that stands `first`, the others are skipped: they
    could not say anything.
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
    """Something to copy: the calls or commands that do what a cure does, in one language; `label` when there are several."""

    text: str
    language: Literal["python", "bash", "powershell", "batch", "text"] = "python"
    label: str = ""


@dataclass(frozen=True)
class FixPreview:
    """A cure as it would be carried out now, for the eyes of the person who decides.

    `changes` are sentences in their order, `code` the calls or commands that do the same, `undo` says how it is taken back; an empty
    one means that it cannot be. `confirm` is a word to be typed before; empty for none.
    """

    title: str
    changes: tuple[str, ...]
    snippets: tuple[Snippet, ...] = ()
    undo: str = ""
    confirmation_text: str = ""


@dataclass(frozen=True)
class FixInput:
    """Something that a cure must be told: the name it is given under, its label, what stands there at first, and a help line."""

    name: str
    label: str
    default: str = ""
    help: str = ""


@dataclass(frozen=True)
class FixResult:
    """How a cure ended: what was done, with what it was verified by, and the backend to be used from now on, if another."""

    title: str
    evidence: Rows = ()
    next: str = ""
    backend: Backend | None = None


@dataclass(frozen=True)
class FixContext:
    """Where a cure is carried out: the backend, the clock, and a folder for what Podium keeps itself.

    A `shared` Podium serves people who must not start programs or reach folders of its machine.
    """

    backend: Backend
    clock: Clock
    podium_home: Path
    is_shared: bool = False


@dataclass(frozen=True)
class Fix:
    """A kind of cure: what it is called, one line on what it costs, what it asks, how it is previewed, how it is carried out.

    `preview` changes nothing. `carry_out` is None for a cure that a person carries out elsewhere, such as a line for a shell. It
    raises PodiumError when it did not work; what it returns has been verified. One that works `on_machine` starts a program on the
    machine of Podium, or reads or writes a folder there that a person names.
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

    `stopped` is the title of the check after which the others could not be asked.
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
