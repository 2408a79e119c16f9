"""The command import: add earlier decisions, told by a file, to the record of a model."""

from pathlib import Path

import click

from lib.cli.context import Asked, as_option, command
from lib.errors import NotFound


def _zone(name: str) -> str:
    """A time zone as typed, checked."""
    from lib.ledger.queries.time_query import read_zone

    return read_zone(name).key


@command("import")
@click.argument("model")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--zone", default="UTC", show_default=True, callback=as_option(_zone), help="Of times in FILE that name no zone.")
def import_(asked: Asked, model: str, file: Path, zone: str) -> None:
    """Add the earlier decisions in FILE (CSV or JSON, see docs/import.md) to the record of MODEL.

    They speak only of the time before the record began, and are marked as imported wherever they are told.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}.", next="Check the name.") from error
    from lib.registry.import_history import File, import_earlier

    done = import_earlier(asked.writer(), model, File(file.name, data, zone))
    document = {
        "model": done.model,
        "file": file.name,
        "sha256": done.sha256,
        "added": list(done.added),
        "already_there": done.there,
        "other_models": done.others,
    }
    said = f"Imported {_count(len(done.added))} of {model} from {file.name}." if done.added else f"Nothing new in {file.name}."
    more = [f"{_count(done.there)} were there already."] if done.there else []
    more += [f"Lines of other models, left out: {done.others}."] if done.others else []
    asked.answer(document, [" ".join([said, *more])])


COMMANDS = (import_,)


def _count(number: int) -> str:
    return f"{number} entr{'y' if number == 1 else 'ies'}"
