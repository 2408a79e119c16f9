"""The command import: add earlier decisions from a file to the record of a model."""

from pathlib import Path

import click

from lib.cli.context import CommandContext, command, option_callback, parse_zone_option, read_file_argument


@command("import")
@click.argument("model")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--zone",
    default="UTC",
    show_default=True,
    callback=option_callback(parse_zone_option),
    help="Time zone of times in FILE without one.",
)
def import_(context: CommandContext, model: str, file: Path, zone: str) -> None:
    """Add the earlier decisions in FILE (CSV or JSON, see docs/import.md) to the record of MODEL.

    They may only cover the time before the record began, and are marked as imported wherever they are shown.
    """
    from lib.ledger.imports.file_parser import MAX_FILE_BYTES

    data = read_file_argument(file, MAX_FILE_BYTES)
    from lib.registry.import_history import ImportFile, import_history

    result = import_history(context.open_writer(), model, ImportFile(file.name, data, zone))
    document = {
        "model": result.model,
        "file": file.name,
        "sha256": result.sha256,
        "added": list(result.added_entry_ids),
        "already_there": result.known_count,
        "other_models": result.other_model_count,
    }
    summary = (
        f"Imported {_entry_count(len(result.added_entry_ids))} of {model} from {file.name}."
        if result.added_entry_ids
        else f"Nothing new in {file.name}."
    )
    notes = [f"{_entry_count(result.known_count)} already existed."] if result.known_count else []
    notes += [f"Lines about other models, skipped: {result.other_model_count}."] if result.other_model_count else []
    context.print_result(document, [" ".join([summary, *notes])])


COMMANDS = (import_,)


def _entry_count(count: int) -> str:
    return f"{count} entr{'y' if count == 1 else 'ies'}"
