"""The command verify: recompute the record and name whatever does not fit; compare with noted heads, or note the heads elsewhere."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lib.cli.context import EXIT_FINDINGS, CommandContext, command
from lib.errors import BadInput, NotFound

if TYPE_CHECKING:
    from lib.ledger.chain.anchor_text import ModelAnchor
    from lib.ledger.chain.hash_chain import Anchor
    from lib.registry.verify import BookVerification

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@command("verify")
@click.argument("model", required=False)
@click.option("--anchor", "anchors", multiple=True, metavar="N:CHAIN", help="A head of MODEL noted elsewhere.")
@click.option("--against", type=_FILE, metavar="FILE", help="Heads noted elsewhere, one N:CHAIN MODEL a line, as --heads prints.")
@click.option("--heads", is_flag=True, help="Print the heads as lines to be noted elsewhere.")
@click.option("--tag", "repository", type=click.Path(path_type=Path), metavar="FOLDER", help="Note the heads as git tags there.")
def verify(context: CommandContext, model: str | None, anchors: tuple[str, ...], **more: Any) -> int:
    """Recompute the record of MODEL, or of all models, and name whatever does not fit."""
    noted = [_anchor(text) for text in anchors]
    if noted and not model:
        raise click.UsageError("--anchor needs a MODEL.")
    against = _lines(more["against"]) if more["against"] else ()
    verdicts = _judged(context, model, noted, against)
    found = any(one.findings for one in verdicts)
    tags = _tagged(more["repository"], verdicts) if more["repository"] and not found else {}
    lines = (
        [one.anchor_line for one in verdicts if one.anchor_line]
        if more["heads"]
        else [line for one in verdicts for line in _said(one)]
    )
    lines += [f"{name}: noted as tag {tag}." for name, tag in tags.items()]
    context.print_result({"models": [_verdict(one, tags) for one in verdicts]}, lines or ["No record yet."])
    if found and more["repository"]:
        click.echo("podium: No tag was made, because something does not fit.", err=True)
    if found and more["heads"] and not context.as_json:
        click.echo("podium: Something does not fit; verify says what.", err=True)
    return EXIT_FINDINGS if found else 0


COMMANDS = (verify,)


def _judged(
    asked: CommandContext, model: str | None, anchors: "list[Anchor]", against: "tuple[ModelAnchor, ...]"
) -> "tuple[BookVerification, ...]":
    from lib.errors import LedgerBroken
    from lib.ledger.chain.anchor_text import ModelAnchor
    from lib.registry.verify import verify as judge
    from lib.registry.verify import verify_all

    here = asked.open_backend()
    if model is None:
        return verify_all(here, against)
    mine = [one.anchor for one in against if one.model in ("", model)]
    try:
        return (judge(here, model, [*anchors, *mine]),)
    except LedgerBroken:  # the index cannot be trusted: that is a finding, and the books are found by their seals
        every = verify_all(here, [ModelAnchor(model, one) for one in (*anchors, *mine)])
        return tuple(one for one in every if one.model == model or not one.known_names)
    except NotFound:
        if not (anchors or mine):
            raise
        return tuple(
            one for one in verify_all(here, [ModelAnchor(model, one) for one in (*anchors, *mine)]) if one.model == model
        )


def _tagged(folder: Path, verdicts: "tuple[BookVerification, ...]") -> dict[str, str]:
    from lib.ledger.chain.hash_chain import Anchor
    from lib.registry.git_anchor import create_anchor_tag

    heads = [one for one in verdicts if one.anchor_line]
    return {one.model: create_anchor_tag(folder, one.model, Anchor(one.book.head, one.book.chain)) for one in heads}


def _verdict(verdict: "BookVerification", tags: dict[str, str]) -> dict[str, Any]:
    reading = verdict.book
    findings = [{"place": f.position, "what": f.what, "means": f.means} for f in verdict.findings]
    told = {
        "model": verdict.model,
        "entries": len(reading.entries),
        "head": reading.head,
        "chain": reading.chain,
        "findings": findings,
    }
    return told | ({"tag": tags[verdict.model]} if verdict.model in tags else {})


def _said(verdict: "BookVerification") -> list[str]:
    found = [f"  {f'place {f.position}: ' if f.position else ''}{f.what}. {f.means}" for f in verdict.findings]
    return [f"{verdict.model}: {len(verdict.book.entries)} entries, {'chain intact' if not found else 'findings:'}", *found]


def _lines(path: Path) -> "tuple[ModelAnchor, ...]":
    from lib.ledger.chain.anchor_text import parse_anchors

    try:
        return parse_anchors(path.read_text(encoding="utf-8-sig"))
    except (BadInput, UnicodeDecodeError) as error:
        said = str(error) if isinstance(error, BadInput) else "The file is no text in UTF-8."
        raise click.BadParameter(said, param_hint="--against") from error


def _anchor(text: str) -> "Anchor":
    if not re.fullmatch(r"\d{1,6}:[0-9a-f]{64}", text):
        raise click.BadParameter("An anchor is N:CHAIN, a place and 64 hexadecimal digits.", param_hint="--anchor")
    from lib.ledger.chain.hash_chain import Anchor

    place, _, chain = text.partition(":")
    return Anchor(int(place), chain)
