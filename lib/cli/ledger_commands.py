"""Read-only commands on the ledger: asof and log."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from lib.cli.context import (
    CommandContext,
    clock,
    command,
    option_callback,
    parse_stage_option,
    parse_time_option,
    parse_zone_option,
    require_slot_stage,
)
from lib.cli.output import print_note
from lib.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lib.ledger.chain.hash_chain import Entry
    from lib.ledger.chain.signatures import TrustedKeys
    from lib.registry.audit_queries import AsOfResult, AuditLogEntry


@command("asof")
@click.argument("model", required=False)
@click.option("--at", "at", required=True, metavar="WHEN", help="2023-03-14 for the full day, 2023-03-14T09:00Z for an instant.")
@click.option("--stage", default="Production", show_default=True, callback=option_callback(parse_stage_option))
@click.option(
    "--zone",
    default="UTC",
    show_default=True,
    callback=option_callback(parse_zone_option),
    help="The time zone of WHEN, for example Europe/Berlin.",
)
def asof(context: CommandContext, model: str | None, at: str, stage: str, zone: str) -> None:
    """Show which version of MODEL, or of every model, held a stage at that time, who decided it, and why."""
    require_slot_stage(stage)
    now = clock()
    when = parse_time_option(at, "--at", zone)
    from lib.ledger.entry.timestamps import format_timestamp
    from lib.ledger.entry.vocabulary import slot_of
    from lib.ledger.queries.as_of import answer_to_json, verify_holders
    from lib.ledger.storage.key_trust import read_trusted_keys
    from lib.registry.audit_queries import AsOfQuery, query_as_of, query_as_of_all

    backend, query = context.open_backend(), AsOfQuery(slot_of(stage) or "production", when, now)
    results = (query_as_of(backend, model, query),) if model else query_as_of_all(backend, query)
    keys = read_trusted_keys(os.environ)
    results = tuple(replace(result, answer=verify_holders(result.answer, result.book, keys)) for result in results)
    document = {
        "at": format_timestamp(when.at),
        "until": format_timestamp(when.until) if when.until else None,
        "zone": when.zone,
        "answers": [{"model": result.model, **answer_to_json(result.answer)} for result in results],
    }
    context.print_result(
        document, [line for result in results for line in _answer_lines(result)] or ["There are no registered models yet."]
    )
    for result in results:
        if result.finding_count:
            print_note(f"podium: The record of {result.model} has findings. Run verify to list them.")


@command("log")
@click.option("--model", help="Only entries for this model.")
@click.option("--type", "type_", metavar="TYPE", help="Only entries of this type, for example DECIDED.")
@click.option("--since", metavar="WHEN", help="From this instant or day on (UTC unless it has an offset).")
@click.option("--until", metavar="WHEN", help="Up to this instant, or the end of this day.")
@click.option("--limit", type=click.IntRange(min=1), help="Maximum number of entries, newest first.")
def log(context: CommandContext, type_: str | None, since: str | None, until: str | None, **options: Any) -> None:
    """List the entries of all books, newest first. Here --by filters by person."""
    since_query, until_query = (
        parse_time_option(text, name) if text else None for text, name in ((since, "--since"), (until, "--until"))
    )
    from lib.ledger.state.corrections import corrections_by_entry_id
    from lib.ledger.storage.inventory_reader import require_explained_inventory
    from lib.ledger.storage.key_trust import read_trusted_keys
    from lib.registry.audit_queries import read_audit_log

    model, limit = options["model"], options["limit"]
    backend = context.open_backend()
    rows = read_audit_log(backend)
    if not rows or model not in (None, *(row.model for row in rows)):
        require_explained_inventory(backend)
    if model and model not in {row.model for row in rows}:
        raise NotFound(f"{model} has no record.", means="", next="Check the model name.")
    selected_rows = [
        row
        for row in rows
        if model in (None, row.model)
        and context.user_name in ("", row.entry.body.by.name, _person_of(row))
        and (type_ or row.entry.body.type).upper() == row.entry.body.type.upper()
        and (since_query is None or row.at >= since_query.at)
        and (
            until_query is None
            or until_query.is_ongoing
            or (row.at < until_query.until if until_query.until else row.at <= until_query.at)
        )
    ][:limit]
    books: dict[str, list[Entry]] = {}
    for row in sorted(rows, key=lambda row: row.entry.position):
        books.setdefault(row.model, []).append(row.entry)
    corrections = {name: corrections_by_entry_id(books[name]) for name in {row.model for row in selected_rows}}
    keys = read_trusted_keys(os.environ)
    entries = [_entry_to_json(row, corrections[row.model].get(row.entry.id, ()), keys) for row in selected_rows]
    context.print_result({"entries": entries}, _entry_lines(selected_rows, keys))


COMMANDS = (asof, log)


def _answer_lines(result: "AsOfResult") -> list[str]:
    from lib.ledger.queries.as_of_text import answer_sentence, answer_text

    lines = [f"{result.model}: {answer_sentence(result.answer)}.", f"  {answer_text(result.model, result.answer)}"]
    return lines + [f"  Unknown: {interval.explanation}." for interval in result.answer.unknown if interval.since]


def _entry_to_json(row: "AuditLogEntry", corrections: "Sequence[Entry]", keys: "TrustedKeys") -> dict[str, Any]:
    from lib.ledger.chain.entry_signatures import signature_status
    from lib.ledger.queries.history import entry_to_json

    return {**entry_to_json(row.entry, corrections, signature_status(row.book, row.entry, keys)), "model": row.model}


def _entry_lines(rows: "list[AuditLogEntry]", keys: "TrustedKeys") -> list[str]:
    from lib.ledger.entry.timestamps import format_timestamp
    from lib.ledger.entry.types import Imported
    from lib.ledger.queries.actor_names import displayed_name, writer_status

    lines = []
    for row in rows:
        body = row.entry.body
        version = f"v{body.version}" if body.version else "-"
        reason = body.reason.text if body.reason else body.note or ""
        status = "imported" if isinstance(body, Imported) else writer_status(row.book, row.entry, keys)
        person = displayed_name(_person_of(row), status)
        lines.append(
            f"{format_timestamp(row.at)[:16]}Z  {body.type:<10}  {row.model} {version}  {person}{': ' if reason else ''}{reason}"
        )
    return lines or ["No entries match."]


def _person_of(row: "AuditLogEntry") -> str:
    """The author of an entry; for an imported entry, the original author."""
    from lib.ledger.entry.types import Imported

    body = row.entry.body
    return (body.actor if isinstance(body, Imported) else body.by).name
