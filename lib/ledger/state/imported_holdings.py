"""Imported holdings from before the record: who reportedly held what, and according to which file. Pure.

Each file is one account. Its lines are read by time; a line ends the previous holding of the same slot. If two accounts, two lines of one
account, or an account and the start of the record contradict each other, the holder is unknown. Nothing here covers the time since the
record began.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby, pairwise

from lib.ledger.chain.hash_chain import Entry
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.types import Imported, Lineage, Opened
from lib.ledger.entry.vocabulary import SLOTS, Actor, Reason, Slot
from lib.ledger.state.corrections import corrected_entries
from lib.ledger.state.holdings import Holding, recorded_holdings
from lib.text import version_list


@dataclass(frozen=True)
class ImportedEvidence:
    """What imported entries say about a holding: who decided it, why, the version's lineage and note, and their positions."""

    actor: Actor
    reason: Reason | None
    lineage: Lineage
    entry_positions: tuple[int, ...]
    import_body: Imported
    note: str = ""


@dataclass(frozen=True)
class _Step:
    """A line of an account about one slot: the holders since `at`; unknown between `unknown_since` and `at`."""

    entry: Entry
    file: str
    unknown_since: datetime
    at: datetime
    previous_holders: tuple[str, ...] | None
    holders: tuple[str, ...]


@dataclass(frozen=True)
class _Interval:
    """What one account says about a time interval. `holders` is None if unknown; then `explanation` says why."""

    since: datetime
    until: datetime
    holders: tuple[str, ...] | None
    position: int
    file: str
    end_position: int = 0
    explanation: str = ""


def imported_holdings(entries: Sequence[Entry]) -> tuple[Holding, ...]:
    """Every imported holding from before the record, oldest first, with `is_imported` set. Empty slots leave gaps."""
    opening = _opening(entries)
    if opening is None:
        return ()
    holdings = [holding for slot in SLOTS for holding in _slot_holdings(_steps(entries, slot), slot, opening)]
    return tuple(sorted(holdings, key=lambda holding: (holding.since, holding.position)))


def all_holdings(entries: Sequence[Entry]) -> tuple[Holding, ...]:
    """The imported holdings, followed by the recorded ones."""
    return (*imported_holdings(entries), *recorded_holdings(entries))


def imported_since(entries: Sequence[Entry], slot: Slot) -> datetime | None:
    """The first time for which an imported entry reports the holder of a slot; None if there is none."""
    return min((step.at for step in _steps(entries, slot)), default=None)


def imported_evidence(entries: Sequence[Entry], holding: Holding) -> ImportedEvidence | None:
    """What the imported entries say about an imported holding; None if its entry is gone."""
    version_entries = [
        entry
        for entry in corrected_entries(entries)
        if isinstance(entry.body, Imported) and entry.body.version == holding.version
    ]
    main_entry = next((entry for entry in version_entries if entry.position == holding.position), None)
    if main_entry is None or not isinstance(main_entry.body, Imported):
        return None
    stage = SLOTS[holding.slot]
    until = parse_timestamp(main_entry.body.window[1] if main_entry.body.window else main_entry.body.effective_at)
    earlier_entries = [entry for entry in version_entries if parse_timestamp(entry.body.effective_at or "") <= until]
    earlier_entries.sort(key=lambda entry: (parse_timestamp(entry.body.effective_at or ""), entry.position))
    approvals = [
        e
        for e in earlier_entries
        if isinstance(e.body, Imported) and e.body.of == "DECIDED" and e.body.verdict == "approve" and e.body.to == stage
    ]
    decision = approvals[-1].body if approvals else main_entry.body
    assert isinstance(decision, Imported)
    lineage, proof_positions = _merge_lineage(earlier_entries)
    registrations = [e for e in earlier_entries if isinstance(e.body, Imported) and e.body.of == "REGISTERED"][-1:]
    positions = {main_entry.position, *(entry.position for entry in (*approvals[-1:], *registrations)), *proof_positions}
    note = next((e.body.note or "" for e in registrations), "")
    reason = decision.reason or main_entry.body.reason
    return ImportedEvidence(decision.actor, reason, lineage, tuple(sorted(positions)), main_entry.body, note)


def _merge_lineage(entries: Sequence[Entry]) -> tuple[Lineage, set[int]]:
    """Each part from the last line that has it, and the positions of those lines."""
    parts, positions = dict[str, object](), dict[str, int]()
    for entry in entries:
        lineage = entry.body.lineage if isinstance(entry.body, Imported) else None
        for name in ("metrics", "data", "git_commit", "run_id"):
            if lineage and getattr(lineage, name):
                parts[name], positions[name] = getattr(lineage, name), entry.position
    return Lineage.model_validate(parts), set(positions.values())


def _opening(entries: Iterable[Entry]) -> tuple[Entry, Opened] | None:
    return next(((entry, entry.body) for entry in entries if isinstance(entry.body, Opened)), None)


def _steps(entries: Sequence[Entry], slot: Slot) -> list[_Step]:
    """The imported lines about a slot, by time. Lines claiming a time within the record do not count."""
    opening = _opening(entries)
    record_begin = parse_timestamp(opening[1].recorded_at) if opening else None
    steps = list[_Step]()
    for entry in corrected_entries(entries):
        body = entry.body
        if not isinstance(body, Imported) or body.now is None or slot not in body.now or record_begin is None:
            continue
        unknown_since, at = (parse_timestamp(text) for text in body.window or (body.effective_at, body.effective_at))
        if at <= record_begin and unknown_since < record_begin:
            previous_holders = body.was[slot].holders if body.was and slot in body.was else None
            steps.append(_Step(entry, body.source.sha256, unknown_since, at, previous_holders, body.now[slot].holders))
    return sorted(steps, key=lambda step: (step.unknown_since, step.at, _line_number(step), step.entry.position))


def _line_number(step: _Step) -> int:
    return step.entry.body.source.line if isinstance(step.entry.body, Imported) else 0


def _slot_holdings(steps: Sequence[_Step], slot: Slot, opening: tuple[Entry, Opened]) -> list[Holding]:
    record_begin = parse_timestamp(opening[1].recorded_at)
    accounts = [_account_intervals(steps, file, record_begin) for file in dict.fromkeys(step.file for step in steps)]
    boundaries = sorted({at for account in accounts for interval in account for at in (interval.since, interval.until)})
    intervals = [
        _combine_accounts([interval for account in accounts if (interval := _interval_at(account, a))], a, b)
        for a, b in pairwise(boundaries)
    ]
    intervals, opening_holders = _join_intervals(intervals), opening[1].now[slot].holders
    if intervals and (last_holders := intervals[-1].holders) is not None and set(last_holders) != set(opening_holders):
        file_name = next((_file_name(step) for step in steps if step.entry.position == intervals[-1].position), "")
        explanation = f"{version_list(last_holders)} by {file_name}, {version_list(opening_holders)} when the record began"
        intervals[-1] = replace(intervals[-1], holders=None, explanation=explanation)
    holdings = [
        _holding(interval, slot, opening[0].position if interval.until == record_begin else interval.end_position)
        for interval in intervals
    ]
    return [holding for holding in holdings if holding is not None]


def _account_intervals(steps: Sequence[_Step], file: str, record_begin: datetime) -> list[_Interval]:
    """The intervals of one file, from its first line on. Its last line holds until another file reports, or the record begins."""
    own_steps = [
        _merge_simultaneous(list(group))
        for _, group in groupby((s for s in steps if s.file == file), key=lambda s: (s.unknown_since, s.at))
    ]
    other_steps = (step for step in steps if step.file != file and step.unknown_since > own_steps[-1].at)
    last_until = min((step.unknown_since for step in other_steps), default=record_begin)
    intervals = list[_Interval]()
    for step, next_step in zip(own_steps, [*own_steps[1:], None], strict=True):
        until = max(step.at, next_step.unknown_since if next_step else last_until)
        end_position = next_step.entry.position if next_step else 0
        interval = _Interval(step.at, until, step.holders, step.entry.position, file, end_position)
        if len(step.holders) > 1:
            interval = replace(interval, holders=None, explanation=f"{version_list(step.holders)} at once")
        elif next_step and next_step.previous_holders is not None and set(next_step.previous_holders) != set(step.holders):
            line, next_line = _line_number(step), _line_number(next_step)
            holders_text, next_holders_text = version_list(step.holders), version_list(next_step.previous_holders)
            explanation = f"{holders_text} by line {line}, {next_holders_text} by line {next_line} of {_file_name(step)}"
            interval = replace(interval, holders=None, explanation=explanation)
        intervals.append(interval)
        if next_step and next_step.at > until:
            explanation = "moved at some time that day"
            intervals.append(_Interval(until, next_step.at, None, next_step.entry.position, file, explanation=explanation))
    return [interval for interval in intervals if interval.since < interval.until]


def _interval_at(account: Sequence[_Interval], at: datetime) -> _Interval | None:
    """What an account says about an instant; its intervals are ordered by time."""
    index = bisect_right(account, at, key=lambda interval: interval.since) - 1
    return account[index] if index >= 0 and at < account[index].until else None


def _merge_simultaneous(steps: Sequence[_Step]) -> _Step:
    """Merge the lines of one instant: the last one counts, unless two of them put different versions into the slot."""
    entering_steps = [step for step in steps if step.holders and step.entry.body.version in step.holders]
    versions = tuple(dict.fromkeys(str(step.entry.body.version) for step in entering_steps))
    if len(versions) > 1 and steps[0].unknown_since == steps[0].at:
        return replace(steps[-1], holders=versions, previous_holders=steps[0].previous_holders)
    last_step = next((step for step in reversed(entering_steps) if step.holders == steps[-1].holders), steps[-1])
    return replace(last_step, previous_holders=steps[0].previous_holders)


def _combine_accounts(intervals: Sequence[_Interval], since: datetime, until: datetime) -> _Interval:
    """What all accounts of an interval agree on. An account without an answer is ignored if another has one."""
    if not intervals:
        return _Interval(since, until, None, 0, "", explanation="no account covers it")
    certain_intervals = [interval for interval in intervals if interval.holders is not None]
    combined = replace((certain_intervals or intervals)[0], since=since, until=until)
    if len({interval.holders for interval in certain_intervals}) < 2:
        return combined
    texts = dict.fromkeys(version_list(interval.holders or ()) for interval in certain_intervals)
    return replace(combined, holders=None, explanation="contradicting accounts: " + ", ".join(texts))


def _join_intervals(intervals: Sequence[_Interval]) -> list[_Interval]:
    """Merge adjacent intervals with the same content."""
    joined_intervals = list[_Interval]()
    for interval in intervals:
        last = joined_intervals[-1] if joined_intervals else None
        if last and (last.holders, last.explanation, last.until) == (interval.holders, interval.explanation, interval.since):
            joined_intervals[-1] = replace(last, until=interval.until, end_position=interval.end_position)
        else:
            joined_intervals.append(interval)
    return joined_intervals


def _holding(interval: _Interval, slot: Slot, end_position: int) -> Holding | None:
    if interval.holders == ():
        return None
    return Holding(
        slot,
        version=interval.holders[0] if interval.holders else None,
        since=interval.since,
        until=interval.until,
        position=interval.position,
        explanation=interval.explanation,
        end_position=end_position,
        is_imported=True,
    )


def _file_name(step: _Step) -> str:
    return step.entry.body.source.name if isinstance(step.entry.body, Imported) else ""
