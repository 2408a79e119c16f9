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


def measure_quickest(
    actions: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """The least seconds of each action over so many rounds. The actions take turns, so that a slow minute hits them all.

    `time.process_time` as the clock counts what this process works, whatever else the machine does.
    """
    seconds = dict.fromkeys(actions, float("inf"))
    for _ in range(rounds):
        for name, action in actions.items():
            start = clock()
            action()
            seconds[name] = min(seconds[name], clock() - start)
    return seconds


def judge_goal(text: str, value: float, *, minimum: float = 0.0, maximum: float = float("inf")) -> dict[str, Any]:
    """A goal in words and whether it was kept: the value lies between `least` and `most`."""
    return {"goal": text, "kept": minimum <= value <= maximum}


def figure_table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table."""
    head = "| what | Podium | peer | ratio | floor | ratio | goal |\n|---|---|---|---|---|---|---|\n"
    return head + "".join(_format_row(figure) for figure in figures)


def _format_row(figure: Figure) -> str:
    peer = f"{_format_seconds(figure.peer)} {figure.peer_is}" if figure.peer else ""
    floor = f"{_format_seconds(figure.floor)} {figure.floor_is}" if figure.floor else ""
    faster = f"**{figure.times_faster:g}× as quick**" if figure.peer else ""
    above = f"{figure.above_floor:g}×" if figure.floor else ""
    goal = f"{figure.goal}: {'kept' if figure.kept else 'missed'}" if figure.kept is not None else figure.goal
    return f"| {figure.what} | {_format_seconds(figure.podium)} | {peer} | {faster} | {floor} | {above} | {goal} |\n"


def _format_seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
