"""The command drift: where registry and ledger disagree, and settling it by a decision. Without --adopt or --revert it only tells."""

from typing import TYPE_CHECKING, Any

import click

from lib.cli.context import EXIT_FINDINGS, CommandContext, command, format_versions
from lib.cli.registry_commands import DecisionOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lib.ledger.entry.vocabulary import Reason
    from lib.ledger.storage.book import Writer
    from lib.registry.drift import DriftResolution
    from lib.registry.ledger_writer import ModelStatus
    from lib.registry.promote import DecisionKind


@command("drift")
@click.argument("model")
@click.option("--adopt", "kind", flag_value="adopt", help="Let stand what was moved outside.")
@click.option("--revert", "kind", flag_value="revert", help="Put back what the ledger wants.")
@click.option("--reason", default="", help="Why, in at least 20 characters.")
@click.option("--category", default="", help="better, needed, compliance, incident, housekeeping or other.")
def drift(context: CommandContext, model: str, kind: "DecisionKind | None", reason: str, category: str) -> int:
    """Name what was moved in MODEL behind the ledger's back; let it stand, or put it back."""
    if kind is None and (reason or category):
        raise click.UsageError("A reason is for --adopt or --revert.")
    if kind and not (reason and category):
        raise click.UsageError("--adopt and --revert need --reason and --category.")
    why: Reason | None = DecisionOptions(reason, category, None).checked_reason if kind else None
    from lib.registry.model_survey import find_deleted_source_runs
    from lib.registry.reconcile import read_model_status

    writer = context.open_writer() if kind else None
    here = writer.backend if writer else context.open_backend()
    seen = read_model_status(here, model)
    lost = find_deleted_source_runs(here, seen.snapshot)
    found = _findings(seen, lost)
    if seen.state.open_intents:
        click.echo("podium: A decision is still being carried out; recover finishes what was left open.", err=True)
    if kind and why and writer:
        found = _settled(found, _settle(writer, model, kind, why), _findings(read_model_status(here, model), lost))
    context.print_result(
        {"model": model, "findings": found}, [_said(one) for one in found] or [f"Nothing in {model} was moved outside."]
    )
    return EXIT_FINDINGS if any(one["open"] for one in found) else 0


COMMANDS = (drift,)


def _findings(seen: "ModelStatus", lost: "Mapping[str, str]") -> list[dict[str, Any]]:
    """What a look found; a finding is open while somebody has to decide, record or restore something."""
    from lib.ledger.entry.vocabulary import SLOTS
    from lib.registry.drift import find_drifts
    from lib.registry.notices import collect_notices

    moved = [
        {
            "what": f"{SLOTS[one.slot]} was moved outside",
            "stage": SLOTS[one.slot],
            "wanted": list(one.desired.holders),
            "shown": list(one.observed),
            "ways": [_way(way) for way in one.resolutions],
            "open": True,
        }
        for one in find_drifts(seen)
    ]
    known = {one["what"] for one in moved}
    told = [
        {
            "what": one.what,
            "means": one.means,
            "next": one.next,
            "ways": [_way(way) for way in one.resolutions],
            "open": one.severity != "told" or not one.position,
        }
        for one in collect_notices(seen, lost)
        if one.what not in known
    ]
    return [*moved, *told]


def _settle(writer: "Writer", model: str, kind: "DecisionKind", why: "Reason") -> dict[str, dict[str, Any]]:
    """Decide on one finding after the other, each by the first way of this kind. Returns what was found → what was done."""
    from lib.ledger.entry.vocabulary import SLOTS
    from lib.registry.notices import collect_notices
    from lib.registry.promote import MoveRequest, move_version
    from lib.registry.reconcile import sync_model_status

    done = dict[str, dict[str, Any]]()
    for _ in SLOTS:
        open_ = [one for one in collect_notices(sync_model_status(writer, model), {}) if one.what not in done]
        first = next(((one.what, way) for one in open_ for way in one.resolutions if way.kind == kind), None)
        if first is None:
            break
        what, way = first
        moved = move_version(writer, MoveRequest(model, way.version, way.to_stage, why, kind))
        done[what] = {**_way(way), "outcome": moved.outcome, "entry": moved.entry_id, "place": moved.position}
    return done


def _settled(found: list[dict[str, Any]], done: dict[str, dict[str, Any]], left: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The findings of before, each with what was done about it and whether it stays open; then those that are new."""
    still = {one["what"] for one in left}
    told = [{**one, "open": one["what"] in still, **_done(done, one)} for one in found]
    return [*told, *(one for one in left if one["what"] not in {known["what"] for known in found})]


def _done(done: dict[str, dict[str, Any]], finding: dict[str, Any]) -> dict[str, Any]:
    return {"done": done[finding["what"]]} if finding["what"] in done else {}


def _way(way: "DriftResolution") -> dict[str, Any]:
    return {"kind": way.kind, "version": way.version, "to": way.to_stage}


def _said(finding: dict[str, Any]) -> str:
    line = f"{finding['what']}."
    if "stage" in finding:
        line += f" The ledger wants {format_versions(finding['wanted'])}, the registry shows {format_versions(finding['shown'])}."
    if done := finding.get("done"):
        return (
            f"{line} {done['kind'].capitalize()}: v{done['version']} to {done['to']}, {done['outcome']} (entry {done['place']})."
        )
    ways = [f"{way['kind']} v{way['version']} to {way['to']}" for way in finding["ways"]]
    more = [finding[part] for part in ("means", "next") if finding.get(part)]
    return " ".join([line, *more, *([f"Ways out: {', '.join(ways)}."] if ways else [])])
