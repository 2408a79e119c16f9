"""Parses a file of earlier decisions, CSV or JSON (docs/import.md), into imported entries. Pure.

All lines are checked first, and all problems are reported together with their lines. Missing values stay unknown: nothing is inferred
from other lines, except who held a slot before a version left it.
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
from lib.ledger.entry.types import Imported, Lineage, to_json, to_json_number
from lib.ledger.entry.vocabulary import (
    MAX_REASON_LENGTH,
    REASON_CATEGORIES,
    UNKNOWN_ACTOR,
    Actor,
    Reason,
    declared_actor,
    parse_stage,
    slot_of,
)
from lib.ledger.queries.time_query import TimeQuery, format_local_time, parse_time_query
from lib.text import clean_text

IMPORT_COLUMNS = (
    "when", "version", "entry", "from", "to", "by", "category", "reason", "note", "verdict", "outcome", "model", "run_id", "git_commit",
)  # fmt: skip
IMPORTABLE_TYPES = ("REGISTERED", "REQUESTED", "WITHDRAWN", "DECIDED", "APPLIED", "FAILED", "FOLLOWED_UP")
METRIC_PREFIX, DATA_PREFIX = "metric.", "data."
_PREFIXES = (METRIC_PREFIX, DATA_PREFIX)
_VERDICTS = ("approve", "reject", "changes")
MAX_FILE_BYTES = 10_000_000
MAX_PROBLEMS_LISTED = 8
"""How many problems one message lists."""
_IGNORED_FIELDS = ("recorded_at", "by", "backend", "source", "was", "now", "sig")


@dataclass(frozen=True)
class ImportContext:
    """The context for parsing: the model, the zone of times without one, the present, and the start of the record."""

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
    """The parsed file for one model: the fields of its entries by time, and the number of lines about other models."""

    name: str
    sha256: str
    entry_fields: tuple[dict[str, Any], ...]
    other_model_count: int


def parse_import_file(name: str, data: bytes, context: ImportContext) -> ParsedImportFile:
    """Parse a file of earlier decisions. Raises BadInput listing the invalid lines and their problems."""
    is_json = name.lower().endswith(".json") or data.lstrip()[:1] in (b"[", b"{")
    rows = _parse_json(data) if is_json else _parse_csv(data)
    other_rows = [row for row in rows if _cell_text(row, "model") not in ("", context.model)]
    own_rows = [row for row in rows if row not in other_rows]
    sha256, problems, timed_fields = hashlib.sha256(data).hexdigest(), list[str](), list[tuple[TimeQuery, dict[str, Any]]]()
    for row in own_rows:
        try:
            query = _parse_when(row, context)
            source = Source(name=clean_text(name)[:200] or "a file", sha256=sha256, line=row.line_number)
            timed_fields.append((query, _parse_entry_fields(row, query, source)))
        except BadInput as error:
            problems.append(f"line {row.line_number}: {error.what} {error.next}".strip())
    if problems:
        more_text = f" And {len(problems) - MAX_PROBLEMS_LISTED} more lines." if len(problems) > MAX_PROBLEMS_LISTED else ""
        raise _file_error(" ".join(problems[:MAX_PROBLEMS_LISTED]) + more_text, "Fix these lines, then import again.")
    if not rows:
        raise _file_error("The file has no lines below its header.")
    timed_fields.sort(key=lambda timed: timed[0].at)
    return ParsedImportFile(name, sha256, tuple(_add_holders(fields for _, fields in timed_fields)), len(other_rows))


def deduplication_key(body: Imported) -> str:
    """The key by which imported entries count as equal: all their content, except the file and who imported it."""
    fields = {name: value for name, value in to_json(body).items() if name not in _IGNORED_FIELDS}
    return rfc8785.dumps(fields).decode()


def _parse_csv(data: bytes) -> list[ImportRow]:
    text = _decode(data)
    first_line = text.split("\n", 1)[0]
    delimiter = ";" if ";" in first_line and "," not in first_line else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, line_number = list[ImportRow](), 1
    try:
        columns = _parse_columns(next(reader, []))
        line_number = reader.line_num + 1
        for cells in reader:
            if len(cells) > len(columns):
                what = f"line {line_number}: {len(cells)} values for {len(columns)} columns."
                raise BadInput(what, next="Quote values that contain commas.")
            if any(cell.strip() for cell in cells):
                rows.append(ImportRow(line_number, dict(zip(columns, cells, strict=False))))
            line_number = reader.line_num + 1
    except csv.Error as error:
        raise _file_error(f"line {line_number}: not valid CSV ({error}).") from error
    return rows


def _parse_json(data: bytes) -> list[ImportRow]:
    try:
        document = json.loads(_decode(data))
        json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair is not valid text
    except (ValueError, RecursionError) as error:
        raise _file_error(f"The file is not valid JSON: {clean_text(str(error))[:100]}.") from error
    objects = document.get("entries") if isinstance(document, dict) else document
    if not isinstance(objects, list) or not all(isinstance(item, dict) for item in objects):
        raise _file_error("The JSON is not a list of objects.")
    rows = [ImportRow(n, _flatten(item)) for n, item in enumerate(objects, 1)]
    _parse_columns(dict.fromkeys(name for row in rows for name in row.values))
    return rows


def _flatten(item: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten the objects `metrics` and `data` into the columns of the CSV format."""
    flat = {name: value for name, value in item.items() if name not in ("metrics", "data")}
    for name, prefix in (("metrics", METRIC_PREFIX), ("data", DATA_PREFIX)):
        inner = item.get(name) or {}
        flat |= {prefix + key: value for key, value in inner.items()} if isinstance(inner, dict) else {name: inner}
    return flat


def _decode(data: bytes) -> str:
    if len(data) > MAX_FILE_BYTES:
        raise _file_error(f"The file has {len(data):,} bytes; the limit is {MAX_FILE_BYTES:,}.", "Split it.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _file_error("The file is not UTF-8 text.", "Save it as UTF-8.") from error


def _file_error(what: str, fix: str = "See docs/import.md.") -> BadInput:
    return BadInput(what, means="Nothing was imported.", next=fix)


def _parse_columns(names: Iterable[str]) -> list[str]:
    columns = [clean_text(name) for name in names]
    known_names = [*IMPORT_COLUMNS, *(name for name in columns if name.startswith(_PREFIXES) and name not in _PREFIXES)]
    unknown_names = [name for name in columns if name not in known_names]
    missing_names = [name for name in ("when", "version") if name not in columns]
    repeated_names = sorted({name for name in columns if columns.count(name) > 1})
    if unknown_names or missing_names or repeated_names:
        problems = [f"{clean_text(name)[:40] or 'an empty name'} is not a column" for name in unknown_names]
        problems += [f"{name} is missing" for name in missing_names]
        problems += [f"{clean_text(name)[:40]} appears twice" for name in repeated_names]
        fix = f"The columns are {', '.join(IMPORT_COLUMNS)}, metric.NAME and data.NAME."
        raise _file_error(f"line 1: {', '.join(problems[:MAX_PROBLEMS_LISTED])}.", fix)
    return columns


def _parse_when(row: ImportRow, context: ImportContext) -> TimeQuery:
    query = parse_time_query(_cell_text(row, "when"), context.now, context.zone)
    if query.end > context.record_start or query.at >= context.record_start:
        begin = format_local_time(context.record_start, context.zone)
        raise BadInput(f"{_cell_text(row, 'when')} is not before {begin}, when the record of {context.model} begins.")
    return query


def _parse_entry_fields(row: ImportRow, query: TimeQuery, source: Source) -> dict[str, Any]:
    """The fields of an entry from a line, without the importer and the holders."""
    entry_type = _parse_choice(row, "entry", IMPORTABLE_TYPES, str.upper) or "APPLIED"
    text, name, note = (_cell_text(row, key) for key in ("reason", "by", "note"))
    fields: dict[str, Any] = {
        "of": entry_type,
        "effective_at": format_timestamp(query.at),
        "window": (format_timestamp(query.at), format_timestamp(query.until)) if query.until else None,
        "version": _parse_version(row),
        "actor": declared_actor(name) if name else Actor(name=UNKNOWN_ACTOR.name),
        "reason": _parse_reason(row, text) if text else None,
        "note": _require_length("note", note) or None,
        "from_": parse_stage(_cell_text(row, "from")) if _cell_text(row, "from") else None,
        "to": parse_stage(_cell_text(row, "to")) if _cell_text(row, "to") else None,
        "verdict": (_parse_choice(row, "verdict", _VERDICTS, str.lower) or "approve") if entry_type == "DECIDED" else None,
        "outcome": _parse_choice(row, "outcome", ("right", "wrong"), str.lower),
        "lineage": _parse_lineage(row),
        "source": source,
    }
    _require_stages_and_outcome(fields)
    return fields


def _parse_reason(row: ImportRow, text: str) -> Reason:
    category = _parse_choice(row, "category", REASON_CATEGORIES, str.lower) or "other"
    return Reason(category=category, text=_require_length("reason", text))


def _require_stages_and_outcome(fields: Mapping[str, Any]) -> None:
    entry_type, from_, to = fields["of"], fields["from_"], fields["to"]
    if entry_type == "APPLIED" and to is None:
        raise BadInput("The target stage of the version (to) is missing.")
    if entry_type == "APPLIED" and slot_of(to) is None and from_ is None:
        raise BadInput(f"The stage the version left for {to} (from) is missing.")
    if entry_type == "APPLIED" and from_ == to:
        raise BadInput(f"The version cannot move from {to} to {to}.")
    if entry_type == "FOLLOWED_UP" and fields["outcome"] is None:
        raise BadInput("The outcome is missing: right or wrong.")


def _add_holders(entry_fields: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Add the holders after each move. A version leaves a stage once; being displaced by another one counts as leaving."""
    holders, displaced_versions = dict[str, str](), set[tuple[str, str]]()
    for fields in entry_fields:
        if fields["of"] != "APPLIED":
            yield fields
            continue
        version, holders_before, holders_after = fields["version"], dict[str, Any](), dict[str, Any]()
        target_slot, source_slot = slot_of(fields["to"]), slot_of(fields["from_"] or "")
        if source_slot:
            was_displaced = (source_slot, version) in displaced_versions
            holders_after[source_slot] = {"stage": (holders[source_slot],) if was_displaced and source_slot in holders else ()}
            holders_before |= {} if was_displaced else {source_slot: {"stage": (version,)}}
            if not was_displaced:
                holders.pop(source_slot, None)
        if target_slot:
            displaced_versions |= {(target_slot, holders[target_slot])} if holders.get(target_slot, version) != version else set()
            displaced_versions -= {(target_slot, version)}
            holders[target_slot], holders_after[target_slot] = version, {"stage": (version,)}
        yield {**fields, "was": holders_before or None, "now": holders_after or None}


def _parse_lineage(row: ImportRow) -> Lineage | None:
    metrics = {
        key.removeprefix(METRIC_PREFIX): _parse_number(row, key)
        for key in row.values
        if key.startswith(METRIC_PREFIX) and _cell_text(row, key)
    }
    data = {
        key.removeprefix(DATA_PREFIX): _cell_text(row, key)
        for key in row.values
        if key.startswith(DATA_PREFIX) and _cell_text(row, key)
    }
    lineage = Lineage(run_id=_cell_text(row, "run_id"), git_commit=_cell_text(row, "git_commit"), metrics=metrics, data=data)
    return lineage if lineage != Lineage() else None


def _parse_number(row: ImportRow, key: str) -> Number:
    try:
        return to_json_number(float(_cell_text(row, key)))
    except ValueError as error:
        raise BadInput(f"{_cell_text(row, key)[:40]} is not a number ({clean_text(key)[:40]}).") from error


def _parse_version(row: ImportRow) -> str:
    version = _cell_text(row, "version")
    version = version[1:] if version[:1] in ("v", "V") and version[1:2].isdigit() else version
    if not version or len(version) > 40:
        raise BadInput("The version is missing." if not version else "The version is longer than 40 characters.")
    return version


def _parse_choice(row: ImportRow, key: str, choices: Iterable[str], normalize: Callable[[str], str]) -> str | None:
    value = normalize(_cell_text(row, key))
    if value and value not in choices:
        raise BadInput(f"{value[:40]} is not a valid {key}. Use one of {', '.join(choices)}.")
    return value or None


def _require_length(key: str, text: str) -> str:
    if len(text) > MAX_REASON_LENGTH:
        raise BadInput(f"The {key} has {len(text):,} characters; the limit is {MAX_REASON_LENGTH:,}.")
    return text


def _cell_text(row: ImportRow, key: str) -> str:
    value = row.values.get(key)
    if isinstance(value, dict | list):
        raise BadInput(f"{key} contains more than one value.")
    text = "" if value is None else clean_text(str(value))
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"{key} contains an invalid Unicode character.") from error
    return text
