"""Identify a file's bytes and build a safe image, table or text preview. Pure.

The content decides; the name is only a hint. Nothing is unpickled, run or rendered: HTML and SVG stay source, images are decoded by
Pillow under a cap and re-encoded, JSON is parsed under caps. Callers must show text as plain text.
"""

import csv
import io
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

import pandas as pd

from lib.runs.artifacts.images import decode_image
from lib.runs.table.frames import convert_numeric

MAX_TEXT = 200_000
MAX_JSON = 2_000_000
MAX_DEPTH = 60
MAX_NODES = 50_000
MAX_ROWS, MAX_COLUMNS, MAX_CELL = 1000, 100, 500
PreviewKind = Literal["text", "table", "picture", "none"]
LANGUAGES = {
    ".py": "python",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".sql": "sql",
    ".sh": "bash",
    ".xml": "xml",
    ".md": "markdown",
}
_MAGIC_BYTES = (
    (b"PK\x03\x04", "Zip archive"),
    (b"\x1f\x8b", "Gzip archive"),
    (b"\x89HDF\r\n", "HDF5 data"),
    (b"PAR1", "Parquet table"),
    (b"%PDF-", "PDF document"),
    (b"\x93NUMPY", "NumPy array"),
    (b"SQLite format 3\x00", "SQLite database"),
    (b"\x7fELF", "Program"),
    (b"MZ", "Program"),
)
# Possessive (++ and *+), so matching is linear in the length of the text.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+\\?"?|[\[{]|[\]}]|,', re.DOTALL)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0e-\x1a]")
"""Characters that do not occur in text; the escape of colour codes is allowed."""
_HTML = re.compile(
    r"(?:\s|(?><!--.*?-->)|<\?xml[^>]*>)*+<(!doctype\s+html|html|head|body|script|svg|!doctype\s+svg)\b", re.I | re.S
)


@dataclass(frozen=True)
class Preview:
    """A description of a file and its showable content.

    By `kind`: `text` with its `language`; `rows`; a PNG in `png`; or nothing. `notes` are sentences on what was omitted and why.
    """

    kind: PreviewKind
    description: str
    text: str = ""
    language: str | None = None
    rows: pd.DataFrame | None = None
    png: bytes = b""
    notes: tuple[str, ...] = ()


def build_preview(path: str, data: bytes) -> Preview:
    """Build the preview of a file's bytes. Never raises because of their content."""
    if not data:
        return Preview("none", "Empty file")
    if image := decode_image(data):
        return Preview("picture" if image.png else "none", image.description, png=image.png, notes=image.notes)
    text = _decode_text(data)
    if text is None:
        return Preview("none", _describe_binary(data), notes=("Not opened here, because opening such a file can run code.",))
    return _preview_text(PurePosixPath(path), text)


def _preview_text(path: PurePosixPath, text: str) -> Preview:
    if match := _HTML.match(text[:5000]):
        markup = "SVG" if "svg" in match[1].lower() else "HTML"
        return _text_preview(
            f"{markup} source",
            text,
            "xml" if markup == "SVG" else "html",
            "Shown as source and never rendered: it could contain scripts.",
        )
    if text.lstrip()[:1] in ("{", "["):
        return _preview_json(text)
    if path.suffix.lower() in (".csv", ".tsv") and (rows := _parse_rows(text)):
        return _preview_table(rows, text)
    if path.name == "MLmodel":
        return _text_preview("Model description (MLmodel)", text, "yaml", "Read as text: the model itself is not loaded.")
    return _text_preview("Text", text, LANGUAGES.get(path.suffix.lower()))


def _text_preview(description: str, text: str, language: str | None, *notes: str) -> Preview:
    """Return a text preview up to its cap."""
    if len(text) <= MAX_TEXT:
        return Preview("text", description, text, language, notes=notes)
    note = f"Showing the first {MAX_TEXT:,} of {len(text):,} characters."
    return Preview("text", description, text[:MAX_TEXT], language, notes=(*notes, note))


def _decode_text(data: bytes) -> str | None:
    """Decode the bytes as text; None if they are not text."""
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if _CONTROL_CHARACTERS.search(text[:10_000]) or "\x00" in text else text


def _describe_binary(data: bytes) -> str:
    if data[:1] == b"\x80" and data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "Pickle"
    return next((description for magic, description in _MAGIC_BYTES if data.startswith(magic)), "Binary file")


def _preview_json(text: str) -> Preview:
    """Return indented JSON if it is within the caps, else the text unchanged with the reason."""
    if reason := _json_limit_note(text):
        return _text_preview("JSON", text, "json", reason)
    try:
        value = json.loads(text, object_pairs_hook=_dict_without_duplicates)
    except json.JSONDecodeError:
        return _text_preview("Text", text, None)
    except _DuplicateKeyError as key:
        return _text_preview("JSON", text, "json", f"Shown as written: the key {str(key)[:80]} occurs twice.")
    except (ValueError, RecursionError):  # a number with thousands of digits
        return _text_preview(
            "JSON", text, "json", "Shown as written: it contains a number or nesting that is too large to parse."
        )
    indented = json.dumps(value, indent=2, ensure_ascii=False)
    if _LONE_SURROGATE.search(indented):
        return _text_preview("JSON", text, "json", "Shown as written: it contains an invalid Unicode character.")
    return _text_preview("JSON", indented, "json")


def _json_limit_note(text: str) -> str:
    """Return why this JSON is not parsed, in one sentence; empty if it may be."""
    if len(text) > MAX_JSON:
        return f"Not parsed as JSON: it has more than {MAX_JSON:,} characters."
    depth = deepest = nodes = 0
    for match in _TOKEN.finditer(text):
        token = match[0]
        depth += (token in ("[", "{")) - (token in ("]", "}"))
        deepest, nodes = max(deepest, depth), nodes + (token in ("[", "{", ","))
        if deepest > MAX_DEPTH:
            return f"Not parsed as JSON: it has more than {MAX_DEPTH} nesting levels."
        if nodes > MAX_NODES:
            return f"Not parsed as JSON: it has more than {MAX_NODES:,} values."
    return ""


class _DuplicateKeyError(Exception):
    """A key that occurs twice in an object: a parser would keep one of the values and hide the other."""


def _dict_without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise _DuplicateKeyError(next(key for key, count in counts.items() if count > 1))
    return values


def _parse_rows(text: str) -> list[list[str]]:
    """Return the first rows of separated values; none if this is not a table."""
    first_lines = text.splitlines()[:20]
    delimiter = max(
        ",;\t|", key=lambda candidate: min((line.count(candidate) for line in first_lines if line.strip()), default=0)
    )
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if row:
                rows.append([cell[:MAX_CELL] for cell in row[:MAX_COLUMNS]])
            if len(rows) > MAX_ROWS:
                break
    except csv.Error:
        return []
    return rows if rows and len(rows[0]) > 1 else []


def _preview_table(rows: list[list[str]], text: str) -> Preview:
    """Build the table: the first row names the columns; duplicate names stay separate."""
    header, body = rows[0], rows[1 : MAX_ROWS + 1]
    width = max(map(len, rows))
    names: list[str] = []
    for number in range(width):
        name = (header[number] if number < len(header) else "") or f"column {number + 1}"
        while name in names:
            name = f"{name} (column {number + 1})"
        names.append(name)
    cells = [row + [""] * (width - len(row)) for row in body]
    frame = pd.DataFrame(cells, columns=names, dtype="str")
    frame = pd.DataFrame({name: convert_numeric(frame[name].where(frame[name] != "")) for name in frame}, columns=names)
    lines = text.count("\n") + (not text.endswith("\n")) - 1
    notes = [f"Showing the first {MAX_ROWS:,} rows of about {lines:,}."] if len(rows) > MAX_ROWS else []
    notes += [f"Showing the first {MAX_COLUMNS} columns."] if width == MAX_COLUMNS else []
    return Preview("table", f"Table, {len(body):,} rows, {width} columns", text[:MAX_TEXT], None, frame, notes=tuple(notes))
