"""What commands print: the answer on stdout, which belongs to it alone, and notes on stderr; foreign text in either is made harmless."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

import click

from lib.text import escape_unprintable


@contextmanager
def reserve_stdout() -> Iterator[TextIO]:
    """Give stdout to the answer alone: while the block runs, whatever libraries and child processes print there goes to stderr."""
    stdout = sys.stdout
    if sys.stderr is None or not _is_descriptor_1(stdout):
        with redirect_stdout(sys.stderr):
            yield stdout
        return
    stdout.flush()
    reserved = os.fdopen(os.dup(1), "w", encoding=stdout.encoding, errors=stdout.errors)
    os.dup2(sys.stderr.fileno(), 1)
    with reserved, redirect_stdout(sys.stderr):
        try:
            yield reserved
        finally:
            os.dup2(reserved.fileno(), 1)


def print_lines(lines: Sequence[str], stream: TextIO) -> None:
    """Print lines of an answer. A line stays one line, whatever names and texts of a backend are in it."""
    click.echo("\n".join(map(escape_unprintable, lines)), file=stream)


def print_json(document: Any, stream: TextIO) -> None:
    """Print one JSON document. Invisible characters in its strings are written as escapes."""
    print_lines(json.dumps(document, ensure_ascii=False, indent=2).split("\n"), stream)


def print_note(text: str) -> None:
    """Print one line beside the answer, on stderr."""
    click.echo(escape_unprintable(text), err=True)


def _is_descriptor_1(stream: TextIO) -> bool:
    try:
        return stream.fileno() == 1
    except (OSError, ValueError):  # a stream in memory, or a closed one
        return False
