"""The commands packet export and packet verify: write the evidence for a decision or an answer to one file, and check such a file."""

import os
import shlex
from dataclasses import asdict
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
    read_file_argument,
    require_slot_stage,
)
from lib.cli.output import print_note
from lib.errors import BadInput, NotWritable

if TYPE_CHECKING:
    from lib.ledger.packet.document import Packet
    from lib.ledger.packet.verify import PacketVerification


MAX_PACKET_BYTES = 50_000_000
"""Size limit for packets, in bytes: verifying one takes five times as much memory."""


@click.group("packet")
def packet() -> None:
    """A decision, or an answer about the past, as one self-contained file."""


@command("export")
@click.argument("model")
@click.option("--entry", metavar="ID|PLACE", help="The entry to export.")
@click.option("--at", "at", metavar="WHEN", help="Alternatively: who held a stage on this day or at this instant.")
@click.option("--stage", default="Production", show_default=True, callback=option_callback(parse_stage_option), help="With --at.")
@click.option(
    "--zone",
    default="UTC",
    show_default=True,
    callback=option_callback(parse_zone_option),
    help="With --at: the time zone of WHEN.",
)
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="FILE.html or FILE.json")
def export(context: CommandContext, model: str, entry: str | None, at: str | None, **options: Any) -> None:
    """Write a packet for MODEL: an entry with everything related to it, or the answer to who held a stage at a time."""
    out: Path = options["out"]
    if bool(entry) == bool(at):
        raise click.UsageError("Give either an entry (--entry) or a time (--at).")
    if out.suffix.lower() not in (".html", ".json"):
        raise click.BadParameter("The file must end in .html or .json.", param_hint="--out")
    packet = _build_decision_packet(context, model, entry) if entry else _build_as_of_packet(context, model, str(at), options)
    document = _write_packet(packet, out)
    summary = {"model": model, "file": str(out), "kind": packet.subject.kind, "sha256": document["sha256"]}
    summary |= {"head": packet.book.head, "chain": packet.book.chain, "findings": list(packet.verify)}
    context.print_result(summary, [packet.said + ".", f"Written to {out}; sha256 of the packet: {document['sha256']}"])
    if packet.verify:
        print_note(f"podium: The book of {model} has findings. The packet lists them.")


@command("verify", is_offline=True)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--trust", "fingerprints", multiple=True, metavar="FINGERPRINT", help="Check signatures against this key.")
def verify(context: CommandContext, file: Path, fingerprints: tuple[str, ...]) -> int:
    """Check that a packet is consistent, without a backend. Lists everything that does not match.

    With --trust, signatures are also checked against the given keys only. Everything they do not vouch for is listed.
    """
    from lib.ledger.chain.signatures import trust_fingerprints
    from lib.ledger.packet.verify import verify_packet

    try:
        keys = trust_fingerprints(fingerprints)
    except BadInput as error:
        raise click.BadParameter(str(error), param_hint="--trust") from error
    verification = verify_packet(read_file_argument(file, MAX_PACKET_BYTES), keys)
    context.print_result(_verification_to_json(file, verification), _verification_lines(file, verification))
    return EXIT_FINDINGS if verification.mismatches or verification.trust_problems else 0


packet.add_command(export)
packet.add_command(verify)
COMMANDS = (packet,)


def _build_decision_packet(context: CommandContext, model: str, entry: str) -> "Packet":
    from lib.ledger.storage.key_trust import read_trusted_keys
    from lib.registry.packet_builder import build_decision_packet

    return build_decision_packet(context.open_writer(), model, entry, read_trusted_keys(os.environ))


def _build_as_of_packet(context: CommandContext, model: str, at: str, options: dict[str, Any]) -> "Packet":
    when, now = parse_time_option(at, "--at", options["zone"]), clock()
    require_slot_stage(options["stage"])
    from lib.ledger.entry.vocabulary import slot_of
    from lib.ledger.storage.key_trust import read_trusted_keys
    from lib.registry.audit_queries import AsOfQuery
    from lib.registry.packet_builder import build_as_of_packet

    query = AsOfQuery(slot_of(options["stage"]) or "production", when, now)
    return build_as_of_packet(context.open_writer(), model, query, read_trusted_keys(os.environ))


def _write_packet(packet: "Packet", out: Path) -> dict[str, Any]:
    from lib.ledger.packet.document import document_to_json, hashed_document
    from lib.registry.packet_page import render_packet

    document = hashed_document(packet)
    text = render_packet(packet) if out.suffix.lower() == ".html" else document_to_json(document)
    try:
        out.write_bytes(text.encode())
    except OSError as error:
        raise NotWritable(f"{out} cannot be written.", means="Nothing was exported.", next="Choose another folder.") from error
    return document


def _verification_to_json(file: Path, verification: "PacketVerification") -> dict[str, Any]:
    packet = verification.packet
    summary: dict[str, Any] = (
        {"model": packet.book.model, "said": packet.said, "head": packet.book.head, "chain": packet.book.chain} if packet else {}
    )
    findings = [
        {"part": problem.section, "what": problem.what} for problem in (*verification.mismatches, *verification.trust_problems)
    ]
    if packet and packet.packet > 1 and verification.signatures:
        summary |= {"signatures": asdict(verification.signatures), "keys": [key.fingerprint for key in packet.keys]}
    return {"file": str(file), **summary, "sha256": verification.sha256 or None, "findings": findings}


def _verification_lines(file: Path, verification: "PacketVerification") -> list[str]:
    if verification.mismatches:
        return [f"{file}: does not match", *(f"  {mismatch.section}: {mismatch.what}" for mismatch in verification.mismatches)]
    assert verification.packet
    book, problems = verification.packet.book, verification.trust_problems
    return [
        f"{file}: intact, {len(verification.packet.entries)} entries, chain of {book.head} places.",
        f"  {verification.packet.said}.",
        f"  Entries: {verification.signatures}.",
        *(["  Not all of the evidence is signed by the given keys:"] if problems else []),
        *(f"    {problem.section}: {problem.what}" for problem in problems),
        f"  sha256 of the packet: {verification.sha256}",
        f"  To compare with the book: podium verify {shlex.quote(book.model)} --anchor {book.head}:{book.chain}",
    ]
