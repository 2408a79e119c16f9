"""Commands that change the registry and leave a record: register, promote, rollback, recover."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from lib.cli.context import CommandContext, command, option_callback, parse_stage_option
from lib.errors import BadInput, NoAnswer, PodiumError

if TYPE_CHECKING:
    from lib.registry.promote import MoveResult


@dataclass(frozen=True)
class DecisionOptions:
    """The reason as typed, and which holder the stage must have for the decision to be accepted."""

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
        """The holder as the ledger writes it: `none`, a version, or several."""
        champion = self.expect_champion
        return None if champion is None else ",".join(part.strip().removeprefix("v") for part in champion.split(","))


def _decision_options(function: Callable[..., int]) -> Any:
    """The options that say why, and the guard against another champion, handed on as one `decision`."""

    @functools.wraps(function)
    def run(context: CommandContext, reason: str, category: str, expect_champion: str | None, **arguments: Any) -> int:
        return function(context, decision=DecisionOptions(reason, category, expect_champion), **arguments)

    return _add_reason_options(run)


def _add_reason_options(function: Any) -> Any:
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
    from lib.registry.register import register as register_version

    result = register_version(context.open_writer(), run_id, model, description)
    document = {
        "model": result.model,
        "version": result.version,
        "entry": result.entry_id,
        "place": result.position,
    }
    context.print_result(document, [f"Registered v{result.version} of {result.model} (entry {result.position})."])


@command("promote")
@click.argument("model")
@click.argument("version")
@click.option("--to", "stage", required=True, metavar="STAGE", callback=option_callback(parse_stage_option))
@_decision_options
def promote(context: CommandContext, model: str, version: str, stage: str, decision: DecisionOptions) -> int:
    """Move VERSION of MODEL to a stage: Production, Staging, Archived or None."""
    reason = decision.checked_reason
    from lib.registry.promote import MoveRequest, move_version

    kind = "archive" if stage == "Archived" else "promote"
    request = MoveRequest(model, _version_number(version), stage, reason, kind, decision.expected_holders)  # type: ignore[arg-type]
    return _print_move(context, move_version(context.open_writer(), request))


@command("rollback")
@click.argument("model")
@click.option("--to-version", metavar="V", help="Default: the last other version that was in Production and is whole.")
@_decision_options
def rollback(context: CommandContext, model: str, to_version: str | None, decision: DecisionOptions) -> int:
    """Put an earlier version of MODEL back into Production."""
    reason = decision.checked_reason
    from lib.registry.promote import roll_back

    target = _version_number(to_version) if to_version else None
    return _print_move(context, roll_back(context.open_writer(), model, reason, target, decision.expected_holders))


@command("recover")
@click.argument("model", required=False)
def recover(context: CommandContext, model: str | None) -> int:
    """Finish or give up decisions that were left open, of MODEL or of all models."""
    from lib.registry.reader import read_all_snapshots
    from lib.registry.reconcile import recover as recover_model

    writer = context.open_writer()
    names = [model] if model else [snapshot.model for snapshot in read_all_snapshots(writer.backend)]
    closed_decisions, errors = [], list[str]()
    for name in names:
        try:
            status, entry_ids = recover_model(writer, name)
        except PodiumError as error:
            errors.append(f"podium: {name}: {' '.join(str(error).split())}")
            if isinstance(error, NoAnswer):
                break  # each of the others could wait as long
            continue
        closed_decisions += [
            {"model": name, "entry": entry_id, "outcome": status.state.outcomes.get(entry_id, "FAILED").lower()}
            for entry_id in entry_ids
        ]
    lines = [f"{row['model']}: decision {row['entry']} {row['outcome']}." for row in closed_decisions] or [
        "Nothing was left open."
    ]
    context.print_result({"closed": closed_decisions}, lines)
    for error_line in errors:
        click.echo(error_line, err=True)
    return 1 if errors else 0


COMMANDS = (register, promote, rollback, recover)


def _print_move(context: CommandContext, result: "MoveResult") -> int:
    document: dict[str, Any] = {
        "model": result.model,
        "version": result.version,
        "from": result.from_stage,
        "to": result.to_stage,
        "outcome": result.outcome,
        "displaced": list(result.displaced_versions),
    }
    if result.entry_id:
        document |= {"entry": result.entry_id, "place": result.position}
    displaced = " and ".join(f"v{version}" for version in result.displaced_versions)
    messages = {
        "applied": f"v{result.version} of {result.model} is in {result.to_stage}{f', in place of {displaced}' if displaced else ''} (entry {result.position}).",
        "overtaken": f"Recorded as entry {result.position}, but a later decision came first.",
        "unchanged": f"v{result.version} of {result.model} is in {result.to_stage} already.",
        "failed": f"Entry {result.position} could not be carried out: {result.failure_reason}",
    }
    context.print_result(document, [messages[result.outcome]])
    if result.outcome == "failed":
        click.echo(f"podium: {messages['failed']}", err=True)
    return 1 if result.outcome == "failed" else 0


def _version_number(version: str) -> str:
    """A version as typed: 3 or v3."""
    return version.removeprefix("v")
