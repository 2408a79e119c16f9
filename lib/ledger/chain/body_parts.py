"""The text of a body, its continuation in the parameters `<ULID>.00`, `<ULID>.01` …, and other parameters of a book's run. Pure.

Anyone with write access to a run can add parameters, but cannot remove any. So a body is read only until its hash matches: the text
at the position alone, or with further parts added one by one. A body that never matches is ended by the next append (END_OF_BODY).
Otherwise its author could hold back the last part and complete the body years later.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

POSITION_KEY = re.compile(r"\d{6}", re.ASCII)
END_OF_BODY = "void"
"""A part that ends the reading of a body. No real body has such a part: its last one ends with a brace, the others are longer."""
_PART_KEY = re.compile(r"([0-9A-Z]{26})\.(\d{2,6})", re.ASCII)


@dataclass(frozen=True)
class BodyText:
    """The text of a body and its number of continuation parts; `is_intact` if it matches its hash."""

    text: str
    part_count: int
    is_intact: bool


@dataclass(frozen=True)
class StrayParams:
    """The parameters of a book's run other than its positions and the parts used by bodies.

    `part_counts`: id of an entry → the number of parts its body does not use. `abandoned_part_count`: parts whose id took no position, left
    by a lost race. `other_names`: parameters that are neither.
    """

    part_counts: Mapping[str, int]
    abandoned_part_count: int
    other_names: tuple[str, ...]


class BodyReader:
    """Reads the bodies of one run, each part at most once, and then knows which parameters no body used."""

    def __init__(self, params: Mapping[str, str]) -> None:
        self._params = params
        self._bodies = dict[str, BodyText]()

    def read(self, entry_id: str, sha256: str, first_text: str) -> BodyText:
        """The body of an entry. Call once per id."""
        self._bodies[entry_id] = read_body_text(self._params, entry_id, sha256, first_text)
        return self._bodies[entry_id]

    @property
    def open_part_keys(self) -> tuple[str, ...]:
        """For each body that does not match its hash, the parameter that could still complete it."""
        keys = (part_key(entry_id, body.part_count) for entry_id, body in self._bodies.items() if not body.is_intact)
        return tuple(key for key in keys if key not in self._params)

    def find_strays(self) -> StrayParams:
        """Parameters that are neither positions nor parts used by a body. Parts of bodies that do not match their hash are left out."""
        part_counts, abandoned_part_count, other_names = Counter[str](), 0, list[str]()
        for name in self._params:
            if POSITION_KEY.fullmatch(name):
                continue
            if (match := _PART_KEY.fullmatch(name)) is None:
                other_names.append(name)
            elif (body := self._bodies.get(match[1])) is None:
                abandoned_part_count += 1
            elif body.is_intact and (int(match[2]) >= body.part_count or name != part_key(match[1], int(match[2]))):
                part_counts[match[1]] += 1
        return StrayParams(part_counts, abandoned_part_count, tuple(other_names))


def part_key(entry_id: str, number: int) -> str:
    """The parameter that holds a part of a body; numbers start at 0."""
    return f"{entry_id}.{number:02d}"


def read_body_text(params: Mapping[str, str], entry_id: str, sha256: str, first_text: str) -> BodyText:
    """The text of a body: `first_text` at its position, and as many parts as needed to match `sha256`."""
    texts, digest = [first_text], hashlib.sha256(_encode(first_text))
    while digest.hexdigest() != sha256:
        if (part := params.get(part_key(entry_id, len(texts) - 1), END_OF_BODY)) == END_OF_BODY:
            return BodyText("".join(texts), len(texts) - 1, is_intact=False)
        texts.append(part)
        digest.update(_encode(part))
    return BodyText("".join(texts), len(texts) - 1, is_intact=True)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
