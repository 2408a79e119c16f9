"""Trusted keys of other Podiums: the table `[keys]` in `backends.toml`, by fingerprint, with a display name.

    [keys]
    "SHA256:Kz9…=" = "the CI of the fraud team"
    "SHA256:u3R…=" = { name = "ana's old laptop", trusted = false, since = "2026-11-30T09:00:00.000Z" }

This Podium's own keys need no line; one with `trusted = false` revokes the trust. On a shared Podium only its operator edits the
table, in the file. The meaning of fingerprints and trust is left to `lib.ledger`.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from lib.backends.app_files import lock_file
from lib.backends.backend_config import parse_config
from lib.backends.config_file import is_text_of, parse_config_text, read_config_text, replace_config_text
from lib.errors import ActionRefused, BadInput
from lib.text import clean_text

MAX_NAME_LENGTH = 60
_HEADER, _KEYS_HEADER = re.compile(r"\s*\["), re.compile(r"\s*\[\s*keys\s*\]")


@dataclass(frozen=True)
class ConfiguredKey:
    """A line of the table. `since` is when it was written, as a timestamp, or empty if the line has none."""

    fingerprint: str
    name: str = ""
    is_trusted: bool = True
    since: str = ""


def read_configured_keys(file: Path) -> tuple[ConfiguredKey, ...]:
    """Read the keys in file order; none if there is no such table. An invalid line yields an untrusted key.

    Raises BadInput if the file itself cannot be read.
    """
    table = parse_config_text(read_config_text(file), file).get("keys", {})
    if not isinstance(table, dict):
        raise BadInput(f"{file.name} is not valid.", next="Write the keys as a table, [keys].")
    return tuple(_parse_line(fingerprint, value) for fingerprint, value in table.items())


def write_configured_key(file: Path, key: ConfiguredKey) -> None:
    """Write the line of a key, replacing an existing one. Raises ActionRefused if Podium is shared, BadInput, NotWritable, Busy."""
    if not (name := clean_text(key.name)) or len(name) > MAX_NAME_LENGTH:
        raise BadInput("A key needs a name.", next=f"Enter its owner in up to {MAX_NAME_LENGTH} characters.")
    fields = {"name": name, **({} if key.is_trusted else {"trusted": False}), "since": key.since}
    line = f"{json.dumps(key.fingerprint)} = {_inline_table(fields)}\n"
    with lock_file(file):
        text = read_config_text(file)
        if parse_config(text, file).is_shared:
            raise ActionRefused(
                "This Podium is shared, so only its operator can change the trusted keys.",
                next=f"Ask the operator to add this line under [keys] in {file.name}: {line.strip()}",
            )
        document = parse_config_text(text, file)
        new_text = _with_line(text, key.fingerprint, line)
        document["keys"] = document.get("keys", {}) | {key.fingerprint: fields}
        if not is_text_of(document, new_text, file):
            raise ActionRefused(
                "Podium cannot edit the table of keys safely.",
                next=f"Add this line to it by hand in {file.name}: {line.strip()}",
            )
        replace_config_text(file, text, new_text)


def _parse_line(fingerprint: str, value: Any) -> ConfiguredKey:
    if isinstance(value, str):
        return ConfiguredKey(fingerprint, clean_text(value)[:MAX_NAME_LENGTH])
    fields = value if isinstance(value, dict) else {"trusted": False}
    since = fields.get("since", "")
    return ConfiguredKey(
        fingerprint,
        clean_text(str(fields.get("name", "")))[:MAX_NAME_LENGTH],
        fields.get("trusted", True) is True,
        since.isoformat() if isinstance(since, datetime) else clean_text(str(since))[:MAX_NAME_LENGTH],
    )


def _inline_table(fields: dict[str, Any]) -> str:
    return "{ " + ", ".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()) + " }"


def _with_line(text: str, fingerprint: str, line: str) -> str:
    """Return the text with this line at the end of the table in place of an earlier line of the key. Creates a missing table."""
    own_line = re.compile(rf"""\s*["']{re.escape(fingerprint)}["']\s*=""")
    lines, is_inside, end = list[str](), False, -1
    for old_line in text.splitlines(keepends=True):
        is_inside = bool(_KEYS_HEADER.match(old_line)) if _HEADER.match(old_line) else is_inside
        if not (is_inside and own_line.match(old_line)):
            lines.append(old_line)
        if is_inside and old_line.strip():
            end = len(lines)
    if end < 0:
        return f"{text.rstrip()}\n\n" * bool(text.strip()) + f"[keys]\n{line}"
    before = "".join(lines[:end])
    return before + "\n" * (not before.endswith("\n")) + line + "".join(lines[end:])
