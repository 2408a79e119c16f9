"""The command verify: recompute the record, compare it with anchors and with remembered heads, report findings, or export the heads."""

import os
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lib.cli.context import EXIT_FINDINGS, CommandContext, clock, command, read_file_argument
from lib.cli.output import print_note
from lib.errors import BadInput, NotFound
from lib.text import format_count

if TYPE_CHECKING:
    from lib.backends.backend import Backend
    from lib.ledger.chain.anchor_text import ModelAnchor
    from lib.ledger.chain.hash_chain import Anchor, LedgerFinding
    from lib.ledger.chain.signatures import TrustedKeys
    from lib.registry.verify import BookVerification

MAX_ANCHORS_BYTES = 10_000_000
_ANCHOR_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@command("verify")
@click.argument("model", required=False)
@click.option("--anchor", "anchors", multiple=True, metavar="N:CHAIN", help="A head of MODEL stored elsewhere.")
@click.option(
    "--against",
    type=_ANCHOR_FILE,
    metavar="FILE",
    help="Heads stored elsewhere, one N:CHAIN MODEL per line, as printed by --heads.",
)
@click.option("--heads", is_flag=True, help="Print the heads, to store them elsewhere.")
@click.option(
    "--tag",
    "repository",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Store the heads as git tags in this repository.",
)
def verify(context: CommandContext, model: str | None, anchors: tuple[str, ...], **options: Any) -> int:
    """Recompute the record of MODEL, or of all models, and list every finding.

    The record is checked for consistency and compared with the heads this Podium saw before and with those you give. Anyone with write
    access to the database could still cut entries whose head was never seen or stored elsewhere. See docs/security.md.
    """
    parsed_anchors = [_parse_anchor(text) for text in anchors]
    if parsed_anchors and not model:
        raise click.UsageError("--anchor needs a MODEL.")
    noted_anchors = _read_anchors(options["against"]) if options["against"] else ()
    from lib.registry.ledger_search import describe_absence, describe_unreadable

    backend = context.open_backend()
    verifications = _verify_books(backend, model, parsed_anchors, noted_anchors)
    unreadable_text = describe_unreadable(backend)
    has_findings = any(verification.unsettled_findings for verification in verifications)
    keys = _read_keys()
    tags = _create_tags(options["repository"], verifications) if options["repository"] and not has_findings else {}
    lines = (
        [verification.anchor_line for verification in verifications if verification.anchor_line]
        if options["heads"]
        else [line for verification in verifications for line in _verification_lines(verification, keys)]
    )
    lines += [f"{name}: stored as tag {tag}." for name, tag in tags.items()]
    documents = [_verification_to_json(verification, tags, keys) for verification in verifications]
    context.print_result({"models": documents}, lines or ([] if verifications else [describe_absence(backend)]))
    if unreadable_text:
        print_note(f"podium: {unreadable_text}")
    if not all(verification.is_remembered for verification in verifications):
        print_note("podium: PODIUM_HOME cannot be written, so these heads are not remembered.")
    if has_findings and options["repository"]:
        print_note("podium: No tag was created, because there are findings.")
    if has_findings and options["heads"] and not context.as_json:
        print_note("podium: There are findings. Run verify to list them.")
    return EXIT_FINDINGS if has_findings else 0


COMMANDS = (verify,)


def _verify_books(
    backend: "Backend", model: str | None, anchors: "list[Anchor]", noted_anchors: "tuple[ModelAnchor, ...]"
) -> "tuple[BookVerification, ...]":
    from lib.errors import LedgerBroken
    from lib.ledger.chain.anchor_text import ModelAnchor
    from lib.ledger.storage.head_memory import create_head_memory
    from lib.registry.head_watch import HeadWatch
    from lib.registry.verify import verify as verify_book
    from lib.registry.verify import verify_all, verify_index

    watch = HeadWatch(create_head_memory(os.environ), clock)
    if model is None:
        return verify_all(backend, noted_anchors, watch)
    model_anchors = [noted_anchor.anchor for noted_anchor in noted_anchors if noted_anchor.model in ("", model)]
    try:
        return (*verify_index(backend), verify_book(backend, model, [*anchors, *model_anchors], watch))
    except LedgerBroken:  # no trustworthy index: a finding; the books are found by their seals
        verifications = verify_all(backend, [ModelAnchor(model, anchor) for anchor in (*anchors, *model_anchors)], watch)
        return tuple(book for book in verifications if book.model == model or not book.known_names)
    except NotFound:  # a finding if a head of it was stored elsewhere or is remembered
        verifications = verify_all(backend, [ModelAnchor(model, anchor) for anchor in (*anchors, *model_anchors)], watch)
        if books := tuple(book for book in verifications if book.model == model or _is_of_another_store(book)):
            return books
        raise


def _is_of_another_store(verification: "BookVerification") -> bool:
    """Does it report that nothing remembered is in this store? Then the models it should have are unknown."""
    return any(finding.what == "another store" for finding in verification.findings)


def _create_tags(folder: Path, verifications: "tuple[BookVerification, ...]") -> dict[str, str]:
    from lib.ledger.chain.hash_chain import Anchor
    from lib.registry.git_anchor import create_anchor_tag

    anchored_books = [verification for verification in verifications if verification.anchor_line]
    return {
        verification.model: create_anchor_tag(folder, verification.model, Anchor(verification.book.head, verification.book.chain))
        for verification in anchored_books
    }


def _read_keys() -> "TrustedKeys":
    from lib.ledger.storage.key_trust import read_trusted_keys

    return read_trusted_keys(os.environ)


def _verification_to_json(verification: "BookVerification", tags: dict[str, str], keys: "TrustedKeys") -> dict[str, Any]:
    from lib.ledger.chain.entry_signatures import count_signatures

    book = verification.book
    findings = [
        {"place": finding.position, "what": finding.what, "means": finding.means} | _settlement_to_json(finding)
        for finding in verification.findings
    ]
    document = {
        "model": verification.model,
        "entries": len(book.entries),
        "head": book.head,
        "chain": book.chain,
        "signatures": asdict(count_signatures(book, keys)),
        "findings": findings,
    }
    document |= {"first_seen": True} if verification.is_first_seen else {}
    return document | ({"tag": tags[verification.model]} if verification.model in tags else {})


def _settlement_to_json(finding: "LedgerFinding") -> dict[str, Any]:
    if not finding.settled_by:
        return {}
    return {"settled": finding.settled_by} | ({"settled_in": finding.settled_in} if finding.settled_in else {})


def _verification_lines(verification: "BookVerification", keys: "TrustedKeys") -> list[str]:
    from lib.ledger.chain.entry_signatures import count_signatures
    from lib.ledger.state.settlements import describe_settlement

    findings = [
        f"  {f'place {finding.position}: ' if finding.position else ''}{finding.what}{describe_settlement(finding)}. {finding.means}"
        for finding in verification.findings
    ]
    part_count = verification.book.abandoned_part_count
    abandoned_parts = f"{format_count(part_count, 'part')} of unfinished entries, " if part_count else ""
    counts = f" ({count_signatures(verification.book, keys)})" if verification.book.entries else ""
    entries = f"{len(verification.book.entries)} entries{counts}"
    first_seen = "seen here for the first time, " if verification.is_first_seen else ""
    return [
        f"{verification.model}: {entries}, {first_seen}{abandoned_parts}{'chain intact' if not verification.unsettled_findings else 'findings:'}",
        *findings,
    ]


def _read_anchors(path: Path) -> "tuple[ModelAnchor, ...]":
    from lib.ledger.chain.anchor_text import parse_anchors

    try:
        return parse_anchors(read_file_argument(path, MAX_ANCHORS_BYTES).decode("utf-8-sig"))
    except (BadInput, UnicodeDecodeError) as error:
        message = str(error) if isinstance(error, BadInput) else "The file is not UTF-8 text."
        raise click.BadParameter(message, param_hint="--against") from error


def _parse_anchor(text: str) -> "Anchor":
    if not re.fullmatch(r"\d{1,6}:[0-9a-f]{64}", text):
        raise click.BadParameter("An anchor is N:CHAIN, a place and 64 hexadecimal digits.", param_hint="--anchor")
    from lib.ledger.chain.hash_chain import Anchor

    position, _, chain = text.partition(":")
    return Anchor(int(position), chain)
