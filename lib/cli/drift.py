"""The command drift: where registry and ledger disagree, and settling it by a decision. Without --adopt or --revert it only tells."""

from typing import TYPE_CHECKING, Any

import click

from lib.cli.context import FINDINGS, Asked, command
from lib.cli.registry_commands import Decision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lib.ledger.entry.vocabulary import Reason
    from lib.ledger.storage.book import Writer
    from lib.registry.drift import Way
    from lib.registry.ledger_writer import Look
    from lib.registry.promote import Kind


@command("drift")
@click.argument("model")
@click.option("--adopt", "kind", flag_value="adopt", help="Let stand what was moved outside.")
@click.option("--revert", "kind", flag_value="revert", help="Put back what the ledger wants.")
@click.option("--reason", default="", help="Why, in at least 20 characters.")
@click.option("--category", default="", help="better, needed, compliance, incident, housekeeping or other.")
def drift(asked: Asked, model: str, kind: "Kind | None", reason: str, category: str) -> int:
    """Name what was moved in MODEL behind the ledger's back; let it stand, or put it back."""
    if kind is None and (reason or category):
        raise click.UsageError("A reason is for --adopt or --revert.")
    if kind and not (reason and category):
        raise click.UsageError("--adopt and --revert need --reason and --category.")
    why: Reason | None = Decision(reason, category, None).why if kind else None
    from lib.registry.model_survey import lost_runs
    from lib.registry.reconcile import peek

    writer = asked.writer() if kind else None
    here = writer.backend if writer else asked.backend()
    seen = peek(here, model)
    lost = lost_runs(here, seen.seen)
    found = _findings(seen, lost)
    if seen.state.open:
        click.echo("podium: A decision is still being carried out; recover finishes what was left open.", err=True)
    if kind and why and writer:
        found = _settled(found, _settle(writer, model, kind, why), _findings(peek(here, model), lost))
    asked.answer({"model": model, "findings": found}, [_said(one) for one in found] or [f"Nothing in {model} was moved outside."])
    return FINDINGS if any(one["open"] for one in found) else 0


COMMANDS = (drift,)


def _findings(seen: "Look", lost: "Mapping[str, str]") -> list[dict[str, Any]]:
    """What a look found; a finding is open while somebody has to decide, record or restore something."""
    from lib.ledger.entry.vocabulary import SLOTS
    from lib.registry.drift import drifts
    from lib.registry.notices import notices

    moved = [
        {
            "what": f"{SLOTS[one.slot]} was moved outside",
            "stage": SLOTS[one.slot],
            "wanted": list(one.wanted.holders),
            "shown": list(one.shown),
            "ways": [_way(way) for way in one.ways],
            "open": True,
        }
        for one in drifts(seen)
    ]
    known = {one["what"] for one in moved}
    told = [
        {
            "what": one.what,
            "means": one.means,
            "next": one.next,
            "ways": [_way(way) for way in one.ways],
            "open": one.weight != "told" or not one.place,
        }
        for one in notices(seen, lost)
        if one.what not in known
    ]
    return [*moved, *told]


def _settle(writer: "Writer", model: str, kind: "Kind", why: "Reason") -> dict[str, dict[str, Any]]:
    """Decide on one finding after the other, each by the first way of this kind. Returns what was found → what was done."""
    from lib.ledger.entry.vocabulary import SLOTS
    from lib.registry.notices import notices
    from lib.registry.promote import Wish, move
    from lib.registry.reconcile import look

    done = dict[str, dict[str, Any]]()
    for _ in SLOTS:
        open_ = [one for one in notices(look(writer, model), {}) if one.what not in done]
        first = next(((one.what, way) for one in open_ for way in one.ways if way.kind == kind), None)
        if first is None:
            break
        what, way = first
        moved = move(writer, Wish(model, way.version, way.to, why, kind))
        done[what] = {**_way(way), "outcome": moved.outcome, "entry": moved.entry, "place": moved.place}
    return done


def _settled(found: list[dict[str, Any]], done: dict[str, dict[str, Any]], left: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The findings of before, each with what was done about it and whether it stays open; then those that are new."""
    still = {one["what"] for one in left}
    told = [{**one, "open": one["what"] in still, **_done(done, one)} for one in found]
    return [*told, *(one for one in left if one["what"] not in {known["what"] for known in found})]


def _done(done: dict[str, dict[str, Any]], finding: dict[str, Any]) -> dict[str, Any]:
    return {"done": done[finding["what"]]} if finding["what"] in done else {}


def _way(way: "Way") -> dict[str, Any]:
    return {"kind": way.kind, "version": way.version, "to": way.to}


def _said(finding: dict[str, Any]) -> str:
    line = f"{finding['what']}."
    if "stage" in finding:
        line += f" The ledger wants {_holders(finding['wanted'])}, the registry shows {_holders(finding['shown'])}."
    if done := finding.get("done"):
        return (
            f"{line} {done['kind'].capitalize()}: v{done['version']} to {done['to']}, {done['outcome']} (entry {done['place']})."
        )
    ways = [f"{way['kind']} v{way['version']} to {way['to']}" for way in finding["ways"]]
    more = [finding[part] for part in ("means", "next") if finding.get(part)]
    return " ".join([line, *more, *([f"Ways out: {', '.join(ways)}."] if ways else [])])


def _holders(holders: list[str]) -> str:
    return " and ".join(f"v{number}" for number in holders) or "nobody"
