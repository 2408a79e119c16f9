"""Command output: only the answer on stdout, notes on stderr. Foreign text in both is escaped."""

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
    """Reserve stdout for the answer: while the block runs, output of libraries and child processes to stdout goes to stderr."""
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
    """Print the lines of an answer. Each stays on one line, whatever names and texts of a backend it contains."""
    click.echo("\n".join(map(escape_unprintable, lines)), file=stream)


def print_json(document: Any, stream: TextIO) -> None:
    """Print one JSON document. Invisible characters in its strings are escaped."""
    print_lines(json.dumps(document, ensure_ascii=False, indent=2).split("\n"), stream)


def print_note(text: str) -> None:
    """Print one line on stderr, separate from the answer."""
    click.echo(escape_unprintable(text), err=True)


def _is_descriptor_1(stream: TextIO) -> bool:
    try:
        return stream.fileno() == 1
    except (OSError, ValueError):  # a stream in memory, or a closed one
        return False
