"""Facts shown on an entry's card beyond its summary: imports, requests, gates, freezes, and corrections."""

from lib.ledger.entry.fields import Correction, Gate
from lib.ledger.entry.schema import is_newer_body
from lib.ledger.entry.schema_2_types import PolicySet, Settlement
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.types import (
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
from lib.ledger.entry.vocabulary import REASON_CATEGORIES
from lib.ui.components.badges import HEALTH_BADGES, STAGE_BADGES, badge_markdown, icon_markdown
from lib.ui.components.formatting import escape, format_metric, format_time, short_hash

_MAX_SUBJECTS = 5
_GATE_ANSWERS = {"PASS": ("ok", "pass"), "FAIL": ("broken", "fail"), "INCONCLUSIVE": ("warning", "inconclusive")}


def entry_facts(body: Body, writer_name: str) -> dict[str, str]:
    """Return names and values in Markdown, empty if the summary is complete. `writer_name` is the displayed name."""
    match body:
        case Imported():
            facts = _import_facts(body, writer_name)
        case Requested():
            facts = _request_facts(body)
        case Decided():
            facts = _decision_facts(body)
        case Corrected():
            facts = {
                "Corrects": ", ".join(short_hash(escape(entry_id)) for entry_id in body.supersedes),
                **correction_facts(body.instead),
            }
        case _:
            facts = _other_facts(body)
    return {name: value for name, value in facts.items() if value}


def _other_facts(body: Body) -> dict[str, str]:
    """Return the facts of entry types with only one or two fields."""
    match body:
        case Withdrawn():
            return {"Withdraws request": short_hash(escape(body.request))}
        case Frozen():
            return {
                "Run": short_hash(escape(body.run_id)),
                "Commit": short_hash(escape(body.git_commit)),
                "Data files": str(len(body.dvc) or ""),
            }
        case FollowedUp():
            return {"Reviews decision": short_hash(escape(body.decision))}
        case Volume():
            return {"Continues in": short_hash(escape(body.next))}
        case _:
            return _second_schema_facts(body)


def _second_schema_facts(body: Body) -> dict[str, str]:
    """Return the facts of schema 2 entries, or a note for entries of a newer schema."""
    match body:
        case Settlement():
            heads = [f"position {head.place} of {short_hash(escape(head.book))}" for head in (body.was, body.now) if head]
            elsewhere = ", ".join(escape(short_hash(subject)) for subject in body.subjects[:_MAX_SUBJECTS])
            return {
                "Settles": escape(body.why),
                "Positions": ", ".join(map(str, body.places)),
                "Elsewhere": elsewhere + ", …" * (len(body.subjects) > _MAX_SUBJECTS),
                "Books": " → ".join(heads),
            }
        case PolicySet():
            return {
                "Policy": f"{escape(body.name)} :gray[sha256 {short_hash(escape(body.sha))}]",
                "Reviews": "required" if body.require_review else "not required",
            }
        case _:
            return {"Schema": f"{body.schema_}; this Podium is too old to read the entry"} if is_newer_body(body) else {}


def correction_facts(correction: Correction) -> dict[str, str]:
    """Return the values that a correction replaces."""
    facts = {
        "Corrected reason": f"{escape(correction.reason.text)} ({_category_label(correction.reason.category)})"
        if correction.reason
        else "",
        "Corrected note": escape(correction.note or ""),
        "Corrected name": escape(correction.by.name) if correction.by else "",
        "Corrected time": format_time(parse_timestamp(correction.effective_at)) if correction.effective_at else "",
        "Voided": "It was imported by mistake" if correction.void else "",
    }
    return {name: value for name, value in facts.items() if value}


def _import_facts(body: Imported, importer: str) -> dict[str, str]:
    source = body.source
    return {
        "Reason": _category_label(body.reason.category) if body.reason else "",
        "Move": _move_text(body.from_ or "", body.to or ""),
        "Note": escape(body.note or "") if body.reason else "",
        "Happened between": " and ".join(format_time(parse_timestamp(at)) for at in body.window) if body.window else "",
        **(_lineage_facts(body.lineage) if body.lineage else {}),
        "Imported by": f"{escape(importer)} on {format_time(parse_timestamp(body.recorded_at))}",
        "Source": f"{escape(source.name)}{f', line {source.line}' if source.line else ''} :gray[sha256 {short_hash(source.sha256)}]",
    }


def _request_facts(body: Requested) -> dict[str, str]:
    return {
        "Reason": _category_label(body.reason.category),
        "Move": _move_text(body.from_, body.to),
        "Risk": escape(body.risk),
        "Conditions": escape("; ".join(body.conditions)),
        "Evidence": short_hash(escape(body.evidence.sha)) if body.evidence else "",
        "Open until": format_time(parse_timestamp(body.expires_at)) if body.expires_at else "",
    }


def _decision_facts(body: Decided) -> dict[str, str]:
    waivers = [
        f"{escape(waiver.gate)} until {format_time(parse_timestamp(waiver.expires_at))}: {escape(waiver.reason.text)}"
        for waiver in body.waivers or ()
    ]
    return {
        "Request": short_hash(escape(body.request or "")),
        "Policy": escape(body.policy.name) if body.policy else "",
        "Gates": ", ".join(_gate_text(gate) for gate in body.gates or ()),
        "Waived": "; ".join(waivers),
        "Review due": format_time(parse_timestamp(body.follow_up_at)) if body.follow_up_at else "",
    }


def _gate_text(gate: Gate) -> str:
    state, answer = _GATE_ANSWERS[gate.answer]
    return f"{icon_markdown(HEALTH_BADGES, state)} {escape(gate.name)} {answer}"


def _lineage_facts(lineage: Lineage) -> dict[str, str]:
    metrics = [
        f"{escape(name)} {format_metric(value) if isinstance(value, float) else escape(value)}"
        for name, value in list(lineage.metrics.items())[:4]
    ]
    return {
        "Metrics": " · ".join(metrics),
        "Data": " · ".join(f"{escape(name)} {short_hash(escape(digest))}" for name, digest in lineage.data.items()),
        "Commit": short_hash(escape(lineage.git_commit)),
    }


def _move_text(from_: str, to: str) -> str:
    return " → ".join(badge_markdown(STAGE_BADGES, stage) for stage in (from_, to) if stage)


def _category_label(name: str) -> str:
    return REASON_CATEGORIES.get(name, escape(name))
