"""Duration of a click while other users click too: real browser sessions over the WebSocket, without a browser.

Users wait for the end of the script run. AppTest does not show it: it has neither other sessions nor the garbage collector.
"""

import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from benchmarks.figures import Figure, judge_goal
from benchmarks.stores import experiment_id_of
from lib.backends.backend import Backend
from tests.support.browser import Process, serve_podium

PAUSE_SECONDS = 2.0
"""Pause between the end of a run and the user's next click."""
CLICK_TIMEOUT_SECONDS = 120.0
MAX_GROWTH_MB = 100
MEGABYTE = 1_000_000


@dataclass
class Session:
    """One user: one page after another, each requested when the previous one has ended. `seconds` are those of each run."""

    address: str
    seconds: list[float] = field(default_factory=list)

    def click_through(self, pages: Sequence[tuple[str, str]], rounds: int, pause: float = PAUSE_SECONDS) -> None:
        """Open these pages in turn, each given by name and query."""
        parts = urlsplit(self.address)
        with connect(
            f"ws://{parts.netloc}/_stcore/stream", origin=self.address, subprotocols=["streamlit"], max_size=None
        ) as socket:
            for name, query in list(pages) * rounds:
                start = time.perf_counter()
                self._run_page(socket, name, query)
                self.seconds.append(time.perf_counter() - start)
                time.sleep(pause)

    def _run_page(self, socket: ClientConnection, name: str, query: str) -> None:
        message = BackMsg()
        message.rerun_script.page_name = name
        message.rerun_script.query_string = query
        message.rerun_script.context_info.url = f"{self.address}/{name}?{query}"
        socket.send(message.SerializeToString())
        while True:
            answer = ForwardMsg.FromString(socket.recv(timeout=CLICK_TIMEOUT_SECONDS))
            if answer.WhichOneof("type") == "script_finished" and answer.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                return


def measure_sessions(store: Backend, folder: Path, counts: Sequence[int], rounds: int) -> Iterator[Figure]:
    """Measure the median click of this many concurrent users and the memory afterwards, then the memory after many reloads."""
    podium = serve_podium(store.uri, folder)
    pages = (("", ""), ("compare", f"experiment={experiment_id_of(store)}"), ("models", ""), ("audit", ""))
    try:
        run_sessions(podium, pages, 1, 2, pause=0)
        for count in counts:
            seconds = run_sessions(podium, pages, count, rounds)
            late = statistics.quantiles(seconds, n=20)[-1]
            what = f"a click while {count} people click, {memory_megabytes(podium):.0f} MB, 95 of 100 within {late:.1f} s"
            yield Figure(what, statistics.median(seconds))
        yield _measure_reloads(podium, pages, 50 * rounds)
    finally:
        podium.stop()


def _measure_reloads(podium: Process, pages: Sequence[tuple[str, str]], reloads: int) -> Figure:
    before, seconds = memory_megabytes(podium), list[float]()
    for _ in range(reloads):
        seconds += run_sessions(podium, pages[:1], 1, 1, pause=0)
    growth = memory_megabytes(podium) - before
    return Figure(
        f"a reload, the memory after {reloads} of them {growth:+.0f} MB from {before:.0f}",
        statistics.median(seconds),
        **judge_goal(f"less than {MAX_GROWTH_MB} MB more", growth, maximum=MAX_GROWTH_MB, minimum=float("-inf")),
    )


def run_sessions(
    podium: Process, pages: Sequence[tuple[str, str]], count: int, rounds: int, pause: float = PAUSE_SECONDS
) -> list[float]:
    """Let this many users click concurrently; returns the seconds of every click."""
    sessions = [Session(podium.url) for _ in range(count)]
    threads = [threading.Thread(target=session.click_through, args=(pages, rounds, pause)) for session in sessions]
    for thread in threads:
        thread.start()
        time.sleep(pause / count)
    for thread in threads:
        thread.join()
    seconds = [second for session in sessions for second in session.seconds]
    if len(seconds) != count * rounds * len(pages):
        raise RuntimeError(podium.log.read_text(errors="replace")[-4000:])
    return seconds


def memory_megabytes(podium: Process) -> float:
    """Return the memory of the process."""
    return float(psutil.Process(podium.process.pid).memory_info().rss) / MEGABYTE
