"""Read-only commands: models, runs, current, history."""

import os
from typing import TYPE_CHECKING, Any

import click

from lib.cli.context import (
    CommandContext,
    command,
    format_main_metrics,
    option_callback,
    parse_stage_option,
    require_slot_stage,
)
from lib.errors import ActionRefused, NotFound
from lib.text import version_list

if TYPE_CHECKING:
    from lib.ledger.queries.history import HistoryRow


@command("models")
def models(context: CommandContext) -> None:
    """List the registered models and which version is in Production."""
    from lib.registry.reader import read_all_snapshots

    models = [
        {
            "model": snapshot.model,
            "description": snapshot.description,
            "versions": len(snapshot.versions),
            **{slot: list(slot_state.holders) for slot, slot_state in snapshot.slot_states.items()},
        }
        for snapshot in read_all_snapshots(context.open_backend())
    ]
    context.print_result(
        models, [f"{row['model']}: {row['versions']} versions, Production: {version_list(row['production'])}" for row in models]
    )


@command("runs")
@click.argument("experiment")
@click.option("--filter", "filter_", default="", help="MLflow's search grammar, for example: metrics.accuracy > 0.9")
def runs(context: CommandContext, experiment: str, filter_: str) -> None:
    """List the runs of an EXPERIMENT, given by name or id.

    With --json a metric is a number, or one of the strings "NaN", "Infinity" and "-Infinity", which JSON cannot express as numbers.
    Metrics that a run did not log are absent.
    """
    from lib.runs.export.table_files import metrics_by_run
    from lib.runs.reading import run_reader
    from lib.runs.reading.filter_parser import parse_filter
    from lib.runs.table.types import Search

    backend = context.open_backend()
    experiments = run_reader.read_experiments(backend)
    matches = [candidate for candidate in experiments if candidate.name == experiment] or [
        candidate for candidate in experiments if candidate.experiment_id == experiment
    ]
    if not matches:
        raise NotFound(
            f"There is no experiment {experiment}.",
            next=f"Existing experiments: {', '.join(candidate.name for candidate in experiments) or 'none yet'}.",
        )
    table = run_reader.read_runs(backend, Search((matches[0].experiment_id,), parse_filter(filter_)))
    rows = [_run_to_json(table, run_id, metrics) for run_id, metrics in zip(table.ids, metrics_by_run(table), strict=True)]
    context.print_result(rows, [f"{row['run_id']}  {row['name']}  {format_main_metrics(row['metrics'])}" for row in rows])


@command("current")
@click.argument("model")
@click.option("--stage", default="Production", show_default=True, callback=option_callback(parse_stage_option))
def current(context: CommandContext, model: str, stage: str) -> None:
    """Show which version of MODEL holds a stage, since when, and how to load it."""
    require_slot_stage(stage)
    from lib.ledger.entry.timestamps import format_timestamp
    from lib.ledger.entry.vocabulary import slot_of
    from lib.ledger.state.holdings import current_holding
    from lib.registry.reader import read_book_state, read_snapshot

    backend, slot = context.open_backend(), slot_of(stage)
    snapshot = read_snapshot(backend, model)
    if snapshot.created_at is None:
        raise NotFound(f"There is no registered model {model}.", next="Check the name.")
    holders = snapshot.slot_states[slot].holders if slot else ()
    if len(holders) != 1:
        raise ActionRefused(
            f"{version_list(holders).capitalize()} {'hold' if holders else 'holds'} {stage} of {model}.", means=""
        )
    state = read_book_state(backend, model)
    holding = current_holding(state.book.entries, slot) if state and slot else None
    since = {"since": format_timestamp(holding.since)} if holding and holding.version == holders[0] else {}
    uri = f"models:/{model}@{slot}" if snapshot.aliases.get(str(slot)) else f"models:/{model}/{stage}"
    document = {"model": model, "stage": stage, "version": holders[0], **since, "uri": uri}
    context.print_result(document, [f"v{holders[0]} holds {stage} of {model}: {uri}"])


@command("history")
@click.argument("model")
def history(context: CommandContext, model: str) -> None:
    """List who moved which version of MODEL, when and why (newest first; with --json in the order of the book)."""
    from lib.ledger.chain.entry_signatures import signature_status
    from lib.ledger.queries.history import entry_to_json, history_rows, verify_names
    from lib.ledger.state.corrections import corrections_by_entry_id
    from lib.ledger.storage.inventory_reader import require_explained_inventory
    from lib.ledger.storage.key_trust import read_trusted_keys
    from lib.registry.reader import read_book_state, read_snapshot

    backend = context.open_backend()
    state = read_book_state(backend, model)
    if state is None:
        if read_snapshot(backend, model).created_at is None:
            raise NotFound(f"There is no registered model {model}.", next="Check the name.")
        require_explained_inventory(backend)
        context.print_result({"model": model, "entries": []}, [f"{model} has no record yet."])
        return
    book, keys = state.book, read_trusted_keys(os.environ)
    lines = [
        f"{row.at:%Y-%m-%d %H:%M}Z  {row.badge:<10}  {_format_move(row)}  {row.displayed_name}: {_format_summary(row)}"
        for row in verify_names(history_rows(state), book, keys)
        if row.at
    ]
    corrections = corrections_by_entry_id(book.entries)
    entries = [entry_to_json(entry, corrections.get(entry.id, ()), signature_status(book, entry, keys)) for entry in book.entries]
    context.print_result({"model": model, "entries": entries}, lines)


COMMANDS = (models, runs, current, history)


def _run_to_json(table: Any, run_id: str, metrics: dict[str, Any]) -> dict[str, Any]:
    identity = table.identity.loc[run_id]
    params = table.params.loc[run_id].dropna()
    return {
        "run_id": run_id,
        "name": identity["name"],
        "status": identity["status"],
        "started": identity["started"].isoformat() if identity["started"] == identity["started"] else None,
        "metrics": metrics,
        "params": {name: _to_python(value) for name, value in params.items()},
    }


def _to_python(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _format_summary(row: "HistoryRow") -> str:
    """The summary of an entry; if it was corrected, with the corrected text."""
    if not row.correction_positions:
        return row.summary
    return f"{row.summary} [superseded by entry {', '.join(map(str, row.correction_positions))}: {row.corrected_summary}]"


def _format_move(row: "HistoryRow") -> str:
    return f"v{row.version} {row.from_stage} → {row.to_stage}" if row.to_stage else f"v{row.version}" if row.version else "-"
