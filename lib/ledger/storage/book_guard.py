"""The checks on a book before an append: it must be intact or settled, and the one this Podium saw before."""

from dataclasses import dataclass, field
from datetime import datetime

from lib.backends.backend import Backend
from lib.errors import LedgerBroken
from lib.ledger.chain.book_findings import blocking_finding, list_findings
from lib.ledger.chain.hash_chain import Anchor
from lib.ledger.entry.timestamps import format_timestamp
from lib.ledger.state.known_heads import KnownHead, alarm_error, judge_known_head, make_known_head, read_replacements
from lib.ledger.state.replay import BookState
from lib.ledger.state.settlements import mark_settled, read_settlements
from lib.ledger.storage.head_memory import HeadMemory
from lib.ledger.storage.key_trust import read_process_keys


@dataclass
class BookGuard:
    """Guards one append. `anchors` are heads stored elsewhere. An entry that `settles` something passes with any book."""

    backend: Backend
    book_id: str
    memory: HeadMemory | None = None
    anchors: tuple[Anchor, ...] = ()
    settles: bool = False
    known_head: KnownHead | None = field(default=None, init=False)

    def read_known_head(self) -> None:
        """Read the remembered head of the book. Call this before reading the book."""
        self.known_head = self.memory.read(self.backend).heads.get(self.book_id) if self.memory else None

    def require_sound_book(self, state: BookState) -> None:
        """Raise LedgerBroken if an unsettled finding blocks writing, or the book does not continue from its remembered head."""
        if self.settles:
            return
        read_keys = self.memory.read_keys if self.memory else read_process_keys
        if self.known_head and (alarm := judge_known_head(self.known_head, state.book, read_replacements([state], read_keys))):
            raise alarm_error(alarm)
        findings = list_findings(state.book, self.anchors)
        if blocking_finding(findings) is None:
            return
        if finding := blocking_finding(mark_settled(findings, read_settlements(state.book, read_process_keys()))):
            raise LedgerBroken(
                f"At place {finding.position} of the book: {finding.what}.",
                means=f"{finding.means} Nothing is written until this is settled.",
                next="Compare it with a backup or an exported record and find out who did it. Then settle it with a reason.",
            )

    def remember_head(self, state: BookState, at: datetime) -> None:
        """Remember the head of the book after the append."""
        if self.memory:
            model = self.known_head.model if self.known_head else state.model_name
            head = make_known_head(model, self.book_id, state.book, format_timestamp(at))
            self.memory.remember_book(self.backend, head, state)
