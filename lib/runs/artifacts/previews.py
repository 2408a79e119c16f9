"""What the bytes of a file are, and a harmless picture, table or text of them. Pure.

The content decides, the name is a hint at most. Nothing is unpickled, run or rendered: HTML and SVG stay source, a picture is
decoded by Pillow under a cap and encoded anew, JSON is parsed under caps. Whoever shows a preview shows text as text.
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
_SIGNS = (
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
# Possessive (++ and *+), so that no text takes longer than its length.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+\\?"?|[\[{]|[\]}]|,', re.DOTALL)
_HALF = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a]")
"""What no text holds; an escape for colours is none of them."""
_HTML = re.compile(
    r"(?:\s|(?><!--.*?-->)|<\?xml[^>]*>)*+<(!doctype\s+html|html|head|body|script|svg|!doctype\s+svg)\b", re.I | re.S
)


@dataclass(frozen=True)
class Preview:
    """What a file is in words (`what`), and what of it can be shown.

    By `kind`: `text` with its `language`; `rows`; a PNG in `png`; or nothing. `notes` are sentences on what was left out and why.
    """

    kind: PreviewKind
    description: str
    text: str = ""
    language: str | None = None
    rows: pd.DataFrame | None = None
    png: bytes = b""
    notes: tuple[str, ...] = ()


def build_preview(path: str, data: bytes) -> Preview:
    """The preview of a file's bytes. Never raises for what is in them."""
    if not data:
        return Preview("none", "Empty file")
    if drawn := decode_image(data):
        return Preview("picture" if drawn.png else "none", drawn.description, png=drawn.png, notes=drawn.notes)
    text = _text(data)
    if text is None:
        return Preview("none", _binary(data), notes=("It is not opened here, because opening such a file can run code.",))
    return _of_text(PurePosixPath(path), text)


def _of_text(path: PurePosixPath, text: str) -> Preview:
    if web := _HTML.match(text[:5000]):
        what = "SVG" if "svg" in web[1].lower() else "HTML"
        return _shown(
            f"{what} source", text, "xml" if what == "SVG" else "html", "Shown as source, never drawn: it could hold scripts."
        )
    if text.lstrip()[:1] in ("{", "["):
        return _json(text)
    if path.suffix.lower() in (".csv", ".tsv") and (rows := _rows(text)):
        return _table(rows, text)
    if path.name == "MLmodel":
        return _shown("Description of a model (MLmodel)", text, "yaml", "Read as text: the model itself is not loaded.")
    return _shown("Text", text, LANGUAGES.get(path.suffix.lower()))


def _shown(what: str, text: str, language: str | None, *notes: str) -> Preview:
    """Text up to its cap."""
    if len(text) <= MAX_TEXT:
        return Preview("text", what, text, language, notes=notes)
    cut = f"Showing the first {MAX_TEXT:,} of {len(text):,} characters."
    return Preview("text", what, text[:MAX_TEXT], language, notes=(*notes, cut))


def _text(data: bytes) -> str | None:
    """The bytes as text; None when they are not."""
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if _CONTROL.search(text[:10_000]) or "\x00" in text else text


def _binary(data: bytes) -> str:
    if data[:1] == b"\x80" and data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "Pickle"
    return next((what for sign, what in _SIGNS if data.startswith(sign)), "Binary file")


def _json(text: str) -> Preview:
    """Indented, when it is JSON within the caps; else the text as it is, with the reason."""
    if reason := _too_much(text):
        return _shown("JSON", text, "json", reason)
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError:
        return _shown("Text", text, None)
    except _SameKey as key:
        return _shown("JSON", text, "json", f"The key {str(key)[:80]} is there twice, so it is shown as it was written.")
    except (ValueError, RecursionError):  # a number of thousands of digits
        return _shown("JSON", text, "json", "Shown as it was written: it holds a number or a nesting too large to read.")
    indented = json.dumps(value, indent=2, ensure_ascii=False)
    if _HALF.search(indented):
        return _shown("JSON", text, "json", "Shown as it was written: it holds half a letter, which is no text.")
    return _shown("JSON", indented, "json")


def _too_much(text: str) -> str:
    """Why this JSON is not parsed, in one sentence; empty when it may be."""
    if len(text) > MAX_JSON:
        return f"Not read as JSON: it has more than {MAX_JSON:,} characters."
    depth = deepest = nodes = 0
    for token in _TOKEN.finditer(text):
        mark = token[0]
        depth += (mark in ("[", "{")) - (mark in ("]", "}"))
        deepest, nodes = max(deepest, depth), nodes + (mark in ("[", "{", ","))
        if deepest > MAX_DEPTH:
            return f"Not read as JSON: it is nested more than {MAX_DEPTH} deep."
        if nodes > MAX_NODES:
            return f"Not read as JSON: it has more than {MAX_NODES:,} values."
    return ""


class _SameKey(Exception):
    """A key that an object holds twice: a reader would keep one of the two values and hide the other."""


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        times = Counter(key for key, _ in pairs)
        raise _SameKey(next(key for key, many in times.items() if many > 1))
    return made


def _rows(text: str) -> list[list[str]]:
    """The first rows of separated values; none when this is no table."""
    head = text.splitlines()[:20]
    mark = max(",;\t|", key=lambda one: min((line.count(one) for line in head if line.strip()), default=0))
    found: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=mark):
            if row:
                found.append([cell[:MAX_CELL] for cell in row[:MAX_COLUMNS]])
            if len(found) > MAX_ROWS:
                break
    except csv.Error:
        return []
    return found if found and len(found[0]) > 1 else []


def _table(rows: list[list[str]], text: str) -> Preview:
    """The first row names the columns; two of one name stay two."""
    heads, body = rows[0], rows[1 : MAX_ROWS + 1]
    width = max(map(len, rows))
    names: list[str] = []
    for number in range(width):
        name = (heads[number] if number < len(heads) else "") or f"column {number + 1}"
        while name in names:
            name = f"{name} (column {number + 1})"
        names.append(name)
    filled = [row + [""] * (width - len(row)) for row in body]
    frame = pd.DataFrame(filled, columns=names, dtype="str")
    frame = pd.DataFrame({name: convert_numeric(frame[name].where(frame[name] != "")) for name in frame}, columns=names)
    lines = text.count("\n") + (not text.endswith("\n")) - 1
    notes = [f"Showing the first {MAX_ROWS:,} rows of about {lines:,}."] if len(rows) > MAX_ROWS else []
    notes += [f"Showing the first {MAX_COLUMNS} columns."] if width == MAX_COLUMNS else []
    return Preview("table", f"Table, {len(body):,} rows, {width} columns", text[:MAX_TEXT], None, frame, notes=tuple(notes))
