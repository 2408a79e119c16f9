"""A measured figure: Podium's seconds next to those of a peer and a floor from the same minutes, and its goal.

Only the ratios are meaningful: seconds depend on the machine and its load.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """Seconds of Podium, a peer and a floor (0 for none). `goal` is in words; `kept` is None without a goal."""

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
        """How many times longer the peer takes; 0 without a peer."""
        return round(self.peer / self.podium, 2) if self.peer else 0.0

    @property
    def above_floor(self) -> float:
        """How many times longer than the floor; 0 without a floor."""
        return round(self.podium / self.floor, 2) if self.floor else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return all fields with the ratios."""
        return asdict(self) | {"times_faster": self.times_faster, "above_floor": self.above_floor}


def measure_quickest(
    actions: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Return the minimum seconds of each action over the rounds. The actions alternate, so a slow minute affects all of them.

    With `time.process_time` as the clock, only this process's CPU time counts.
    """
    seconds = dict.fromkeys(actions, float("inf"))
    for _ in range(rounds):
        for name, action in actions.items():
            start = clock()
            action()
            seconds[name] = min(seconds[name], clock() - start)
    return seconds


def judge_goal(text: str, value: float, *, minimum: float = 0.0, maximum: float = float("inf")) -> dict[str, Any]:
    """Return a goal in words and whether it was met: the value is between `minimum` and `maximum`."""
    return {"goal": text, "kept": minimum <= value <= maximum}


def figure_table(figures: Sequence[Figure]) -> str:
    """Return the figures as a Markdown table."""
    head = "| what | Podium | peer | ratio | floor | ratio | goal |\n|---|---|---|---|---|---|---|\n"
    return head + "".join(_format_row(figure) for figure in figures)


def _format_row(figure: Figure) -> str:
    peer = f"{_format_seconds(figure.peer)} {figure.peer_is}" if figure.peer else ""
    floor = f"{_format_seconds(figure.floor)} {figure.floor_is}" if figure.floor else ""
    faster = f"**{figure.times_faster:g}× as fast**" if figure.peer else ""
    above = f"{figure.above_floor:g}×" if figure.floor else ""
    goal = f"{figure.goal}: {'met' if figure.kept else 'missed'}" if figure.kept is not None else figure.goal
    return f"| {figure.what} | {_format_seconds(figure.podium)} | {peer} | {faster} | {floor} | {above} | {goal} |\n"


def _format_seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
