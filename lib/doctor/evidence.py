"""Evidence of findings as people read it: a bounded number of rows, and runs by name and short id. Secrets are masked."""

from collections.abc import Sequence

from lib.doctor.secret_detection import mask_secrets
from lib.doctor.types import Rows
from lib.runs.table.types import RunTable

MAX_ROWS = 50


def evidence_rows(rows: Sequence[tuple[str, ...]], max_rows: int = MAX_ROWS) -> Rows:
    """Evidence for people: the first rows, and a last one that tells how many there are beyond them. Secrets in it are covered."""
    head = tuple(tuple(mask_secrets(cell) for cell in row) for row in rows[:max_rows])
    if len(rows) <= max_rows:
        return head
    return (*head, (f"and {len(rows) - max_rows:,} more", *("" for _ in rows[0][1:])))


def run_label(table: RunTable, run_id: str) -> str:
    """What people call a run: its name and the beginning of its id, fit to be shown."""
    return format_run_label(str(table.identity.at[run_id, "name"] or ""), run_id)


def format_run_label(name: str, run_id: str) -> str:
    """The name of a run, secrets masked, and the beginning of its id; the latter alone for a run without a name."""
    return f"{mask_secrets(name)} ({run_id[:8]})" if name else run_id[:8]
