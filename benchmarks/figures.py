"""One measured promise: Podium's seconds beside those of a peer and of a floor from the same minutes, and what was promised.

Only the ratios say something: seconds depend on the machine and on what else it does.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """Seconds of Podium, of a peer, of a floor (0 for none). `goal` reads as people say it; `kept` is None where nothing was promised."""

    what: str
    podium: float
    peer: float = 0.0
    peer_is: str = ""
    floor: float = 0.0
    floor_is: str = ""
    goal: str = ""
    kept: bool | None = None

    @property
    def times_faster(self) -> float:
        """How many times as long the peer takes; 0 without a peer."""
        return round(self.peer / self.podium, 2) if self.peer else 0.0

    @property
    def above_floor(self) -> float:
        """How many times as long as the floor; 0 without a floor."""
        return round(self.podium / self.floor, 2) if self.floor else 0.0

    def as_json(self) -> dict[str, Any]:
        """Everything, with the ratios."""
        return asdict(self) | {"times_faster": self.times_faster, "above_floor": self.above_floor}


def quickest(
    ways: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """The least seconds of each way over so many rounds. The ways take turns, so that a slow minute hits them all.

    `time.process_time` as the clock counts what this process works, whatever else the machine does.
    """
    seconds = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, way in ways.items():
            begun = clock()
            way()
            seconds[name] = min(seconds[name], clock() - begun)
    return seconds


def goal(said: str, value: float, *, least: float = 0.0, most: float = float("inf")) -> dict[str, Any]:
    """A goal in words and whether it was kept: the value lies between `least` and `most`."""
    return {"goal": said, "kept": least <= value <= most}


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table."""
    head = "| what | Podium | peer | ratio | floor | ratio | goal |\n|---|---|---|---|---|---|---|\n"
    return head + "".join(_row(one) for one in figures)


def _row(one: Figure) -> str:
    peer = f"{_seconds(one.peer)} {one.peer_is}" if one.peer else ""
    floor = f"{_seconds(one.floor)} {one.floor_is}" if one.floor else ""
    faster = f"**{one.times_faster:g}× as quick**" if one.peer else ""
    above = f"{one.above_floor:g}×" if one.floor else ""
    goal = f"{one.goal}: {'kept' if one.kept else 'missed'}" if one.kept is not None else one.goal
    return f"| {one.what} | {_seconds(one.podium)} | {peer} | {faster} | {floor} | {above} | {goal} |\n"


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
