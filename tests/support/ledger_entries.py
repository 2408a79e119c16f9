"""A body of each type of entry, for the tests of shapes, schema and page."""

from lib.ledger.entry.fields import Correction, Evidence, Gate, Policy, Source, Waiver
from lib.ledger.entry.schema_2_types import HeadRef, PolicySet, Settlement
from lib.ledger.entry.types import (
    Carry,
    Closing,
    Corrected,
    Decided,
    FollowedUp,
    Frozen,
    Identity,
    Imported,
    Lineage,
    Observed,
    Opened,
    Registered,
    Requested,
    SlotState,
    Volume,
    Withdrawn,
)
from lib.ledger.entry.vocabulary import Actor, make_reason
from tests.support.entry_signing import make_param

AT, LATER = "2022-02-07T09:00:00.000Z", "2099-01-01T00:00:00.000Z"
REASON = make_reason("better", "Measured better on the same rows, twice.")
IDENTITY = Identity(created=AT, run_id="r")
SLOT_STATES = {"production": SlotState(alias="1", stage=("1",)), "staging": SlotState()}
REQUEST, DECISION = "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAW"


def make_unusual_bodies(stamp):
    """Bodies of every type that no look and no move writes; VOLUME is left out, because a book ends with it."""
    move = {"version": "1", "identity": IDENTITY, "from": "None", "to": "Production", "reason": REASON}
    gates = (Gate(name="accuracy", answer="PASS", measured=0.94, limit=0.9), Gate(name="same rows", answer="INCONCLUSIVE"))
    waivers = (Waiver(gate="same rows", reason=REASON, expires_at=LATER),)
    source = Source(name="history.csv", sha256="ab" * 32, line=2)
    review_fields = {"request": REQUEST, "policy": Policy(name="default", sha="ab"), "gates": gates, "waivers": waivers}
    lineage = Lineage(metrics={"auc": 0.9, "loss": "NaN"}, data={"wine": "d1"}, git_commit="c0ffee")
    import_fields = {"source": source, "actor": Actor(name="ana"), "version": "1", "lineage": lineage}
    return [
        Imported(**stamp, of="APPLIED", effective_at=AT, to="Production", now={"production": {"stage": ("1",)}}, **import_fields),
        Requested(
            **stamp, **move, risk="low", conditions=("two weeks in shadow",), evidence=Evidence(sha="ab"), expires_at=LATER
        ),
        Withdrawn(**stamp, request=REQUEST),
        Decided(**stamp, **move, verdict="reject", kind="promote", **review_fields),
        Decided(**stamp, **move, verdict="changes", kind="promote", **review_fields, follow_up_at=LATER),
        Frozen(**stamp, run_id="0123456789abcdef", git_commit="c0ffee", dvc={"data.csv": "md5"}),
        Corrected(**stamp, supersedes=(REQUEST,), instead=Correction(note="a note"), reason=REASON),
        FollowedUp(**stamp, decision=DECISION, outcome="right", reason=REASON),
        FollowedUp(**stamp, decision=DECISION, outcome="wrong", reason=REASON),
    ]


def make_body_of_each_type(stamp):
    """A body of each type there is."""
    move = {"version": "1", "identity": IDENTITY, "from": "None", "to": "Production", "reason": REASON}
    return [
        Opened(**stamp, why="first look", created=AT, now=SLOT_STATES, versions={"1": IDENTITY}),
        Registered(**stamp, version="1", identity=IDENTITY, lineage=Lineage(metrics={"auc": 0.9})),
        Decided(**stamp, **move, verdict="approve", kind="promote", slots=("production",)),
        *(Closing(**stamp, type=outcome, intent=DECISION, now=SLOT_STATES) for outcome in ("APPLIED", "OVERTAKEN", "FAILED")),
        Observed(**stamp, was=SLOT_STATES, now=SLOT_STATES, window=(AT, AT)),
        *make_unusual_bodies(stamp),
        *make_second_schema_bodies(stamp),
        Volume(
            **stamp,
            next="0123456789abcdef",
            carry=Carry(created=AT, now=SLOT_STATES, wanted={"production": ("1",), "staging": ()}, open=(DECISION,)),
        ),
    ]


def make_second_schema_bodies(stamp):
    """A body of each type of schema 2."""
    head = HeadRef(book="0123456789abcdef", place=7, chain="ab" * 32)
    return [
        Settlement(**stamp, places=(5, 9), why="newer schema", reason=REASON),
        Settlement(**stamp, was=head, now=head, why="replaced book", reason=REASON),
        PolicySet(**stamp, name="strict", sha="ab" * 32, text="review: required", require_review=True, reason=REASON),
    ]


def make_newer_entry(state, private_key=None):
    """Key and value of a next place, of a schema that this Podium does not know; signed if there is a key."""
    fields = {"schema": 3, "type": "PLEDGED", "model": "wine", "recorded_at": LATER, "by": {"name": "zoe", "how": "declared"}}
    fields |= {"reason": {"category": "other", "text": "Something that schema 3 can say."}, "pledge": [1, 2]}
    return make_param(state.book, fields, private_key)
