"""Reading a file of earlier decisions, CSV or JSON (docs/import.md), into imported entries. Pure.

Every line is judged before anything is given back, and all that is wrong is named at once with its line. What a line leaves open
stays open: nothing is guessed from other lines, but who held a slot before a version left it.
"""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import rfc8785

from lib.errors import BadInput
from lib.ledger.entry.fields import Number, Source
from lib.ledger.entry.timestamps import format_timestamp
from lib.ledger.entry.types import Imported, Lineage, to_json
from lib.ledger.entry.types import to_json_number as as_number
from lib.ledger.entry.vocabulary import (
    MAX_REASON_LENGTH,
    REASON_CATEGORIES,
    UNKNOWN_ACTOR,
    Actor,
    Reason,
    clean_text,
    declared_actor,
    parse_stage,
    slot_of,
)
from lib.ledger.queries.time_query import TimeQuery, format_local_time, parse_time_query

IMPORT_COLUMNS = (
    "when", "version", "entry", "from", "to", "by", "category", "reason", "note", "verdict", "outcome", "model", "run_id", "git_commit",
)  # fmt: skip
IMPORTABLE_TYPES = ("REGISTERED", "REQUESTED", "WITHDRAWN", "DECIDED", "APPLIED", "FAILED", "FOLLOWED_UP")
METRIC_PREFIX, DATA_PREFIX = "metric.", "data."
MAX_FILE_BYTES = 10_000_000
MAX_PROBLEMS_LISTED = 8
"""How many faults one message names."""
_APART = ("recorded_at", "by", "backend", "source", "was", "now")


@dataclass(frozen=True)
class ImportContext:
    """What a file is read against: the model, the zone of times that name none, the present, and when the record begins."""

    model: str
    zone: str
    now: datetime
    record_start: datetime


@dataclass(frozen=True)
class ImportRow:
    """A line of the file (for JSON: the number of the object), with its values by column."""

    line_number: int
    values: Mapping[str, Any]


@dataclass(frozen=True)
class ParsedImportFile:
    """What a file tells of one model: the matter of its entries in the order of their times, and how many lines speak of others."""

    name: str
    sha256: str
    entry_fields: tuple[dict[str, Any], ...]
    other_model_count: int


def parse_import_file(name: str, data: bytes, context: ImportContext) -> ParsedImportFile:
    """Read a file of earlier decisions. Raises BadInput with every line that cannot be, and why."""
    is_json = name.lower().endswith(".json") or data.lstrip()[:1] in (b"[", b"{")
    rows = _json_rows(data) if is_json else _csv_rows(data)
    others = [row for row in rows if _text(row, "model") not in ("", context.model)]
    mine = [row for row in rows if row not in others]
    sha, faults, told = hashlib.sha256(data).hexdigest(), list[str](), list[tuple[TimeQuery, dict[str, Any]]]()
    for row in mine:
        try:
            when = _when(row, context)
            told.append(
                (when, _matter(row, when, Source(name=clean_text(name)[:200] or "a file", sha256=sha, line=row.line_number)))
            )
        except BadInput as error:
            faults.append(f"line {row.line_number}: {error.what} {error.next}".strip())
    if faults:
        more = f" And {len(faults) - MAX_PROBLEMS_LISTED} more lines." if len(faults) > MAX_PROBLEMS_LISTED else ""
        raise BadInput(
            " ".join(faults[:MAX_PROBLEMS_LISTED]) + more,
            means="Nothing was imported.",
            next="Set these lines right, then import again.",
        )
    if not rows:
        raise BadInput("The file has no line below its heading.", means="Nothing was imported.", next="See docs/import.md.")
    told.sort(key=lambda one: one[0].at)
    return ParsedImportFile(name, sha, tuple(_with_holders(matter for _, matter in told)), len(others))


def deduplication_key(body: Imported) -> str:
    """What makes an imported entry the same as another: all it tells, but not which file told it and who imported it."""
    told = {name: value for name, value in to_json(body).items() if name not in _APART}
    return rfc8785.dumps(told).decode()


def _csv_rows(data: bytes) -> list[ImportRow]:
    text = _decoded(data)
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in first and "," not in first else ",", strict=True)
    rows, start = list[ImportRow](), 1
    try:
        heads = _heads(next(reader, []))
        start = reader.line_num + 1
        for cells in reader:
            if len(cells) > len(heads):
                raise BadInput(
                    f"line {start}: there are {len(cells)} values for {len(heads)} columns.", next="Quote values with commas."
                )
            if any(cell.strip() for cell in cells):
                rows.append(ImportRow(start, dict(zip(heads, cells, strict=False))))
            start = reader.line_num + 1
    except csv.Error as error:
        raise BadInput(
            f"line {start}: this is no CSV ({error}).", means="Nothing was imported.", next="See docs/import.md."
        ) from error
    return rows


def _json_rows(data: bytes) -> list[ImportRow]:
    try:
        made = json.loads(_decoded(data))
        json.dumps(made, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"This is no JSON: {clean_text(str(error))[:100]}.", means="Nothing was imported.", next="See docs/import.md."
        ) from error
    found = made.get("entries") if isinstance(made, dict) else made
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise BadInput("The JSON is no list of objects.", means="Nothing was imported.", next="See docs/import.md.")
    rows = [ImportRow(n, _flat(one)) for n, one in enumerate(found, 1)]
    _heads(dict.fromkeys(name for row in rows for name in row.values))
    return rows


def _flat(one: Mapping[str, Any]) -> dict[str, Any]:
    """Objects `metrics` and `data` as the columns they would be in a CSV."""
    flat = {name: value for name, value in one.items() if name not in ("metrics", "data")}
    for name, prefix in (("metrics", METRIC_PREFIX), ("data", DATA_PREFIX)):
        inner = one.get(name) or {}
        flat |= {prefix + key: value for key, value in inner.items()} if isinstance(inner, dict) else {name: inner}
    return flat


def _decoded(data: bytes) -> str:
    if len(data) > MAX_FILE_BYTES:
        raise BadInput(
            f"The file has {len(data):,} bytes; {MAX_FILE_BYTES:,} can be read.", means="Nothing was imported.", next="Split it."
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput("The file is not UTF-8 text.", means="Nothing was imported.", next="Save it as UTF-8.") from error


def _heads(names: Iterable[str]) -> list[str]:
    heads = [clean_text(name) for name in names]
    strange = [
        name
        for name in heads
        if name not in IMPORT_COLUMNS and not (name.startswith((METRIC_PREFIX, DATA_PREFIX)) and len(name.split(".", 1)[1]))
    ]
    missing = [name for name in ("when", "version") if name not in heads]
    twice = sorted({name for name in heads if heads.count(name) > 1})
    if strange or missing or twice:
        told = [f"{clean_text(name)[:40] or 'an empty name'} is no column" for name in strange]
        told += [f"{name} is missing" for name in missing] + [f"{clean_text(name)[:40]} stands there twice" for name in twice]
        raise BadInput(
            f"line 1: {', '.join(told[:MAX_PROBLEMS_LISTED])}.",
            means="Nothing was imported.",
            next=f"The columns are {', '.join(IMPORT_COLUMNS)}, metric.NAME and data.NAME.",
        )
    return heads


def _when(row: ImportRow, frame: ImportContext) -> TimeQuery:
    when = parse_time_query(_text(row, "when"), frame.now, frame.zone)
    if when.end > frame.record_start or when.at >= frame.record_start:
        raise BadInput(
            f"{_text(row, 'when')} is not before {format_local_time(frame.record_start, frame.zone)}, when the record of {frame.model} begins."
        )
    return when


def _matter(row: ImportRow, when: TimeQuery, source: Source) -> dict[str, Any]:
    """What the line says, without who imports it and without the holders."""
    of = _one_of(row, "entry", IMPORTABLE_TYPES, str.upper) or "APPLIED"
    text, name, note = (_text(row, key) for key in ("reason", "by", "note"))
    made: dict[str, Any] = {
        "of": of,
        "effective_at": format_timestamp(when.at),
        "window": (format_timestamp(when.at), format_timestamp(when.until)) if when.until else None,
        "version": _version(row),
        "actor": declared_actor(name) if name else Actor(name=UNKNOWN_ACTOR.name),
        "reason": Reason(category=_one_of(row, "category", REASON_CATEGORIES, str.lower) or "other", text=_short("reason", text))
        if text
        else None,
        "note": _short("note", note) or None,
        "from_": parse_stage(_text(row, "from")) if _text(row, "from") else None,
        "to": parse_stage(_text(row, "to")) if _text(row, "to") else None,
        "verdict": (_one_of(row, "verdict", ("approve", "reject", "changes"), str.lower) or "approve")
        if of == "DECIDED"
        else None,
        "outcome": _one_of(row, "outcome", ("right", "wrong"), str.lower),
        "lineage": _lineage(row),
        "source": source,
    }
    _must_say_where(made)
    return made


def _must_say_where(made: Mapping[str, Any]) -> None:
    of, from_, to = made["of"], made["from_"], made["to"]
    if of == "APPLIED" and to is None:
        raise BadInput("It does not say where the version went (to).")
    if of == "APPLIED" and slot_of(to) is None and from_ is None:
        raise BadInput(f"It does not say which stage the version left for {to} (from).")
    if of == "APPLIED" and from_ == to:
        raise BadInput(f"It says that the version went from {to} to {to}.")
    if of == "FOLLOWED_UP" and made["outcome"] is None:
        raise BadInput("It does not say how it turned out (outcome): right or wrong.")


def _with_holders(told: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """The same with the holders after each move. A version leaves a stage once; being pushed out by another counts as leaving."""
    holds, out = dict[str, str](), set[tuple[str, str]]()
    for one in told:
        if one["of"] != "APPLIED":
            yield one
            continue
        version, was, now = one["version"], dict[str, Any](), dict[str, Any]()
        goal, left = slot_of(one["to"]), slot_of(one["from_"] or "")
        if left:
            pushed = (left, version) in out
            now[left] = {"stage": (holds[left],) if pushed and left in holds else ()}
            was |= {} if pushed else {left: {"stage": (version,)}}
            if not pushed:
                holds.pop(left, None)
        if goal:
            out |= {(goal, holds[goal])} if holds.get(goal, version) != version else set()
            out -= {(goal, version)}
            holds[goal], now[goal] = version, {"stage": (version,)}
        yield {**one, "was": was or None, "now": now or None}


def _lineage(row: ImportRow) -> Lineage | None:
    metrics = {
        key.removeprefix(METRIC_PREFIX): _number(row, key)
        for key in row.values
        if key.startswith(METRIC_PREFIX) and _text(row, key)
    }
    data = {
        key.removeprefix(DATA_PREFIX): _text(row, key) for key in row.values if key.startswith(DATA_PREFIX) and _text(row, key)
    }
    told = Lineage(run_id=_text(row, "run_id"), git_commit=_text(row, "git_commit"), metrics=metrics, data=data)
    return told if told != Lineage() else None


def _number(row: ImportRow, key: str) -> Number:
    try:
        return as_number(float(_text(row, key)))
    except ValueError as error:
        raise BadInput(f"{_text(row, key)[:40]} is no number ({clean_text(key)[:40]}).") from error


def _version(row: ImportRow) -> str:
    version = _text(row, "version")
    version = version[1:] if version[:1] in ("v", "V") and version[1:2].isdigit() else version
    if not version or len(version) > 40:
        raise BadInput("It names no version." if not version else "The version is longer than 40 characters.")
    return version


def _one_of(row: ImportRow, key: str, known: Iterable[str], form: Callable[[str], str]) -> str | None:
    value = form(_text(row, key))
    if value and value not in known:
        raise BadInput(f"{value[:40]} cannot stand in {key}; use one of {', '.join(known)}.")
    return value or None


def _short(key: str, text: str) -> str:
    if len(text) > MAX_REASON_LENGTH:
        raise BadInput(f"The {key} has {len(text):,} characters; {MAX_REASON_LENGTH:,} fit.")
    return text


def _text(row: ImportRow, key: str) -> str:
    value = row.values.get(key)
    if isinstance(value, dict | list):
        raise BadInput(f"{key} holds more than one value.")
    text = "" if value is None else clean_text(str(value))
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"{key} holds half a character.") from error
    return text
