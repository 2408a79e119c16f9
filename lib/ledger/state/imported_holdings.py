"""What was imported of the time before the record: who is said to have held what, and on whose word. Pure.

Each file is one account. Its lines are read in the order of their times; a line ends what the lines before it said of the same
slot. Where two accounts, two lines of one account, or an account and the beginning of the record contradict each other, the holder
is unknown. Nothing here speaks of the time since the record began.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby, pairwise

from lib.ledger.chain.hash_chain import Entry
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.types import Imported, Lineage, Opened
from lib.ledger.entry.vocabulary import SLOTS, Actor, Reason, Slot, version_list
from lib.ledger.state.corrections import corrected_entries
from lib.ledger.state.holdings import Holding, recorded_holdings


@dataclass(frozen=True)
class ImportedEvidence:
    """What the imported entries say of a holding: who decided it, why, what the version was, and the places that say so."""

    actor: Actor
    reason: Reason | None
    lineage: Lineage
    entry_positions: tuple[int, ...]
    import_body: Imported
    note: str = ""


@dataclass(frozen=True)
class _Step:
    """A line of an account about one slot: the holders since `at`; between `dark` and `at` it was not known yet."""

    entry: Entry
    file: str
    dark: datetime
    at: datetime
    was: tuple[str, ...] | None
    now: tuple[str, ...]


@dataclass(frozen=True)
class _Stretch:
    """What one account says of a stretch of time; `now` is None where it does not know, and `why` then says why."""

    since: datetime
    until: datetime
    now: tuple[str, ...] | None
    place: int
    file: str
    ended: int = 0
    why: str = ""


def imported_holdings(entries: Sequence[Entry]) -> tuple[Holding, ...]:
    """Every holding before the record as it was imported, oldest first; `imported` is set. Slots that nobody held leave gaps."""
    opening = _opening(entries)
    if opening is None:
        return ()
    held = [one for slot in SLOTS for one in _slot(_steps(entries, slot), slot, opening)]
    return tuple(sorted(held, key=lambda holding: (holding.since, holding.position)))


def all_holdings(entries: Sequence[Entry]) -> tuple[Holding, ...]:
    """The holdings of a book, and before them what was imported."""
    return (*imported_holdings(entries), *recorded_holdings(entries))


def imported_since(entries: Sequence[Entry], slot: Slot) -> datetime | None:
    """From when on an imported entry says who held a slot; None when none does."""
    return min((step.at for step in _steps(entries, slot)), default=None)


def imported_evidence(entries: Sequence[Entry], holding: Holding) -> ImportedEvidence | None:
    """What the imported entries say of an imported holding; None when the entry is not there any more."""
    lines = [
        entry
        for entry in corrected_entries(entries)
        if isinstance(entry.body, Imported) and entry.body.version == holding.version
    ]
    main = next((entry for entry in lines if entry.position == holding.position), None)
    if main is None or not isinstance(main.body, Imported):
        return None
    stage = SLOTS[holding.slot]
    until = parse_timestamp(main.body.window[1] if main.body.window else main.body.effective_at)
    earlier = [entry for entry in lines if parse_timestamp(entry.body.effective_at or "") <= until]
    earlier.sort(key=lambda entry: (parse_timestamp(entry.body.effective_at or ""), entry.position))
    made = [
        e
        for e in earlier
        if isinstance(e.body, Imported) and e.body.of == "DECIDED" and e.body.verdict == "approve" and e.body.to == stage
    ]
    decided = made[-1].body if made else main.body
    assert isinstance(decided, Imported)
    came, proof = _lineage(earlier)
    born = [e for e in earlier if isinstance(e.body, Imported) and e.body.of == "REGISTERED"][-1:]
    places = {main.position, *(entry.position for entry in (*made[-1:], *born)), *proof}
    note = next((e.body.note or "" for e in born), "")
    return ImportedEvidence(decided.actor, decided.reason or main.body.reason, came, tuple(sorted(places)), main.body, note)


def _lineage(lines: Sequence[Entry]) -> tuple[Lineage, set[int]]:
    """Each part from the last line that tells it, and the places of those lines."""
    parts, proof = dict[str, object](), dict[str, int]()
    for entry in lines:
        came = entry.body.lineage if isinstance(entry.body, Imported) else None
        for name in ("metrics", "data", "git_commit", "run_id"):
            if came and getattr(came, name):
                parts[name], proof[name] = getattr(came, name), entry.position
    return Lineage.model_validate(parts), set(proof.values())


def _opening(entries: Iterable[Entry]) -> tuple[Entry, Opened] | None:
    return next(((entry, entry.body) for entry in entries if isinstance(entry.body, Opened)), None)


def _steps(entries: Sequence[Entry], slot: Slot) -> list[_Step]:
    """The imported lines about a slot, in the order of their times; what claims to be of the record's own time does not count."""
    opening = _opening(entries)
    begins = parse_timestamp(opening[1].recorded_at) if opening else None
    steps = list[_Step]()
    for entry in corrected_entries(entries):
        body = entry.body
        if not isinstance(body, Imported) or body.now is None or slot not in body.now or begins is None:
            continue
        dark, at = (parse_timestamp(text) for text in body.window or (body.effective_at, body.effective_at))
        if at <= begins and dark < begins:
            was = body.was[slot].holders if body.was and slot in body.was else None
            steps.append(_Step(entry, body.source.sha256, dark, at, was, body.now[slot].holders))
    return sorted(steps, key=lambda step: (step.dark, step.at, _line(step), step.entry.position))


def _line(step: _Step) -> int:
    return step.entry.body.source.line if isinstance(step.entry.body, Imported) else 0


def _slot(steps: Sequence[_Step], slot: Slot, opening: tuple[Entry, Opened]) -> list[Holding]:
    begins = parse_timestamp(opening[1].recorded_at)
    accounts = [_account(steps, file, begins) for file in dict.fromkeys(step.file for step in steps)]
    ends = sorted({at for account in accounts for one in account for at in (one.since, one.until)})
    cut = [_agreed([one for account in accounts if (one := _at(account, a))], a, b) for a, b in pairwise(ends)]
    joined = _joined(cut)
    if joined and joined[-1].now is not None and set(joined[-1].now) != set(opening[1].now[slot].holders):
        shown = version_list(opening[1].now[slot].holders)
        joined[-1] = replace(
            joined[-1],
            now=None,
            why=f"{version_list(joined[-1].now)} by {_file(steps, joined[-1])}, {shown} when the record began",
        )
    held = [_holding(one, slot, opening[0].position if one.until == begins else one.ended) for one in joined]
    return [one for one in held if one is not None]


def _account(steps: Sequence[_Step], file: str, begins: datetime) -> list[_Stretch]:
    """What one file says, from its first line on. Its last word stands until any other file speaks, or the record begins."""
    own = [_at_once(list(same)) for _, same in groupby((s for s in steps if s.file == file), key=lambda s: (s.dark, s.at))]
    last = min((step.dark for step in steps if step.file != file and step.dark > own[-1].at), default=begins)
    said = list[_Stretch]()
    for step, after in zip(own, [*own[1:], None], strict=True):
        until = max(step.at, after.dark if after else last)
        stretch = _Stretch(step.at, until, step.now, step.entry.position, file, after.entry.position if after else 0)
        if len(step.now) > 1:
            stretch = replace(stretch, now=None, why=f"{version_list(step.now)} at once")
        elif after and after.was is not None and set(after.was) != set(step.now):
            name = _name(step)
            why = f"{version_list(step.now)} by line {_line(step)}, {version_list(after.was)} by line {_line(after)} of {name}"
            stretch = replace(stretch, now=None, why=why)
        said.append(stretch)
        if after and after.at > until:
            said.append(_Stretch(until, after.at, None, after.entry.position, file, why="moved at some time of that day"))
    return [one for one in said if one.since < one.until]


def _at(account: Sequence[_Stretch], at: datetime) -> _Stretch | None:
    """What an account says of an instant; its stretches stand in the order of time."""
    n = bisect_right(account, at, key=lambda one: one.since) - 1
    return account[n] if n >= 0 and at < account[n].until else None


def _at_once(same: Sequence[_Step]) -> _Step:
    """The lines of one instant as one: the last counts, unless two of them put different versions into the slot."""
    entered = [step for step in same if step.now and step.entry.body.version in step.now]
    put = tuple(dict.fromkeys(str(step.entry.body.version) for step in entered)) if same[0].dark == same[0].at else ()
    if len(put) > 1:
        return replace(same[-1], now=put, was=same[0].was)
    last = next((step for step in reversed(entered) if step.now == same[-1].now), same[-1])
    return replace(last, was=same[0].was)


def _agreed(told: Sequence[_Stretch], since: datetime, until: datetime) -> _Stretch:
    """What all accounts of a stretch agree on. One that does not know says nothing where another does."""
    if not told:
        return _Stretch(since, until, None, 0, "", why="no account tells of it")
    sure = [one for one in told if one.now is not None]
    says = {one.now for one in sure}
    one = replace((sure or told)[0], since=since, until=until)
    if len(says) < 2:
        return one
    why = "contradicting accounts: " + ", ".join(dict.fromkeys(version_list(s.now or ()) for s in sure))
    return replace(one, now=None, why=why)


def _joined(cut: Sequence[_Stretch]) -> list[_Stretch]:
    """Neighbours that say the same become one."""
    joined = list[_Stretch]()
    for one in cut:
        if joined and (joined[-1].now, joined[-1].why, joined[-1].until) == (one.now, one.why, one.since):
            joined[-1] = replace(joined[-1], until=one.until, ended=one.ended)
        else:
            joined.append(one)
    return joined


def _holding(one: _Stretch, slot: Slot, ended: int) -> Holding | None:
    if one.now == ():
        return None
    version = one.now[0] if one.now else None
    return Holding(slot, version, one.since, one.until, one.place, explanation=one.why, end_position=ended, is_imported=True)


def _name(step: _Step) -> str:
    return step.entry.body.source.name if isinstance(step.entry.body, Imported) else ""


def _file(steps: Sequence[_Step], stretch: _Stretch) -> str:
    return next((_name(step) for step in steps if step.entry.position == stretch.place), "")
