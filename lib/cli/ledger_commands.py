"""Commands that read the record: asof and log. They write nothing."""

from typing import TYPE_CHECKING, Any

import click

from lib.cli.context import Asked, as_option, clock, command, read_stage
from lib.errors import BadInput, NotFound

if TYPE_CHECKING:
    from lib.ledger.chain.hash_chain import Entry
    from lib.ledger.queries.time_query import When
    from lib.registry.audit_queries import Line, Told


def zone_option(name: str) -> str:
    """A time zone as typed, checked."""
    from lib.ledger.queries.time_query import read_zone

    return read_zone(name).key


@command("asof")
@click.argument("model", required=False)
@click.option(
    "--at", "at", required=True, metavar="WHEN", help="2023-03-14 for that whole day, 2023-03-14T09:00Z for an instant."
)
@click.option("--stage", default="Production", show_default=True, callback=as_option(read_stage))
@click.option(
    "--zone",
    default="UTC",
    show_default=True,
    callback=as_option(zone_option),
    help="The time zone of WHEN, for example Europe/Berlin.",
)
def asof(asked: Asked, model: str | None, at: str, stage: str, zone: str) -> None:
    """Say which version of MODEL, or of every model, held a stage then, who decided it, and why."""
    if stage not in ("Production", "Staging"):
        raise click.BadParameter(f"{stage} is held by nobody; ask for Production or Staging.", param_hint="--stage")
    now = clock()
    when = when_option(at, "--at", zone)
    from lib.ledger.entry.vocabulary import as_text, slot_of
    from lib.ledger.queries.as_of import as_json
    from lib.registry.audit_queries import Question, ask, ask_all

    here, question = asked.backend(), Question(slot_of(stage) or "production", when, now)
    told = (ask(here, model, question),) if model else ask_all(here, question)
    document = {
        "at": as_text(when.at),
        "until": as_text(when.until) if when.until else None,
        "zone": when.zone,
        "answers": [{"model": one.model, **as_json(one.answer)} for one in told],
    }
    asked.answer(document, [line for one in told for line in _said(one)] or ["There is no registered model yet."])
    for one in told:
        if one.doubts:
            click.echo(f"podium: Something in the book of {one.model} does not fit; verify says what.", err=True)


@command("log")
@click.option("--model", help="Only entries of this model.")
@click.option("--type", "type_", metavar="TYPE", help="Only entries of this type, for example DECIDED.")
@click.option("--since", metavar="WHEN", help="From this instant or day on (UTC unless it says otherwise).")
@click.option("--until", metavar="WHEN", help="Up to this instant, or to the end of this day.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many, the newest.")
def log(asked: Asked, type_: str | None, since: str | None, until: str | None, **more: Any) -> None:
    """Tell the entries of all books, newest first. Here --by keeps those of one person."""
    first, last = (when_option(text, name) if text else None for text, name in ((since, "--since"), (until, "--until")))
    from lib.ledger.queries.history import as_json
    from lib.ledger.state.corrections import superseded
    from lib.registry.audit_queries import log as every

    model, limit = more["model"], more["limit"]
    lines = every(asked.backend())
    if model and model not in {line.model for line in lines}:
        raise NotFound(f"There is no record of {model}.", means="", next="Check the name.")
    kept = [
        line
        for line in lines
        if model in (None, line.model)
        and asked.by in ("", line.entry.body.by.name, _who(line))
        and (type_ or line.entry.body.type).upper() == line.entry.body.type.upper()
        and (first is None or line.at >= first.at)
        and (last is None or last.so_far or (line.at < last.until if last.until else line.at <= last.at))
    ][:limit]
    books: dict[str, list[Entry]] = {}
    for line in sorted(lines, key=lambda line: line.entry.place):
        books.setdefault(line.model, []).append(line.entry)
    found = {name: superseded(books[name]) for name in {line.model for line in kept}}
    told = [{**as_json(ln.entry, found[ln.model].get(ln.entry.id, ())), "model": ln.model} for ln in kept]
    asked.answer({"entries": told}, _told(kept))


COMMANDS = (asof, log)


def when_option(text: str, option: str, zone: str = "UTC") -> "When":
    """A time as typed. Raises a usage error for one that cannot be."""
    from lib.ledger.queries.time_query import read_when

    try:
        return read_when(text, clock(), zone)
    except BadInput as error:
        raise click.BadParameter(f"{error.what} {error.next}".strip(), param_hint=option) from error


def _said(told: "Told") -> list[str]:
    from lib.ledger.queries.as_of import sentence
    from lib.ledger.queries.as_of_text import statement

    lines = [f"{told.model}: {sentence(told.answer)}.", f"  {statement(told.model, told.answer)}"]
    return lines + [f"  Unknown: {one.why}." for one in told.answer.unknown if one.since]


def _told(lines: "list[Line]") -> list[str]:
    from lib.ledger.entry.vocabulary import as_text

    told = []
    for line in lines:
        body = line.entry.body
        what = f"v{body.version}" if body.version else "-"
        why = body.reason.text if body.reason else body.note or ""
        told.append(f"{as_text(line.at)[:16]}Z  {body.type:<10}  {line.model} {what}  {_who(line)}{': ' if why else ''}{why}")
    return told or ["No entry fits."]


def _who(line: "Line") -> str:
    """Who did it; for an imported entry, who did it then."""
    body = line.entry.body
    return getattr(body, "actor", body.by).name
