"""Line-by-line changes between two texts, as a unified diff with + and −. Pure.

Capped: for two long texts with little in common the time grows with the product of their lengths.
"""

import difflib
import re
from dataclasses import dataclass

MAX_DIFFERING_LINES = 3000
"""Maximum number of differing lines that are compared line by line."""
CONTEXT_LINES = 3
MAX_LINE_LENGTH = 1000
_LINE_NUMBER = re.compile(r"([+-])(\d+)")


@dataclass(frozen=True)
class Diff:
    """Lines with a leading sign, unchanged stretches folded; counts of added and removed lines. `reason` says why there are none."""

    lines: tuple[str, ...] = ()
    added: int = 0
    removed: int = 0
    reason: str = ""

    @property
    def is_same(self) -> bool:
        """Whether the two texts are equal apart from line endings."""
        return not self.lines and not self.reason


def diff(first: str, second: str, context_lines: int = CONTEXT_LINES) -> Diff:
    """Return the diff from the first text to the second: − marks lines only in the first, + lines only in the second."""
    old, new = first.splitlines(), second.splitlines()
    if old == new:
        return Diff()
    start, end = _count_common_lines(old, new)
    if max(len(old), len(new)) - start - end > MAX_DIFFERING_LINES:
        return Diff(reason=f"More than {MAX_DIFFERING_LINES:,} lines differ: too many to compare line by line.")
    skipped_start = max(0, start - context_lines)  # only the differing part is compared, with the lines around it
    skipped_end = max(0, end - context_lines)
    compared = (old[skipped_start : len(old) - skipped_end], new[skipped_start : len(new) - skipped_end])
    lines = [
        _shift_line_numbers(line, skipped_start)
        for line in list(difflib.unified_diff(*compared, n=context_lines, lineterm=""))[2:]
    ]
    signs = [line[:1] for line in lines]
    return Diff(tuple(line[:MAX_LINE_LENGTH] for line in lines), signs.count("+"), signs.count("-"))


def _shift_line_numbers(line: str, offset: int) -> str:
    """Return a line of a diff with its line numbers, if any, shifted to those of the complete texts."""
    if not line.startswith("@@"):
        return line
    return _LINE_NUMBER.sub(lambda match: f"{match[1]}{int(match[2]) + offset}", line)


def _count_common_lines(old: list[str], new: list[str]) -> tuple[int, int]:
    """Return how many lines both start with, and how many more they end with."""
    max_count = min(len(old), len(new))
    start = next((n for n in range(max_count) if old[n] != new[n]), max_count)
    remaining = max_count - start
    end = next((n for n in range(remaining) if old[-1 - n] != new[-1 - n]), remaining)
    return start, end
