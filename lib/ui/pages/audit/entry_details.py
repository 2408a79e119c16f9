"""What an entry carries beyond its sentence, as the facts of its card: imports, requests, gates, freezes, corrections."""

from lib.ledger.entry.fields import Correction, Gate
from lib.ledger.entry.types import (
    SCHEMA,
    Body,
    Corrected,
    Decided,
    FollowedUp,
    Frozen,
    Imported,
    Lineage,
    Requested,
    Volume,
    Withdrawn,
)
from lib.ledger.entry.vocabulary import CATEGORIES, as_time
from lib.ui.components.badges import HEALTH, STAGE, chip, icon
from lib.ui.components.formatting import md, moment, score, short

_ANSWERS = {"PASS": ("ok", "pass"), "FAIL": ("broken", "fail"), "INCONCLUSIVE": ("warning", "cannot tell")}


def more_facts(body: Body) -> dict[str, str]:
    """Name and value in Markdown; empty for entries whose card says everything already."""
    match body:
        case Imported():
            told = _imported(body)
        case Requested():
            told = _requested(body)
        case Decided():
            told = _decided(body)
        case Corrected():
            told = {"Corrects": ", ".join(short(md(one)) for one in body.supersedes), **said_instead(body.instead)}
        case _:
            told = _short(body)
    return {name: value for name, value in told.items() if value}


def _short(body: Body) -> dict[str, str]:
    """The entries that carry one or two things."""
    match body:
        case Withdrawn():
            return {"Takes back": short(md(body.request))}
        case Frozen():
            return {"Run": short(md(body.run_id)), "Commit": short(md(body.git_commit)), "Data files": str(len(body.dvc) or "")}
        case FollowedUp():
            return {"Looks back on": short(md(body.decision))}
        case Volume():
            return {"Goes on in": short(md(body.next))}
        case _:
            return {"Schema": f"{body.schema_}, newer than this Podium knows"} if body.schema_ > SCHEMA else {}


def said_instead(instead: Correction) -> dict[str, str]:
    """What a correction puts in place of what the entry says."""
    told = {
        "Reason now": f"{md(instead.reason.text)} ({_category(instead.reason.category)})" if instead.reason else "",
        "Note now": md(instead.note or ""),
        "Name now": md(instead.by.name) if instead.by else "",
        "Time now": moment(as_time(instead.effective_at)) if instead.effective_at else "",
        "Taken back": "It was imported by mistake" if instead.void else "",
    }
    return {name: value for name, value in told.items() if value}


def _imported(body: Imported) -> dict[str, str]:
    source = body.source
    return {
        "Reason": _category(body.reason.category) if body.reason else "",
        "Move": _move(body.from_ or "", body.to or ""),
        "Note": md(body.note or "") if body.reason else "",
        "Known only as": " to ".join(moment(as_time(at)) for at in body.window) if body.window else "",
        **(_lineage(body.lineage) if body.lineage else {}),
        "Imported by": f"{md(body.by.name)} on {moment(as_time(body.recorded_at))}",
        "From": f"{md(source.name)}{f', line {source.line}' if source.line else ''} :gray[sha256 {short(source.sha256)}]",
    }


def _requested(body: Requested) -> dict[str, str]:
    return {
        "Reason": _category(body.reason.category),
        "Move": _move(body.from_, body.to),
        "Risk": md(body.risk),
        "Conditions": md("; ".join(body.conditions)),
        "Evidence": short(md(body.evidence.sha)) if body.evidence else "",
        "Open until": moment(as_time(body.expires_at)) if body.expires_at else "",
    }


def _decided(body: Decided) -> dict[str, str]:
    waived = [f"{md(one.gate)} until {moment(as_time(one.expires_at))}: {md(one.reason.text)}" for one in body.waivers or ()]
    return {
        "Request": short(md(body.request or "")),
        "Policy": md(body.policy.name) if body.policy else "",
        "Gates": ", ".join(_gate(one) for one in body.gates or ()),
        "Waived": "; ".join(waived),
        "Look back on": moment(as_time(body.follow_up_at)) if body.follow_up_at else "",
    }


def _gate(gate: Gate) -> str:
    state, word = _ANSWERS[gate.answer]
    return f"{icon(HEALTH, state)} {md(gate.name)} {word}"


def _lineage(came: Lineage) -> dict[str, str]:
    measured = [f"{md(n)} {score(v) if isinstance(v, float) else md(v)}" for n, v in list(came.metrics.items())[:4]]
    return {
        "Measured": " · ".join(measured),
        "Data": " · ".join(f"{md(name)} {short(md(digest))}" for name, digest in came.data.items()),
        "Commit": short(md(came.git_commit)),
    }


def _move(from_: str, to: str) -> str:
    return " → ".join(chip(STAGE, stage) for stage in (from_, to) if stage)


def _category(name: str) -> str:
    return CATEGORIES.get(name, md(name))
