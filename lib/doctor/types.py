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
Told = Callable[[str], None]
"""Is told, sentence by sentence, what goes on just now: a page shows it, the command line drops it."""
Rows = tuple[tuple[str, ...], ...]
TYPED = "typed"
"""The name under which a cure is given what a person typed to confirm it; the deed compares it with the word of that moment."""


@dataclass(frozen=True)
class Call:
    """A cure that a finding offers: the id of a treatment (see `lib.doctor.fix_runner`) and what it is to be carried out on."""

    cure: str
    given: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, name: str) -> str:
        """What was given under a name; empty when nothing was."""
        return dict(self.given).get(name, "")

    def also(self, answers: Mapping[str, str]) -> "Call":
        """The same call with a person's answers in it."""
        return Call(self.cure, tuple(sorted((dict(self.given) | dict(answers)).items())))


def call(cure: str, **given: str) -> Call:
    """Offer a cure: `call("restore_run", run="8b3e…")`."""
    return Call(cure, tuple(sorted(given.items())))


@dataclass(frozen=True)
class Finding:
    """What a check found.

    `title` is a sentence without a full stop ("Files cannot be saved in wine-remote"), `short` its half line for the list of all
    checks ("1 of 9 wrong"), `evidence` rows under `columns`, `means` what follows for people's work, `next` what to do.
    """

    check: str
    level: Level
    title: str
    short: str = ""
    columns: tuple[str, ...] = ()
    evidence: Rows = ()
    means: str = ""
    next: str = ""
    cures: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Check:
    """One question to a backend. `ask(backend, clock, told)` answers with one finding or more, and changes nothing.

    `quick` ones ask little enough for a card on Overview. After a problem in one that stands `first`, the others are skipped: they
    could not say anything.
    """

    id: str
    title: str
    asks: str
    ask: Callable[[Backend, Clock, Told], tuple[Finding, ...]]
    quick: bool = False
    first: bool = False

    def fine(self, short: str, title: str = "") -> tuple[Finding, ...]:
        """The answer when nothing is wrong."""
        return (Finding(self.id, "fine", title or self.title, short),)


@dataclass(frozen=True)
class Snippet:
    """Something to copy: the calls or commands that do what a cure does, in one language; `label` when there are several."""

    text: str
    language: Literal["python", "bash", "powershell", "batch", "text"] = "python"
    label: str = ""


@dataclass(frozen=True)
class Cure:
    """A cure as it would be carried out now, for the eyes of the person who decides.

    `changes` are sentences in their order, `code` the calls or commands that do the same, `undo` says how it is taken back; an empty
    one means that it cannot be. `confirm` is a word to be typed before; empty for none.
    """

    title: str
    changes: tuple[str, ...]
    code: tuple[Snippet, ...] = ()
    undo: str = ""
    confirm: str = ""


@dataclass(frozen=True)
class Ask:
    """Something that a cure must be told: the name it is given under, its label, what stands there at first, and a help line."""

    name: str
    label: str
    default: str = ""
    help: str = ""


@dataclass(frozen=True)
class Done:
    """How a cure ended: what was done, with what it was verified by, and the backend to be used from now on, if another."""

    title: str
    evidence: Rows = ()
    next: str = ""
    backend: Backend | None = None


@dataclass(frozen=True)
class Room:
    """Where a cure is carried out: the backend, the clock, a folder for what Podium keeps itself, and the name of who asks.

    A `shared` Podium serves people who must not start programs or reach folders of its machine.
    """

    backend: Backend
    clock: Clock
    home: Path
    by: str = ""
    shared: bool = False


@dataclass(frozen=True)
class Treatment:
    """A kind of cure: what it is called, one line on what it costs, what it asks, how it is previewed, how it is carried out.

    `preview` changes nothing. `carry_out` is None for a cure that a person carries out elsewhere, such as a line for a shell. It
    raises PodiumError when it did not work; what it returns has been verified. One that works `on_machine` starts a program on the
    machine of Podium, or reads or writes a folder there that a person names.
    """

    id: str
    title: str
    note: str
    preview: Callable[[Room, Call], Cure]
    carry_out: Callable[[Room, Call, Told], Done] | None = None
    asks: Callable[[Room, Call], tuple[Ask, ...]] = lambda _room, _call: ()
    on_machine: bool = False


@dataclass(frozen=True)
class Report:
    """All findings about one backend, in the order of the checks, when they were made, how long it took, and with which MLflow.

    `stopped` is the title of the check after which the others could not be asked.
    """

    backend: Backend
    at: datetime
    seconds: float
    mlflow: str
    findings: tuple[Finding, ...]
    stopped: str = ""

    def of(self, *levels: Level) -> tuple[Finding, ...]:
        """The findings of these levels."""
        return tuple(one for one in self.findings if one.level in levels)

    @property
    def ill(self) -> tuple[Finding, ...]:
        """What needs a look: problems first, then notices."""
        return (*self.of("problem"), *self.of("notice"))
