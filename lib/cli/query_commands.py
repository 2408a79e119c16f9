"""Commands that only tell: models, runs, current, history. They write nothing."""

from typing import Any

import click

from lib.cli.context import Asked, as_option, command, read_stage
from lib.errors import NotFound, Refused


@command("models")
def models(asked: Asked) -> None:
    """List the registered models with who holds which stage."""
    from lib.registry.reader import every_model

    found = [
        {
            "model": seen.model,
            "description": seen.description,
            "versions": len(seen.versions),
            **{slot: list(held.holders) for slot, held in seen.now.items()},
        }
        for seen in every_model(asked.backend())
    ]
    asked.answer(found, [f"{m['model']}: {m['versions']} versions, Production {_holders(m['production'])}" for m in found])


@command("runs")
@click.argument("experiment")
@click.option("--filter", "filter_", default="", help="MLflow's search grammar, for example: metrics.accuracy > 0.9")
def runs(asked: Asked, experiment: str, filter_: str) -> None:
    """List the runs of an EXPERIMENT, by its name or id.

    With --json a metric is a number, or one of the texts "NaN", "Infinity" and "-Infinity", for which JSON has no number. A metric that
    a run did not log is not among its metrics.
    """
    from lib.runs.export.table_files import measured
    from lib.runs.reading import run_reader as reading

    here = asked.backend()
    known = reading.experiments(here)
    same = [e for e in known if e.name == experiment] or [e for e in known if e.experiment_id == experiment]
    if not same:
        raise NotFound(
            f"There is no experiment {experiment}.", next=f"There are: {', '.join(e.name for e in known) or 'none yet'}."
        )
    table = reading.runs(here, reading.Search((same[0].experiment_id,), filter_))
    listed = [_run(table, run_id, metrics) for run_id, metrics in zip(table.ids, measured(table), strict=True)]
    asked.answer(listed, [f"{r['run_id']}  {r['name']}  {scores(r['metrics'])}" for r in listed])


@command("current")
@click.argument("model")
@click.option("--stage", default="Production", show_default=True, callback=as_option(read_stage))
def current(asked: Asked, model: str, stage: str) -> None:
    """Say which version of MODEL holds a stage, since when, and how to load it."""
    if stage not in ("Production", "Staging"):
        raise click.BadParameter(f"{stage} is held by nobody; ask for Production or Staging.", param_hint="--stage")
    from lib.ledger.entry.vocabulary import as_text, slot_of
    from lib.ledger.state.holdings import holder
    from lib.registry.reader import look_at, recorded

    here, slot = asked.backend(), slot_of(stage)
    seen = look_at(here, model)
    if seen.created is None:
        raise NotFound(f"There is no registered model {model}.", next="Check the name.")
    holders = seen.now[slot].holders if slot else ()
    if len(holders) != 1:
        raise Refused(f"{_holders(list(holders)).capitalize()} {'hold' if holders else 'holds'} {stage} of {model}.", means="")
    state = recorded(here, model)
    held = holder(state.reading.entries, slot) if state and slot else None
    since = {"since": as_text(held.since)} if held and held.version == holders[0] else {}
    uri = f"models:/{model}@{slot}" if seen.aliases.get(str(slot)) else f"models:/{model}/{stage}"
    document = {"model": model, "stage": stage, "version": holders[0], **since, "uri": uri}
    asked.answer(document, [f"v{holders[0]} holds {stage} of {model}: {uri}"])


@command("history")
@click.argument("model")
def history(asked: Asked, model: str) -> None:
    """Tell who moved which version of MODEL, when and why (newest first; as JSON in the order of the book)."""
    from lib.ledger.queries.history import as_json, lines
    from lib.ledger.state.corrections import superseded
    from lib.registry.reader import look_at, recorded

    here = asked.backend()
    state = recorded(here, model)
    if state is None:
        if look_at(here, model).created is None:
            raise NotFound(f"There is no registered model {model}.", next="Check the name.")
        asked.answer({"model": model, "entries": []}, [f"{model} has no record yet."])
        return
    entries = state.reading.entries
    told = [f"{ln.at:%Y-%m-%d %H:%M}Z  {ln.word:<10}  {_move(ln)}  {ln.who}: {_why(ln)}" for ln in lines(state) if ln.at]
    found = superseded(entries)
    asked.answer({"model": model, "entries": [as_json(entry, found.get(entry.id, ())) for entry in entries]}, told)


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


def scores(metrics: dict[str, Any]) -> str:
    """The first metrics of a run for people, accuracy before all others."""
    first = sorted(metrics.items(), key=lambda metric: metric[0] != "accuracy")[:3]
    return (
        ", ".join(f"{name} {value:.4f}" if isinstance(value, float) else f"{name} {value}" for name, value in first)
        or "no metrics"
    )


def _holders(holders: list[str]) -> str:
    return " and ".join(f"v{number}" for number in holders) or "nobody"
