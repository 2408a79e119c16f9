"""The command drift: show where registry and ledger disagree, or resolve it by a decision. Read-only without --adopt or --revert."""

from typing import TYPE_CHECKING, Any

import click

from lib.cli.context import EXIT_FINDINGS, CommandContext, clock, command
from lib.cli.output import print_note
from lib.cli.registry_commands import DecisionOptions
from lib.text import version_list

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lib.ledger.storage.book import Writer
    from lib.registry.model_status import ModelStatus
    from lib.registry.move_plan import Decision, DecisionKind, MoveRequest


@command("drift")
@click.argument("model")
@click.option("--adopt", "kind", flag_value="adopt", help="Accept changes made outside Podium.")
@click.option("--revert", "kind", flag_value="revert", help="Restore the state recorded in the ledger.")
@click.option("--reason", default="", help="Why, in at least 20 characters.")
@click.option("--category", default="", help="better, needed, compliance, incident, housekeeping or other.")
def drift(context: CommandContext, model: str, kind: "DecisionKind | None", reason: str, category: str) -> int:
    """List what was changed in MODEL outside Podium; accept it or revert it."""
    if kind is None and (reason or category):
        raise click.UsageError("--reason and --category need --adopt or --revert.")
    if kind and not (reason and category):
        raise click.UsageError("--adopt and --revert need --reason and --category.")
    decision = DecisionOptions(reason, category, None).decision if kind else None
    from lib.registry.model_survey import find_deleted_source_runs
    from lib.registry.reconcile import read_model_status

    writer = context.open_writer() if kind else None
    backend = writer.backend if writer else context.open_backend()
    status = read_model_status(backend, model, clock())
    deleted_runs = find_deleted_source_runs(backend, status.snapshot)
    findings = _read_findings(status, deleted_runs)
    if status.state.open_intents:
        print_note("podium: A decision is not finished. Run recover to list it, finish it or give it up.")
    if kind and decision and writer:
        findings = _merge_findings(
            findings,
            _settle_drifts(writer, model, kind, decision),
            _read_findings(read_model_status(backend, model, clock()), deleted_runs),
        )
    context.print_result(
        {"model": model, "findings": findings},
        [_finding_text(finding) for finding in findings] or [f"No changes outside Podium in {model}."],
    )
    return EXIT_FINDINGS if any(finding["open"] for finding in findings) else 0


COMMANDS = (drift,)


def _read_findings(status: "ModelStatus", deleted_runs: "Mapping[str, str]") -> list[dict[str, Any]]:
    """All drifts and notices. A finding is open while a decision, an entry or a restore is missing."""
    from lib.ledger.entry.vocabulary import SLOTS
    from lib.ledger.storage.key_trust import read_process_keys
    from lib.registry.drift import find_drifts
    from lib.registry.notices import collect_notices

    drifts = [
        {
            "what": f"{SLOTS[drift.slot]} was moved outside",
            "stage": SLOTS[drift.slot],
            "wanted": list(drift.desired.holders),
            "shown": list(drift.observed),
            "ways": [_resolution_to_json(resolution) for resolution in drift.resolutions],
            "open": True,
        }
        for drift in find_drifts(status)
    ]
    drift_texts = {drift["what"] for drift in drifts}
    notices = [
        {
            "what": notice.what,
            "means": notice.means,
            "next": notice.next,
            "ways": [_resolution_to_json(resolution) for resolution in notice.resolutions],
            "open": notice.severity != "told" or not notice.position,
        }
        for notice in collect_notices(status, deleted_runs, read_process_keys())
        if notice.what not in drift_texts
    ]
    return [*drifts, *notices]


def _settle_drifts(writer: "Writer", model: str, kind: "DecisionKind", decision: "Decision") -> dict[str, dict[str, Any]]:
    """Resolve one finding after the other, each by its first resolution of this kind. Returns the action by the text of the finding."""
    from lib.ledger.entry.vocabulary import SLOTS
    from lib.registry.notices import collect_notices
    from lib.registry.promote import move_version
    from lib.registry.reconcile import sync_model_status

    actions = dict[str, dict[str, Any]]()
    for _ in SLOTS:
        notices = [notice for notice in collect_notices(sync_model_status(writer, model), {}) if notice.what not in actions]
        choice = next(
            ((notice.what, resolution) for notice in notices for resolution in notice.resolutions if resolution.kind == kind),
            None,
        )
        if choice is None:
            break
        text, resolution = choice
        result = move_version(writer, resolution, decision)
        actions[text] = {
            **_resolution_to_json(resolution),
            "outcome": result.outcome,
            "entry": result.entry_id,
            "place": result.position,
        }
    return actions


def _merge_findings(
    old_findings: list[dict[str, Any]], actions: dict[str, dict[str, Any]], new_findings: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The earlier findings, each with its action and whether it is still open, followed by the new ones."""
    open_texts, known_texts = {finding["what"] for finding in new_findings}, {finding["what"] for finding in old_findings}
    findings = [{**finding, "open": finding["what"] in open_texts, **_action_of(actions, finding)} for finding in old_findings]
    return [*findings, *(finding for finding in new_findings if finding["what"] not in known_texts)]


def _action_of(actions: dict[str, dict[str, Any]], finding: dict[str, Any]) -> dict[str, Any]:
    return {"done": actions[finding["what"]]} if finding["what"] in actions else {}


def _resolution_to_json(resolution: "MoveRequest") -> dict[str, Any]:
    return {"kind": resolution.kind, "version": resolution.version, "to": resolution.to_stage}


def _finding_text(finding: dict[str, Any]) -> str:
    line = f"{finding['what']}."
    if "stage" in finding:
        line += f" The ledger wants {version_list(finding['wanted'])}, the registry shows {version_list(finding['shown'])}."
    if action := finding.get("done"):
        return f"{line} {action['kind'].capitalize()}: v{action['version']} to {action['to']}, {action['outcome']} (entry {action['place']})."
    resolutions = [f"{resolution['kind']} v{resolution['version']} to {resolution['to']}" for resolution in finding["ways"]]
    explanations = [finding[key] for key in ("means", "next") if finding.get(key)]
    return " ".join([line, *explanations, *([f"Options: {', '.join(resolutions)}."] if resolutions else [])])
