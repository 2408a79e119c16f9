"""Commands that change the registry and leave a record: register, promote, rollback, recover."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from lib.cli.context import Asked, as_option, command, read_stage
from lib.errors import BadInput, PodiumError

if TYPE_CHECKING:
    from lib.registry.promote import Moved


@dataclass(frozen=True)
class Decision:
    """Why, as typed, and which holder the stage must have for the decision to stand."""

    reason: str
    category: str
    expect_champion: str | None

    @property
    def why(self) -> Any:
        """The reason, checked. Raises a usage error for one that says too little."""
        from lib.ledger.entry.vocabulary import reason

        try:
            return reason(self.category, self.reason)
        except BadInput as error:
            raise click.UsageError(str(error)) from error

    @property
    def expected(self) -> str | None:
        """The holder in the words of the ledger: `none`, a version, or several."""
        champion = self.expect_champion
        return None if champion is None else ",".join(part.strip().removeprefix("v") for part in champion.split(","))


def _decision(function: Callable[..., int]) -> Any:
    """The options that say why, and the guard against another champion, handed on as one `decision`."""

    @functools.wraps(function)
    def gathered(asked: Asked, reason: str, category: str, expect_champion: str | None, **more: Any) -> int:
        return function(asked, decision=Decision(reason, category, expect_champion), **more)

    return _why_options(gathered)


def _why_options(function: Any) -> Any:
    function = click.option("--expect-champion", metavar="V|none", help="Refuse when another version holds the stage.")(function)
    function = click.option("--category", required=True, help="better, needed, compliance, incident, housekeeping or other.")(
        function
    )
    return click.option("--reason", required=True, help="Why, in at least 20 characters.")(function)


@command("register")
@click.argument("run_id")
@click.option("--model", required=True, help="The registered model; made when it is missing.")
@click.option("--description", default="", help="What this version is; default: where it comes from and what it measured.")
def register(asked: Asked, run_id: str, model: str, description: str) -> None:
    """Register the model of run RUN_ID as a new version."""
    from lib.registry.register import register as make

    made = make(asked.writer(), run_id, model, description)
    document = {"model": made.model, "version": made.version, "entry": made.entry, "place": made.place}
    asked.answer(document, [f"Registered v{made.version} of {made.model} (entry {made.place})."])


@command("promote")
@click.argument("model")
@click.argument("version")
@click.option("--to", "stage", required=True, metavar="STAGE", callback=as_option(read_stage))
@_decision
def promote(asked: Asked, model: str, version: str, stage: str, decision: Decision) -> int:
    """Move VERSION of MODEL to a stage: Production, Staging, Archived or None."""
    why = decision.why
    from lib.registry.promote import Wish, move

    kind = "archive" if stage == "Archived" else "promote"
    wish = Wish(model, _number(version), stage, why, kind, decision.expected)  # type: ignore[arg-type]
    return _answer(asked, move(asked.writer(), wish))


@command("rollback")
@click.argument("model")
@click.option("--to-version", metavar="V", help="Default: the last other version that was in Production and is whole.")
@_decision
def rollback(asked: Asked, model: str, to_version: str | None, decision: Decision) -> int:
    """Put an earlier version of MODEL back into Production."""
    why = decision.why
    from lib.registry.promote import roll_back

    target = _number(to_version) if to_version else None
    return _answer(asked, roll_back(asked.writer(), model, why, target, decision.expected))


@command("recover")
@click.argument("model", required=False)
def recover(asked: Asked, model: str | None) -> int:
    """Finish or give up decisions that were left open, of MODEL or of all models."""
    from lib.registry.reader import every_model
    from lib.registry.reconcile import recover as finish

    writer = asked.writer()
    names = [model] if model else [seen.model for seen in every_model(writer.backend)]
    done, broken = [], list[str]()
    for name in names:
        try:
            found, closed = finish(writer, name)
        except PodiumError as error:
            broken.append(f"podium: {name}: {' '.join(str(error).split())}")
            continue
        done += [{"model": name, "entry": entry, "outcome": found.state.outcome.get(entry, "FAILED").lower()} for entry in closed]
    said = [f"{d['model']}: decision {d['entry']} {d['outcome']}." for d in done] or ["Nothing was left open."]
    asked.answer({"closed": done}, said)
    for line in broken:
        click.echo(line, err=True)
    return 1 if broken else 0


COMMANDS = (register, promote, rollback, recover)


def _answer(asked: Asked, moved: "Moved") -> int:
    document: dict[str, Any] = {
        "model": moved.model,
        "version": moved.version,
        "from": moved.from_,
        "to": moved.to,
        "outcome": moved.outcome,
        "displaced": list(moved.displaced),
    }
    if moved.entry:
        document |= {"entry": moved.entry, "place": moved.place}
    out = " and ".join(f"v{number}" for number in moved.displaced)
    said = {
        "applied": f"v{moved.version} of {moved.model} is in {moved.to}{f', in place of {out}' if out else ''} (entry {moved.place}).",
        "overtaken": f"Recorded as entry {moved.place}, but a later decision came first.",
        "unchanged": f"v{moved.version} of {moved.model} is in {moved.to} already.",
        "failed": f"Entry {moved.place} could not be carried out: {moved.why}",
    }
    asked.answer(document, [said[moved.outcome]])
    if moved.outcome == "failed":
        click.echo(f"podium: {said['failed']}", err=True)
    return 1 if moved.outcome == "failed" else 0


def _number(version: str) -> str:
    """A version as typed: 3 or v3."""
    return version.removeprefix("v")
