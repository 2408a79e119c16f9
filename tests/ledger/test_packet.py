"""Packets: a decision or an answer as one file that stands by itself, and an offline check that finds every changed character."""

import base64
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.backends.mlflow_client import client
from lib.cli import podium
from lib.errors import NotFound
from lib.ledger.chain.hash_chain import chain_seed, next_chain
from lib.ledger.entry.timestamps import format_timestamp
from lib.ledger.entry.vocabulary import make_reason
from lib.ledger.packet.document import SECTIONS, document_to_json, hash_json, hashed_document
from lib.ledger.packet.html_hashes import split_page
from lib.ledger.packet.verify import verify_packet
from lib.ledger.queries.time_query import TimeQuery
from lib.registry.audit_queries import AsOfQuery
from lib.registry.packet import build_as_of_packet, build_decision_packet
from lib.registry.packet_page import render_packet
from lib.registry.promote import MoveRequest, move_version
from lib.registry.reader import read_book_state
from lib.registry.register import register
from tests.conftest import copy_store
from tests.support.ledger_stores import book_id, registered, trained, writer

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "<script>alert(1)</script> **bold** [x](http://evil.example) \" ' & {{ 7*7 }} "
RTL = "\N{RIGHT-TO-LEFT OVERRIDE}desrever\N{RIGHT-TO-LEFT ISOLATE}"
WHY = make_reason("better", HOSTILE + "and it measured better, twice.").model_copy(update={"text": f"{HOSTILE}{RTL} twice"})


@pytest.fixture(scope="module")
def store(empty_database, tmp_path_factory):
    """wine: v1 then v2 in Production, with evidence; who and why are hostile."""
    backend = copy_store(empty_database, tmp_path_factory.mktemp("packet") / "store")
    for name, accuracy in (("forest-1-tree", 0.8333), ("forest-5-trees", 0.9444)):
        register(writer(backend), trained(backend, name, accuracy), "wine", "Trees.")
    move_version(writer(backend, "ana"), MoveRequest("wine", "1", "Production", WHY))
    move_version(writer(backend, "<b>bo</b>"), MoveRequest("wine", "2", "Production", WHY))
    return backend


def present():
    return datetime.now(UTC)


def answered(backend, model="wine"):
    at = present()
    return build_as_of_packet(writer(backend), model, AsOfQuery("production", TimeQuery(at), at))


@pytest.fixture(scope="module")
def decision(store):
    place = next(
        e.position for e in read_book_state(store, "wine").book.entries if e.body.type == "DECIDED" and e.body.version == "2"
    )
    return build_decision_packet(writer(store), "wine", str(place))


@pytest.fixture(scope="module")
def answer(store):
    return answered(store)


@pytest.fixture(scope="module")
def files(decision, answer):
    return [text for one in (decision, answer) for text in (render_packet(one), document_to_json(hashed_document(one)))]


def parts(text):
    return {one.section for one in verify_packet(text.encode()).mismatches}


def test_packets_as_they_were_made_match_themselves(files):
    assert [verify_packet(text.encode()).mismatches for text in files] == [()] * 4
    assert [verify_packet(text.replace("\n", "\r\n").encode()).mismatches for text in files] == [()] * 4


def test_a_packet_of_a_decision_holds_what_led_to_it_and_what_came_of_it(decision, store):
    entries = {one.place: json.loads(one.text) for one in decision.entries}
    kinds = {(body["type"], body.get("version")) for body in entries.values()}
    assert {("OPENED", None), ("REGISTERED", "1"), ("REGISTERED", "2"), ("DECIDED", "2")} <= kinds
    assert ("DECIDED", "1") not in kinds
    assert [body["displaced"] for body in entries.values() if body["type"] == "APPLIED"] == [["1"]]
    assert re.fullmatch(
        r"wine v2: approved for Production by <b>bo</b> on .* UTC; carried out \(entry \d+\), in place of v1", decision.said
    )
    assert {one["version"]: one["lineage"]["metrics"]["accuracy"] for one in decision.evidence} == {"1": 0.8333, "2": 0.9444}
    assert decision.registry["holders"]["Production"] == ["2"]
    assert decision.verify == ()
    found = read_book_state(store, "wine").book
    assert (decision.book.head, decision.book.chain) == (found.head, found.chain)


def test_the_id_of_an_entry_names_it_as_well_as_its_place(store, decision):
    again = build_decision_packet(writer(store), "wine", decision.subject.entry.lower())
    assert (again.said, again.entries) == (decision.said, decision.entries)
    for unknown in ("99", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "", "²"):
        with pytest.raises(NotFound):
            build_decision_packet(writer(store), "wine", unknown)
    with pytest.raises(NotFound):
        build_decision_packet(writer(store), "no such model", "1")


def test_a_packet_of_an_answer_holds_the_whole_book_and_the_answer_follows_from_it(answer):
    assert answer.said.endswith("v2 was in Production")
    assert [one.place for one in answer.entries] == list(range(1, answer.book.head + 1))
    forged = hashed_document(answer.model_copy(update={"answer": answer.answer | {"holders": []}}))
    assert parts(document_to_json(forged)) == {"answer"}


def test_a_move_nobody_recorded_is_in_the_packet_of_an_answer(fresh_store):
    registered(fresh_store)
    move_version(writer(fresh_store), MoveRequest("wine", "1", "Production", WHY))
    client(fresh_store).transition_model_version_stage("wine", "2", "Production", archive_existing_versions=True)
    client(fresh_store).set_registered_model_alias("wine", "production", "2")
    made = answered(fresh_store)
    assert made.unrecorded
    assert not verify_packet(render_packet(made).encode()).mismatches
    assert parts(document_to_json(hashed_document(made.model_copy(update={"unrecorded": None})))) == {"answer"}


def test_a_version_with_a_huge_metric_has_its_packets(fresh_store):
    register(writer(fresh_store), trained(fresh_store, "forest-1-tree", 1.5e17), "wine", "Trees.")
    move_version(writer(fresh_store), MoveRequest("wine", "1", "Production", WHY))
    for made in (build_decision_packet(writer(fresh_store), "wine", "3"), answered(fresh_store)):
        for text in (render_packet(made), document_to_json(hashed_document(made))):
            assert verify_packet(text.encode()).mismatches == ()


def test_a_model_that_was_deleted_still_has_its_packets(fresh_store):
    registered(fresh_store)
    move_version(writer(fresh_store), MoveRequest("wine", "1", "Production", WHY))
    client(fresh_store).delete_registered_model("wine")
    made = build_decision_packet(writer(fresh_store), "wine", "2")
    assert made.registry["created"] is None
    assert not verify_packet(render_packet(made).encode()).mismatches


def test_what_does_not_fit_in_the_book_is_in_the_packet_and_stray_values_keep_their_place(fresh_store):
    registered(fresh_store)
    move_version(writer(fresh_store), MoveRequest("wine", "1", "Production", WHY))
    head = read_book_state(fresh_store, "wine").book.head
    client(fresh_store).log_param(book_id(fresh_store), f"{head + 1:06d}", "a stray <b>value</b>")
    move_version(writer(fresh_store), MoveRequest("wine", "2", "Production", WHY))
    made = answered(fresh_store)
    assert [one["what"] for one in made.verify] == ["void"]
    assert made.book.head > head + 2
    assert head + 1 not in [one.place for one in made.entries]
    assert not verify_packet(render_packet(made).encode()).mismatches


@pytest.mark.parametrize("which", range(4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_character_changed_anywhere_is_found(files, which, data):
    text = files[which]
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("aZ09 <>&\"'{},:\n\\é").filter(lambda one: one != text[at]))
    for edited in (text[:at] + other + text[at + 1 :], text[:at] + text[at + 1 :], text[:at] + other + text[at:]):
        assert verify_packet(edited.encode()).mismatches


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_bytes_that_are_no_packet_are_called_so(noise):
    assert verify_packet(noise).mismatches[0].section == "the file"
    assert verify_packet(b'<pre id="packet-data">' + noise + b"</pre>").mismatches


@pytest.mark.parametrize("name", SECTIONS)
def test_a_part_that_was_taken_out_or_exchanged_is_named(answer, name):
    document = hashed_document(answer)
    assert name in parts(document_to_json({key: value for key, value in document.items() if key != name}))
    assert name in parts(document_to_json(document | {name: {"deep": [None]}}))


def test_an_edited_entry_picture_hash_and_page_are_named_by_what_they_are(decision):
    document = hashed_document(decision)

    def resealed(**parts_):
        changed = document | parts_
        hashes = {name: hash_json(changed[name]) for name in SECTIONS}
        return document_to_json(changed | {"hashes": hashes, "sha256": hash_json(hashes)})

    entries = json.loads(json.dumps(document["entries"]))
    entries[2]["text"] = entries[2]["text"].replace("wine", "beer")
    assert parts(resealed(entries=entries)) == {f"entry {entries[2]['place']}"}
    picture = document["pictures"]["strip"] | {"data": base64.b64encode(b"another").decode()}
    assert parts(resealed(pictures={"strip": picture})) == {"picture strip"}
    assert parts(resealed(book=document["book"] | {"chain": "0" * 64})) == {"book"}
    assert parts(document_to_json(document | {"sha256": "0" * 64})) == {"sha256"}
    drawn = render_packet(decision)
    assert parts(drawn.replace("carried out", "carried off", 1)) == {"page: answer"}
    assert parts(drawn.replace("base64,iVBOR", "base64,iVBOS", 1)) == {"page: picture-strip"}
    assert parts(drawn.replace("font-weight: 650", "font-weight: 651")) == {"page: rest"}


def test_a_book_that_goes_on_in_another_run_is_followed(answer):
    document, one = hashed_document(answer), answer.book.volumes[0]
    half = len(one.hashes) // 2
    end = one.before
    for body_sha in one.hashes[:half]:
        end = next_chain(end, body_sha)
    first = one.model_copy(update={"hashes": one.hashes[:half]})
    assert one.before == chain_seed(one.run_id)
    wrong = one.model_copy(update={"run_id": "next", "first": half + 1, "before": end, "hashes": one.hashes[half:]})
    broken = answer.model_copy(update={"book": answer.book.model_copy(update={"volumes": (first, wrong)})})
    assert "book" in parts(document_to_json(hashed_document(broken)))
    right = wrong.model_copy(update={"before": next_chain(end, "next")})
    found = parts(
        document_to_json(
            hashed_document(answer.model_copy(update={"book": answer.book.model_copy(update={"volumes": (first, right)})}))
        )
    )
    assert "book" in found  # the head is that of one run
    assert document["book"]["head"] == len(one.hashes)


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen, self.addresses = set(), []

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset", "action", "data", "background")]
        assert not [name for name, _ in attrs if name.startswith("on")]


def test_the_page_has_no_script_asks_for_nothing_and_hostile_texts_stay_text(decision, answer):
    for made in (decision, answer):
        drawn, tags = render_packet(made), _Tags()
        tags.feed(drawn)
        assert not tags.seen & {"script", "link", "iframe", "object", "form", "a", "b", "i", "base"}
        assert tags.addresses
        assert all(address.startswith("data:image/png;base64,") for address in tags.addresses)
        assert "url(" not in drawn
        assert "@import" not in drawn
        assert "&lt;script&gt;alert(1)&lt;/script&gt; **bold**" in drawn
        assert "{{ 7*7 }}" in drawn
        assert not set("\N{RIGHT-TO-LEFT OVERRIDE}\N{RIGHT-TO-LEFT ISOLATE}") & set(drawn)
        assert "[U+202E]desrever" in drawn
        assert "@media print" in drawn


def test_the_page_reads_as_a_story_without_any_tool(decision):
    drawn = render_packet(decision)
    for said in (
        "carried out (entry",
        "typed, not verified",
        "Measured better",
        "0.9444",
        "Head of the book",
        "Who held which stage",
    ):
        assert said in drawn
    assert split_page(drawn).hashes.keys() >= {"answer", "check", "picture-strip", "evidence", "registry", "hashes", "rest"}


def test_a_packet_carries_no_secret(store, decision, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "s3cret-word")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken-word")
    registry = client(store)
    registry.create_registered_model("leaky")
    registry.create_model_version("leaky", "s3://key:hunter2@bucket/model?X-Amz-Signature=abc")
    move_version(writer(store), MoveRequest("leaky", "1", "Production", WHY))
    drawn = render_packet(answered(store, "leaky"))
    assert not [word for word in ("s3cret-word", "t0ken-word", "hunter2", "X-Amz-Signature") if word in drawn]


@pytest.fixture
def run(store, monkeypatch, clean_session):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    monkeypatch.setenv("PODIUM_USER", "pipeline")

    def command(*words, code=0):
        done = CliRunner().invoke(podium, ["packet", *map(str, words), "--json"])
        assert done.exit_code == code, (done.output, done.exception)
        return json.loads(done.stdout) if done.stdout.strip() else None, done.stderr

    return command


def test_export_and_verify_speak_the_same_hash_and_head(run, tmp_path, decision):
    for ending in ("html", "json"):
        out = tmp_path / f"packet.{ending}"
        made, _ = run("export", "wine", "--entry", decision.subject.place, "--out", out)
        told, _ = run("verify", out)
        assert made["sha256"] == told["sha256"]
        assert (made["head"], made["chain"]) == (told["head"], told["chain"])
        assert told["findings"] == []
        out.write_text(out.read_text().replace("carried out", "carried off", 1))
        told, _ = run("verify", out, code=3)
        assert told["findings"]
    made, _ = run(
        "export", "wine", "--at", format_timestamp(present()), "--stage", "production", "--zone", "Europe/Berlin", "--out", out
    )
    assert made["kind"] == "as of"
    assert run("verify", out)[0]["said"].endswith("v2 was in Production")


def test_export_names_what_was_typed_wrongly_and_writes_nothing(run, tmp_path):
    out = tmp_path / "packet.html"
    for words in (
        ["wine"],
        ["wine", "--entry", "2", "--at", "2023-03-14"],
        ["wine", "--at", "some day"],
        ["wine", "--at", "2023-03-14", "--stage", "Archived"],
        ["wine", "--at", "2023-03-14", "--zone", "Mars"],
    ):
        run("export", *words, "--out", out, code=2)
    run("export", "wine", "--entry", "2", "--out", tmp_path / "packet.pdf", code=2)
    run("export", "wine", "--entry", "77", "--out", out, code=1)
    run("export", "wine", "--entry", "2", "--out", tmp_path / "no" / "folder.html", code=1)
    assert not list(tmp_path.glob("packet*"))
    assert "cannot be read" in run("verify", out, code=1)[1]


def test_verify_needs_no_backend_and_imports_neither_mlflow_nor_pandas(tmp_path, files):
    for n, text in enumerate(files):
        (tmp_path / f"{n}").write_text(text)
    script = f"""
import os, sys
os.environ["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:1"
from lib.cli import podium
for n in range(4):
    try:
        podium(["packet", "verify", {str(tmp_path)!r} + f"/{{n}}"])
    except SystemExit as end:
        assert end.code == 0, end.code
heavy = {{"mlflow", "pandas", "streamlit", "altair", "httpx", "jinja2", "sqlite3"}} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
