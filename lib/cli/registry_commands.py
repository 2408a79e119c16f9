"""Commands that change the registry and leave a record: register, promote, rollback, recover."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from lib.cli.context import CommandContext, command, option_callback, parse_stage_option
from lib.errors import BadInput, PodiumError

if TYPE_CHECKING:
    from lib.registry.promote import MoveResult


@dataclass(frozen=True)
class DecisionOptions:
    """Why, as typed, and which holder the stage must have for the decision to stand."""

    reason: str
    category: str
    expect_champion: str | None

    @property
    def checked_reason(self) -> Any:
        """The reason, checked. Raises a usage error for one that says too little."""
        from lib.ledger.entry.vocabulary import make_reason

        try:
            return make_reason(self.category, self.reason)
        except BadInput as error:
            raise click.UsageError(str(error)) from error

    @property
    def expected_holders(self) -> str | None:
        """The holder in the words of the ledger: `none`, a version, or several."""
        champion = self.expect_champion
        return None if champion is None else ",".join(part.strip().removeprefix("v") for part in champion.split(","))


def _decision(function: Callable[..., int]) -> Any:
    """The options that say why, and the guard against another champion, handed on as one `decision`."""

    @functools.wraps(function)
    def gathered(asked: CommandContext, reason: str, category: str, expect_champion: str | None, **more: Any) -> int:
        return function(asked, decision=DecisionOptions(reason, category, expect_champion), **more)

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
def register(context: CommandContext, run_id: str, model: str, description: str) -> None:
    """Register the model of run RUN_ID as a new version."""
    from lib.registry.register import register as make

    made = make(context.open_writer(), run_id, model, description)
    document = {"model": made.model, "version": made.version, "entry": made.entry_id, "place": made.position}
    context.print_result(document, [f"Registered v{made.version} of {made.model} (entry {made.position})."])


@command("promote")
@click.argument("model")
@click.argument("version")
@click.option("--to", "stage", required=True, metavar="STAGE", callback=option_callback(parse_stage_option))
@_decision
def promote(context: CommandContext, model: str, version: str, stage: str, decision: DecisionOptions) -> int:
    """Move VERSION of MODEL to a stage: Production, Staging, Archived or None."""
    why = decision.checked_reason
    from lib.registry.promote import MoveRequest, move_version

    kind = "archive" if stage == "Archived" else "promote"
    wish = MoveRequest(model, _number(version), stage, why, kind, decision.expected_holders)  # type: ignore[arg-type]
    return _answer(context, move_version(context.open_writer(), wish))


@command("rollback")
@click.argument("model")
@click.option("--to-version", metavar="V", help="Default: the last other version that was in Production and is whole.")
@_decision
def rollback(context: CommandContext, model: str, to_version: str | None, decision: DecisionOptions) -> int:
    """Put an earlier version of MODEL back into Production."""
    why = decision.checked_reason
    from lib.registry.promote import roll_back

    target = _number(to_version) if to_version else None
    return _answer(context, roll_back(context.open_writer(), model, why, target, decision.expected_holders))


@command("recover")
@click.argument("model", required=False)
def recover(context: CommandContext, model: str | None) -> int:
    """Finish or give up decisions that were left open, of MODEL or of all models."""
    from lib.registry.reader import read_all_snapshots
    from lib.registry.reconcile import recover as finish

    writer = context.open_writer()
    names = [model] if model else [seen.model for seen in read_all_snapshots(writer.backend)]
    done, broken = [], list[str]()
    for name in names:
        try:
            found, closed = finish(writer, name)
        except PodiumError as error:
            broken.append(f"podium: {name}: {' '.join(str(error).split())}")
            continue
        done += [
            {"model": name, "entry": entry, "outcome": found.state.outcomes.get(entry, "FAILED").lower()} for entry in closed
        ]
    said = [f"{d['model']}: decision {d['entry']} {d['outcome']}." for d in done] or ["Nothing was left open."]
    context.print_result({"closed": done}, said)
    for line in broken:
        click.echo(line, err=True)
    return 1 if broken else 0


COMMANDS = (register, promote, rollback, recover)


def _answer(asked: CommandContext, moved: "MoveResult") -> int:
    document: dict[str, Any] = {
        "model": moved.model,
        "version": moved.version,
        "from": moved.from_stage,
        "to": moved.to_stage,
        "outcome": moved.outcome,
        "displaced": list(moved.displaced_versions),
    }
    if moved.entry_id:
        document |= {"entry": moved.entry_id, "place": moved.position}
    out = " and ".join(f"v{number}" for number in moved.displaced_versions)
    said = {
        "applied": f"v{moved.version} of {moved.model} is in {moved.to_stage}{f', in place of {out}' if out else ''} (entry {moved.position}).",
        "overtaken": f"Recorded as entry {moved.position}, but a later decision came first.",
        "unchanged": f"v{moved.version} of {moved.model} is in {moved.to_stage} already.",
        "failed": f"Entry {moved.position} could not be carried out: {moved.failure_reason}",
    }
    asked.print_result(document, [said[moved.outcome]])
    if moved.outcome == "failed":
        click.echo(f"podium: {said['failed']}", err=True)
    return 1 if moved.outcome == "failed" else 0


def _number(version: str) -> str:
    """A version as typed: 3 or v3."""
    return version.removeprefix("v")
