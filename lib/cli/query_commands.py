"""Commands that only tell: models, runs, current, history. They write nothing."""

from typing import Any

import click

from lib.cli.context import CommandContext, command, option_callback, parse_stage_option
from lib.errors import ActionRefused, NotFound


@command("models")
def models(context: CommandContext) -> None:
    """List the registered models with who holds which stage."""
    from lib.registry.reader import read_all_snapshots

    found = [
        {
            "model": seen.model,
            "description": seen.description,
            "versions": len(seen.versions),
            **{slot: list(held.holders) for slot, held in seen.slot_states.items()},
        }
        for seen in read_all_snapshots(context.open_backend())
    ]
    context.print_result(
        found, [f"{m['model']}: {m['versions']} versions, Production {_holders(m['production'])}" for m in found]
    )


@command("runs")
@click.argument("experiment")
@click.option("--filter", "filter_", default="", help="MLflow's search grammar, for example: metrics.accuracy > 0.9")
def runs(context: CommandContext, experiment: str, filter_: str) -> None:
    """List the runs of an EXPERIMENT, by its name or id.

    With --json a metric is a number, or one of the texts "NaN", "Infinity" and "-Infinity", for which JSON has no number. A metric that
    a run did not log is not among its metrics.
    """
    from lib.runs.export.table_files import metrics_by_run
    from lib.runs.reading import run_reader

    here = context.open_backend()
    known = run_reader.read_experiments(here)
    same = [e for e in known if e.name == experiment] or [e for e in known if e.experiment_id == experiment]
    if not same:
        raise NotFound(
            f"There is no experiment {experiment}.", next=f"There are: {', '.join(e.name for e in known) or 'none yet'}."
        )
    table = run_reader.read_runs(here, run_reader.Search((same[0].experiment_id,), filter_))
    listed = [_run(table, run_id, metrics) for run_id, metrics in zip(table.ids, metrics_by_run(table), strict=True)]
    context.print_result(listed, [f"{r['run_id']}  {r['name']}  {format_main_metrics(r['metrics'])}" for r in listed])


@command("current")
@click.argument("model")
@click.option("--stage", default="Production", show_default=True, callback=option_callback(parse_stage_option))
def current(context: CommandContext, model: str, stage: str) -> None:
    """Say which version of MODEL holds a stage, since when, and how to load it."""
    if stage not in ("Production", "Staging"):
        raise click.BadParameter(f"{stage} is held by nobody; ask for Production or Staging.", param_hint="--stage")
    from lib.ledger.entry.timestamps import format_timestamp
    from lib.ledger.entry.vocabulary import slot_of
    from lib.ledger.state.holdings import current_holding
    from lib.registry.reader import read_book_state, read_snapshot

    here, slot = context.open_backend(), slot_of(stage)
    seen = read_snapshot(here, model)
    if seen.created_at is None:
        raise NotFound(f"There is no registered model {model}.", next="Check the name.")
    holders = seen.slot_states[slot].holders if slot else ()
    if len(holders) != 1:
        raise ActionRefused(
            f"{_holders(list(holders)).capitalize()} {'hold' if holders else 'holds'} {stage} of {model}.", means=""
        )
    state = read_book_state(here, model)
    held = current_holding(state.book.entries, slot) if state and slot else None
    since = {"since": format_timestamp(held.since)} if held and held.version == holders[0] else {}
    uri = f"models:/{model}@{slot}" if seen.aliases.get(str(slot)) else f"models:/{model}/{stage}"
    document = {"model": model, "stage": stage, "version": holders[0], **since, "uri": uri}
    context.print_result(document, [f"v{holders[0]} holds {stage} of {model}: {uri}"])


@command("history")
@click.argument("model")
def history(context: CommandContext, model: str) -> None:
    """Tell who moved which version of MODEL, when and why (newest first; as JSON in the order of the book)."""
    from lib.ledger.queries.history import entry_to_json, history_rows
    from lib.ledger.state.corrections import corrections_by_entry_id
    from lib.registry.reader import read_book_state, read_snapshot

    here = context.open_backend()
    state = read_book_state(here, model)
    if state is None:
        if read_snapshot(here, model).created_at is None:
            raise NotFound(f"There is no registered model {model}.", next="Check the name.")
        context.print_result({"model": model, "entries": []}, [f"{model} has no record yet."])
        return
    entries = state.book.entries
    told = [
        f"{ln.at:%Y-%m-%d %H:%M}Z  {ln.badge:<10}  {_move(ln)}  {ln.actor_name}: {_why(ln)}"
        for ln in history_rows(state)
        if ln.at
    ]
    found = corrections_by_entry_id(entries)
    context.print_result({"model": model, "entries": [entry_to_json(entry, found.get(entry.id, ())) for entry in entries]}, told)


COMMANDS = (models, runs, current, history)


def _run(table: Any, run_id: str, metrics: dict[str, Any]) -> dict[str, Any]:
    about = table.identity.loc[run_id]
    params = table.params.loc[run_id].dropna()
    return {
        "run_id": run_id,
        "name": about["name"],
        "status": about["status"],
        "started": about["started"].isoformat() if about["started"] == about["started"] else None,
        "metrics": metrics,
        "params": {name: _plain(value) for name, value in params.items()},
    }


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _why(line: Any) -> str:
    """What an entry says; a corrected one with what is to be read instead."""
    if not line.superseded_by:
        return str(line.why)
    return f"{line.why} [superseded by entry {', '.join(map(str, line.superseded_by))}: {line.instead}]"


def _move(line: Any) -> str:
    return f"v{line.version} {line.from_} → {line.to}" if line.to else f"v{line.version}" if line.version else "-"


def format_main_metrics(metrics: dict[str, Any]) -> str:
    """The first metrics of a run for people, accuracy before all others."""
    first = sorted(metrics.items(), key=lambda metric: metric[0] != "accuracy")[:3]
    return (
        ", ".join(f"{name} {value:.4f}" if isinstance(value, float) else f"{name} {value}" for name, value in first)
        or "no metrics"
    )


def _holders(holders: list[str]) -> str:
    return " and ".join(f"v{number}" for number in holders) or "nobody"
