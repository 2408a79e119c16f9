"""The text of a body and the parameters `<ULID>.00`, `<ULID>.01` … it goes on in, and what else a run of a book holds. Pure.

Anybody who may write to a run can add parameters to it, and nobody can take one away. So a body is read only as far as its hash
asks for: the text at the position counts when it fits, else further parts are added one by one until it does. A body that never
fits is ended by whoever appends next (END_OF_BODY), or somebody could hold back its last part and let it speak years later.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

POSITION_KEY = re.compile(r"\d{6}", re.ASCII)
END_OF_BODY = "void"
"""A part where the reading of a body ends. No body has such a part: its last one ends in a brace, the others are longer."""
_PART_KEY = re.compile(r"([0-9A-Z]{26})\.(\d{2,6})", re.ASCII)


@dataclass(frozen=True)
class BodyText:
    """The text of a body and in how many parts it goes on; `is_intact` when it fits its hash."""

    text: str
    part_count: int
    is_intact: bool


@dataclass(frozen=True)
class StrayParams:
    """What a run of a book holds besides its positions and the parts that bodies ask for.

    `part_counts`: id of an entry → the number of parts that its body does not ask for. `abandoned_part_count`: parts of ids that
    took no position, as a lost race leaves them. `other_names`: parameters that are neither.
    """

    part_counts: Mapping[str, int]
    abandoned_part_count: int
    other_names: tuple[str, ...]


class BodyReader:
    """Reads the bodies of one run, each part at most once, and knows afterwards which parameters no body asked for."""

    def __init__(self, params: Mapping[str, str]) -> None:
        self._params = params
        self._bodies = dict[str, BodyText]()

    def read(self, entry_id: str, sha256: str, first_text: str) -> BodyText:
        """The body of an entry; to be asked once for each id."""
        self._bodies[entry_id] = read_body_text(self._params, entry_id, sha256, first_text)
        return self._bodies[entry_id]

    @property
    def open_part_keys(self) -> tuple[str, ...]:
        """For each body that does not fit its hash the parameter that could still make it fit."""
        keys = (part_key(entry_id, body.part_count) for entry_id, body in self._bodies.items() if not body.is_intact)
        return tuple(key for key in keys if key not in self._params)

    def find_strays(self) -> StrayParams:
        """What is no position and no part that a body asks for. The parts of a body that does not fit its hash are left out."""
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
    """The parameter that holds a part of a body, from number 0 on."""
    return f"{entry_id}.{number:02d}"


def read_body_text(params: Mapping[str, str], entry_id: str, sha256: str, first_text: str) -> BodyText:
    """The text of a body: `first_text` at its position, and as many parts as it takes to fit `sha256`."""
    texts, digest = [first_text], hashlib.sha256(_encode(first_text))
    while digest.hexdigest() != sha256:
        if (part := params.get(part_key(entry_id, len(texts) - 1), END_OF_BODY)) == END_OF_BODY:
            return BodyText("".join(texts), len(texts) - 1, is_intact=False)
        texts.append(part)
        digest.update(_encode(part))
    return BodyText("".join(texts), len(texts) - 1, is_intact=True)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
