"""Commands that change the registry and leave a record: register, promote, rollback."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from lib.cli.context import CommandContext, command, option_callback, parse_stage_option
from lib.cli.output import print_note
from lib.errors import BadInput

if TYPE_CHECKING:
    from lib.registry.move_plan import Decision
    from lib.registry.promote import MoveResult


@dataclass(frozen=True)
class DecisionOptions:
    """The reason as typed, and the holder that the stage must have for the decision to be accepted."""

    reason: str
    category: str
    expect_champion: str | None

    @property
    def checked_reason(self) -> Any:
        """The reason, checked. Raises a usage error if it is too short or its category is unknown."""
        from lib.ledger.entry.vocabulary import make_reason

        try:
            return make_reason(self.category, self.reason)
        except BadInput as error:
            raise click.UsageError(str(error)) from error

    @property
    def decision(self) -> "Decision":
        """The decision, with its reason checked and the expected holder in the notation of the ledger: `none`, a version, or several.

        Raises the same errors as `checked_reason`.
        """
        reason, champion = self.checked_reason, self.expect_champion
        from lib.registry.move_plan import Decision

        return Decision(reason, None if champion is None else ",".join(v.strip().removeprefix("v") for v in champion.split(",")))


def _decision_options(function: Callable[..., int]) -> Any:
    """Add the options for reason, category and expected champion, passed on as `options`."""

    @functools.wraps(function)
    def run(context: CommandContext, reason: str, category: str, expect_champion: str | None, **arguments: Any) -> int:
        return function(context, options=DecisionOptions(reason, category, expect_champion), **arguments)

    return _add_reason_options(run)


def _add_reason_options(function: Any) -> Any:
    function = click.option("--expect-champion", metavar="V|none", help="Refuse if another version holds the stage.")(function)
    function = click.option("--category", required=True, help="better, needed, compliance, incident, housekeeping or other.")(
        function
    )
    return click.option("--reason", required=True, help="Why, in at least 20 characters.")(function)


@command("register")
@click.argument("run_id")
@click.option("--model", required=True, help="The registered model. Created if it does not exist.")
@click.option("--description", default="", help="Description of this version. Default: its run and metrics.")
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
def promote(context: CommandContext, model: str, version: str, stage: str, options: DecisionOptions) -> int:
    """Move VERSION of MODEL to a stage: Production, Staging, Archived or None."""
    decision = options.decision
    from lib.registry.move_plan import MoveRequest
    from lib.registry.promote import move_version

    kind = "archive" if stage == "Archived" else "promote"
    request = MoveRequest(model, _version_number(version), stage, kind)  # type: ignore[arg-type]
    return _print_move(context, move_version(context.open_writer(), request, decision))


@command("rollback")
@click.argument("model")
@click.option("--to-version", metavar="V", help="Default: the last other version in Production whose files still exist.")
@_decision_options
def rollback(context: CommandContext, model: str, to_version: str | None, options: DecisionOptions) -> int:
    """Put an earlier version of MODEL back into Production."""
    decision = options.decision
    from lib.registry.roll_back import roll_back

    target = _version_number(to_version) if to_version else None
    return _print_move(context, roll_back(context.open_writer(), model, target, decision))


COMMANDS = (register, promote, rollback)


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
    if result.waiting_for:
        document["waiting_for"] = result.waiting_for
    displaced = " and ".join(f"v{version}" for version in result.displaced_versions)
    messages = {
        "applied": f"v{result.version} of {result.model} is in {result.to_stage}{f', in place of {displaced}' if displaced else ''} (entry {result.position}).",
        "overtaken": f"Recorded as entry {result.position}, but overtaken by a later decision.",
        "waiting": f"v{result.version} of {result.model} is in {result.to_stage} (entry {result.position}), but a later decision is still open. Run recover to finish it or give it up.",
        "unchanged": f"v{result.version} of {result.model} is already in {result.to_stage}.",
        "failed": f"Entry {result.position} could not be carried out: {result.failure_reason}",
    }
    key = "waiting" if result.waiting_for else result.outcome
    context.print_result(document, [messages[key]])
    if key in ("failed", "waiting"):
        print_note(f"podium: {messages[key]}")
        return 1
    return 0


def _version_number(version: str) -> str:
    """The version number from 3 or v3."""
    return version.removeprefix("v")
