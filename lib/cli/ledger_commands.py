"""Commands that read the record: asof and log. They write nothing."""

from typing import TYPE_CHECKING, Any

import click

from lib.cli.context import CommandContext, clock, command, option_callback, parse_stage_option
from lib.errors import BadInput, NotFound

if TYPE_CHECKING:
    from lib.ledger.chain.hash_chain import Entry
    from lib.ledger.queries.time_query import TimeQuery
    from lib.registry.audit_queries import AsOfResult, AuditLogEntry


def parse_zone_option(name: str) -> str:
    """A time zone as typed, checked."""
    from lib.ledger.queries.time_query import parse_time_zone

    return parse_time_zone(name).key


@command("asof")
@click.argument("model", required=False)
@click.option(
    "--at", "at", required=True, metavar="WHEN", help="2023-03-14 for that whole day, 2023-03-14T09:00Z for an instant."
)
@click.option("--stage", default="Production", show_default=True, callback=option_callback(parse_stage_option))
@click.option(
    "--zone",
    default="UTC",
    show_default=True,
    callback=option_callback(parse_zone_option),
    help="The time zone of WHEN, for example Europe/Berlin.",
)
def asof(context: CommandContext, model: str | None, at: str, stage: str, zone: str) -> None:
    """Say which version of MODEL, or of every model, held a stage then, who decided it, and why."""
    if stage not in ("Production", "Staging"):
        raise click.BadParameter(f"{stage} is held by nobody; ask for Production or Staging.", param_hint="--stage")
    now = clock()
    when = parse_time_option(at, "--at", zone)
    from lib.ledger.entry.timestamps import format_timestamp
    from lib.ledger.entry.vocabulary import slot_of
    from lib.ledger.queries.as_of import answer_to_json
    from lib.registry.audit_queries import AsOfQuery, query_as_of, query_as_of_all

    here, question = context.open_backend(), AsOfQuery(slot_of(stage) or "production", when, now)
    told = (query_as_of(here, model, question),) if model else query_as_of_all(here, question)
    document = {
        "at": format_timestamp(when.at),
        "until": format_timestamp(when.until) if when.until else None,
        "zone": when.zone,
        "answers": [{"model": one.model, **answer_to_json(one.answer)} for one in told],
    }
    context.print_result(document, [line for one in told for line in _said(one)] or ["There is no registered model yet."])
    for one in told:
        if one.finding_count:
            click.echo(f"podium: Something in the book of {one.model} does not fit; verify says what.", err=True)


@command("log")
@click.option("--model", help="Only entries of this model.")
@click.option("--type", "type_", metavar="TYPE", help="Only entries of this type, for example DECIDED.")
@click.option("--since", metavar="WHEN", help="From this instant or day on (UTC unless it says otherwise).")
@click.option("--until", metavar="WHEN", help="Up to this instant, or to the end of this day.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many, the newest.")
def log(context: CommandContext, type_: str | None, since: str | None, until: str | None, **more: Any) -> None:
    """Tell the entries of all books, newest first. Here --by keeps those of one person."""
    first, last = (parse_time_option(text, name) if text else None for text, name in ((since, "--since"), (until, "--until")))
    from lib.ledger.queries.history import entry_to_json
    from lib.ledger.state.corrections import corrections_by_entry_id
    from lib.registry.audit_queries import read_audit_log as every

    model, limit = more["model"], more["limit"]
    lines = every(context.open_backend())
    if model and model not in {line.model for line in lines}:
        raise NotFound(f"There is no record of {model}.", means="", next="Check the name.")
    kept = [
        line
        for line in lines
        if model in (None, line.model)
        and context.user_name in ("", line.entry.body.by.name, _who(line))
        and (type_ or line.entry.body.type).upper() == line.entry.body.type.upper()
        and (first is None or line.at >= first.at)
        and (last is None or last.is_ongoing or (line.at < last.until if last.until else line.at <= last.at))
    ][:limit]
    books: dict[str, list[Entry]] = {}
    for line in sorted(lines, key=lambda line: line.entry.position):
        books.setdefault(line.model, []).append(line.entry)
    found = {name: corrections_by_entry_id(books[name]) for name in {line.model for line in kept}}
    told = [{**entry_to_json(ln.entry, found[ln.model].get(ln.entry.id, ())), "model": ln.model} for ln in kept]
    context.print_result({"entries": told}, _told(kept))


COMMANDS = (asof, log)


def parse_time_option(text: str, option: str, zone: str = "UTC") -> "TimeQuery":
    """A time as typed. Raises a usage error for one that cannot be."""
    from lib.ledger.queries.time_query import parse_time_query

    try:
        return parse_time_query(text, clock(), zone)
    except BadInput as error:
        raise click.BadParameter(f"{error.what} {error.next}".strip(), param_hint=option) from error


def _said(told: "AsOfResult") -> list[str]:
    from lib.ledger.queries.as_of_text import answer_sentence, answer_text

    lines = [f"{told.model}: {answer_sentence(told.answer)}.", f"  {answer_text(told.model, told.answer)}"]
    return lines + [f"  Unknown: {one.explanation}." for one in told.answer.unknown if one.since]


def _told(lines: "list[AuditLogEntry]") -> list[str]:
    from lib.ledger.entry.timestamps import format_timestamp

    told = []
    for line in lines:
        body = line.entry.body
        what = f"v{body.version}" if body.version else "-"
        why = body.reason.text if body.reason else body.note or ""
        told.append(
            f"{format_timestamp(line.at)[:16]}Z  {body.type:<10}  {line.model} {what}  {_who(line)}{': ' if why else ''}{why}"
        )
    return told or ["No entry fits."]


def _who(line: "AuditLogEntry") -> str:
    """Who did it; for an imported entry, who did it then."""
    body = line.entry.body
    return getattr(body, "actor", body.by).name
