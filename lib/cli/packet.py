"""The commands packet export and packet verify: what a decision or an answer rests on, as one file, and whether that file is whole."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lib.cli.context import (
    EXIT_FINDINGS,
    CommandContext,
    clock,
    command,
    option_callback,
    parse_stage_option,
    parse_time_option,
    parse_zone_option,
    require_slot_stage,
)
from lib.errors import NotFound, NotWritable

if TYPE_CHECKING:
    from lib.ledger.packet.document import Packet
    from lib.ledger.packet.verify import PacketVerification


@click.group("packet")
def packet() -> None:
    """A decision, or an answer about the past, as one file that stands without the backend."""


@command("export")
@click.argument("model")
@click.option("--entry", metavar="ID|PLACE", help="The entry that the packet is about.")
@click.option("--at", "at", metavar="WHEN", help="Or: who held a stage on this day or at this instant.")
@click.option("--stage", default="Production", show_default=True, callback=option_callback(parse_stage_option), help="With --at.")
@click.option(
    "--zone",
    default="UTC",
    show_default=True,
    callback=option_callback(parse_zone_option),
    help="With --at: the time zone of WHEN.",
)
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="FILE.html or FILE.json")
def export(context: CommandContext, model: str, entry: str | None, at: str | None, **more: Any) -> None:
    """Write a packet of MODEL: of an entry with what belongs to it, or of the answer who held a stage then."""
    out: Path = more["out"]
    if bool(entry) == bool(at):
        raise click.UsageError("Name the entry (--entry) or the time (--at), one of the two.")
    if out.suffix.lower() not in (".html", ".json"):
        raise click.BadParameter("The file must end in .html or .json.", param_hint="--out")
    made = _of_entry(context, model, entry) if entry else _of_time(context, model, str(at), more)
    document = _write(made, out)
    summary = {"model": model, "file": str(out), "kind": made.subject.kind, "sha256": document["sha256"]}
    summary |= {"head": made.book.head, "chain": made.book.chain, "findings": list(made.verify)}
    context.print_result(summary, [made.said + ".", f"Written to {out}; sha256 of the packet: {document['sha256']}"])
    if made.verify:
        click.echo(f"podium: Something in the book of {model} does not fit; the packet says what.", err=True)


@command("verify")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def verify(context: CommandContext, file: Path) -> int:
    """Check a packet against itself, without a backend. Names whatever does not match."""
    from lib.ledger.packet.verify import verify_packet

    try:
        data = file.read_bytes()
    except OSError as error:
        raise NotFound(f"{file} cannot be read.", means="", next="Check the name.") from error
    found = verify_packet(data)
    context.print_result(_verdict(file, found), _said(file, found))
    return EXIT_FINDINGS if found.mismatches else 0


packet.add_command(export)
packet.add_command(verify)
COMMANDS = (packet,)


def _of_entry(asked: CommandContext, model: str, entry: str) -> "Packet":
    from lib.registry.packet import build_decision_packet

    return build_decision_packet(asked.open_writer(), model, entry)


def _of_time(asked: CommandContext, model: str, at: str, more: dict[str, Any]) -> "Packet":
    when, now = parse_time_option(at, "--at", more["zone"]), clock()
    require_slot_stage(more["stage"])
    from lib.ledger.entry.vocabulary import slot_of
    from lib.registry.audit_queries import AsOfQuery
    from lib.registry.packet import build_as_of_packet

    return build_as_of_packet(asked.open_writer(), model, AsOfQuery(slot_of(more["stage"]) or "production", when, now))


def _write(made: "Packet", out: Path) -> dict[str, Any]:
    from lib.ledger.packet.document import document_to_json, hashed_document
    from lib.registry.packet_page import render_packet

    document = hashed_document(made)
    text = render_packet(made) if out.suffix.lower() == ".html" else document_to_json(document)
    try:
        out.write_bytes(text.encode())
    except OSError as error:
        raise NotWritable(f"{out} cannot be written.", means="Nothing was exported.", next="Choose another folder.") from error
    return document


def _verdict(file: Path, found: "PacketVerification") -> dict[str, Any]:
    held = found.packet
    about = {"model": held.book.model, "said": held.said, "head": held.book.head, "chain": held.book.chain} if held else {}
    findings = [{"part": one.section, "what": one.what} for one in found.mismatches]
    return {"file": str(file), **about, "sha256": found.sha256 or None, "findings": findings}


def _said(file: Path, found: "PacketVerification") -> list[str]:
    if found.mismatches:
        return [f"{file}: does not match", *(f"  {one.section}: {one.what}" for one in found.mismatches)]
    assert found.packet
    book = found.packet.book
    return [
        f"{file}: matches itself, {len(found.packet.entries)} entries, chain of {book.head} places.",
        f"  {found.packet.said}.",
        f"  sha256 of the packet: {found.sha256}",
        f"  To compare with the book: podium verify {shlex.quote(book.model)} --anchor {book.head}:{book.chain}",
    ]
