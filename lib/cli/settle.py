"""The command settle: list what blocks decisions about a model; accept it with a reason, recorded in its book."""

import os
from typing import TYPE_CHECKING, Any

import click

from lib.cli.context import EXIT_FINDINGS, CommandContext, clock, command
from lib.cli.registry_commands import DecisionOptions
from lib.errors import NotWritable

if TYPE_CHECKING:
    from lib.ledger.chain.hash_chain import LedgerFinding
    from lib.registry.head_watch import HeadWatch


@command("settle")
@click.argument("model", required=False)
@click.option("--reason", default="", help="Why it is right to continue, in at least 20 characters.")
@click.option("--category", default="", help="better, needed, compliance, incident, housekeeping or other.")
def settle(context: CommandContext, model: str | None, **reason_options: str) -> int:
    """List the findings in the record of MODEL. With a reason: record that you reviewed them and continue.

    Without MODEL: accept a store that replaced the one Podium saw before.
    """
    if any(reason_options.values()) and not all(reason_options.values()):
        raise click.UsageError("Settling needs both --reason and --category.")
    from lib.ledger.storage.head_memory import create_head_memory
    from lib.registry.head_watch import HeadWatch
    from lib.registry.unsettled import list_unsettled

    watch = HeadWatch(create_head_memory(os.environ), clock)

    if model is None:
        return _settle_store(context, watch, reason_options)
    if not any(reason_options.values()):
        findings = list_unsettled(context.open_backend(), model, watch).all_findings
        lines = [
            *map(_finding_line, findings),
            *(["Nothing is settled yet. To settle, give --reason and --category."] if findings else []),
        ]
        context.print_result(
            {"model": model, "findings": _findings_to_json(findings)}, lines or [f"Nothing blocks decisions about {model}."]
        )
        return EXIT_FINDINGS if findings else 0
    from lib.registry.settle import settle as settle_findings

    reason = DecisionOptions(**reason_options, expect_champion=None).checked_reason
    writer = context.open_writer()
    settled = settle_findings(writer, model, list_unsettled(writer.backend, model, watch), reason)
    document = {
        "model": model,
        "settled": _findings_to_json(settled.findings),
        "entry": settled.entry_id,
        "place": settled.position,
    }
    context.print_result(
        document,
        [*map(_finding_line, settled.findings), f"{model}: settled in entry {settled.position}. Decisions can continue."],
    )
    return 0


COMMANDS = (settle,)


def _settle_store(context: CommandContext, watch: "HeadWatch", reason_options: dict[str, str]) -> int:
    """Accept the store at this address in place of the previous one. The acceptance is stored in PODIUM_HOME."""
    from lib.registry.head_watch import accept_present_store, find_head_alarms

    writer = context.open_writer()
    alarm = next((a for a in find_head_alarms(writer.backend, watch) if a.what == "another store"), None)
    if alarm is None:
        context.print_result({"findings": []}, ["This is the known store. To settle the record of one model, run settle MODEL."])
        return 0
    document = {"findings": [{"place": 0, "what": alarm.what, "means": alarm.means}]}
    if not any(reason_options.values()):
        context.print_result(document, [f"{alarm.what}. {alarm.means}", "If this is intended, give --reason and --category."])
        return EXIT_FINDINGS
    reason = DecisionOptions(**reason_options, expect_champion=None).checked_reason
    if not accept_present_store(writer.backend, watch.memory, clock(), (writer.actor.name, reason.text)):
        raise NotWritable("PODIUM_HOME cannot be written, so this cannot be saved.", next="Check the permissions of that folder.")
    context.print_result({"settled": document["findings"]}, ["Podium continues with the present store."])
    return 0


def _findings_to_json(findings: "tuple[LedgerFinding, ...]") -> list[dict[str, Any]]:
    return [{"place": finding.position, "what": finding.what, "means": finding.means} for finding in findings]


def _finding_line(finding: "LedgerFinding") -> str:
    from lib.text import clean_text

    return f"  {f'place {finding.position}: ' if finding.position else ''}{finding.what}. {clean_text(finding.means)}"
