"""The command recover: list open decisions, finish them, or give them up with a reason."""

import os
from typing import TYPE_CHECKING, Any

import click

from lib.cli.context import EXIT_FINDINGS, CommandContext, clock, command
from lib.cli.output import print_note
from lib.cli.registry_commands import DecisionOptions
from lib.errors import NoAnswer, NotFound, PodiumError

if TYPE_CHECKING:
    from lib.ledger.storage.book import Writer
    from lib.registry.pending_decisions import PendingDecision

_UNKNOWN = "unknown"
"""The outcome of a decision if the server did not answer: closed, or still open."""


@command("recover")
@click.argument("model", required=False)
@click.option("--finish", "choice", flag_value="finish", help="Carry out the open decisions.")
@click.option("--give-up", "choice", flag_value="give up", help="Undo their moves and close them.")
@click.option("--intent", "intent_id", metavar="ID", help="Only the decision with this entry id.")
@click.option("--reason", default="", help="Why, in at least 20 characters.")
@click.option("--category", default="", help="better, needed, compliance, incident, housekeeping or other.")
def recover(context: CommandContext, model: str | None, choice: str | None, intent_id: str | None, **reason_options: str) -> int:
    """List the open decisions of MODEL, or of all models. Finish them or give them up."""
    has_reason = all(reason_options.values())
    if choice is None and any(reason_options.values()):
        raise click.UsageError("--reason and --category need --finish or --give-up.")
    if choice and not has_reason:
        raise click.UsageError("--finish and --give-up need --reason and --category.")
    reason = DecisionOptions(**reason_options, expect_champion=None).checked_reason if choice else None
    writer = context.open_writer() if choice else None
    decisions = _read_open_decisions(context, writer, model, intent_id)
    if not choice or writer is None:
        lines = [_decision_line(decision) for decision in decisions] or ["No open decisions."]
        context.print_result(_document(decisions, {}), lines)
        return EXIT_FINDINGS if decisions else 0
    outcomes, errors = _close_decisions(writer, decisions, choice, reason)
    closed = [decision for decision in decisions if outcomes.get(decision.entry_id, _UNKNOWN) != _UNKNOWN]
    lines = [f"{decision.model}: decision {decision.entry_id} {outcomes[decision.entry_id]}." for decision in closed]
    context.print_result(_document(decisions, outcomes), lines or ([] if errors else ["No open decisions."]))
    for error_line in errors:
        print_note(error_line)
    return 1 if errors else 0


COMMANDS = (recover,)


def _read_open_decisions(
    context: CommandContext, writer: "Writer | None", model: str | None, intent_id: str | None
) -> "list[PendingDecision]":
    """Every open decision, by model and position. Raises NotFound for an unknown model or decision."""
    from lib.ledger.storage.key_trust import read_trusted_keys
    from lib.registry.model_survey import survey_models
    from lib.registry.pending_decisions import list_pending_decisions
    from lib.registry.reconcile import read_model_status

    backend = writer.backend if writer else context.open_backend()
    statuses = (
        [read_model_status(backend, model, clock())]
        if model
        else [status for _, status in sorted(survey_models(backend, clock()).statuses.items())]
    )
    keys = read_trusted_keys(os.environ)
    decisions = [decision for status in statuses for decision in list_pending_decisions(status, keys)]
    if intent_id is None:
        return decisions
    chosen = [decision for decision in decisions if decision.entry_id == intent_id]
    if not chosen:
        raise NotFound(
            f"There is no open decision {intent_id}.", means="", next="Run recover without --intent to list the open decisions."
        )
    return chosen


def _close_decisions(
    writer: "Writer", decisions: "list[PendingDecision]", choice: str, reason: Any
) -> tuple[dict[str, str], list[str]]:
    """Finish the decisions or give them up, model by model. Returns the outcome of each, and one line for each model that failed."""
    from lib.registry.recover import recover_decisions

    outcomes, errors = dict[str, str](), list[str]()
    for model in dict.fromkeys(decision.model for decision in decisions):
        ids = [decision.entry_id for decision in decisions if decision.model == model]
        try:
            closed_decisions = recover_decisions(writer, model, ids, choice, reason)  # type: ignore[arg-type]
        except PodiumError as error:
            errors.append(f"podium: {model}: {' '.join(str(error).split())}")
            if isinstance(error, NoAnswer):
                outcomes |= dict.fromkeys(ids, _UNKNOWN)
                break  # every other model could take as long
            continue
        outcomes |= {closed.intent_id: closed.outcome.lower() for closed in closed_decisions}
    return outcomes, errors


def _document(decisions: "list[PendingDecision]", outcomes: dict[str, str]) -> dict[str, Any]:
    models = dict.fromkeys(decision.model for decision in decisions)
    return {
        "models": [
            {"model": model, "intents": [_decision_to_json(d, outcomes) for d in decisions if d.model == model]}
            for model in models
        ]
    }


def _decision_to_json(decision: "PendingDecision", outcomes: dict[str, str]) -> dict[str, Any]:
    from lib.ledger.entry.timestamps import format_timestamp

    return {
        "id": decision.entry_id,
        "outcome": outcomes.get(decision.entry_id, "open"),
        "place": decision.position,
        "version": decision.version,
        "to": decision.to_stage,
        "by": decision.actor.model_dump(exclude_none=True),
        "recorded_at": format_timestamp(decision.at),
    }


def _decision_line(decision: "PendingDecision") -> str:
    from lib.ledger.entry.timestamps import format_timestamp
    from lib.text import clean_text

    return (
        f"{clean_text(decision.model)}: v{decision.version} to {decision.to_stage}, decided by {clean_text(decision.actor_name)} at "
        f"{format_timestamp(decision.at)[:16]}Z (entry {decision.position}, {decision.entry_id}). {decision.progress_text}"
    )
