"""Packets: a decision or an answer as one self-contained file, and an offline check that detects every changed character."""

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
from lib.registry.move_plan import Decision, MoveRequest
from lib.registry.packet_builder import build_as_of_packet, build_decision_packet
from lib.registry.packet_page import render_packet
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state
from lib.registry.register import register
from tests.conftest import copy_store
from tests.support.ledger_stores import book_id_of, make_registered_model, make_trained_run, make_writer

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "<script>alert(1)</script> **bold** [x](http://evil.example) \" ' & {{ 7*7 }} "
RTL = "\N{RIGHT-TO-LEFT OVERRIDE}desrever\N{RIGHT-TO-LEFT ISOLATE}"
HOSTILE_REASON = make_reason("better", HOSTILE + "and it measured better, twice.").model_copy(
    update={"text": f"{HOSTILE}{RTL} twice"}
)


@pytest.fixture(scope="module")
def store(empty_database, tmp_path_factory):
    """wine: v1 then v2 in Production, with evidence; names and reasons are hostile."""
    backend = copy_store(empty_database, tmp_path_factory.mktemp("packet") / "store")
    for name, accuracy in (("forest-1-tree", 0.8333), ("forest-5-trees", 0.9444)):
        register(make_writer(backend), make_trained_run(backend, name, accuracy), "wine", "Trees.")
    move_version(make_writer(backend, "ana"), MoveRequest("wine", "1", "Production"), Decision(HOSTILE_REASON))
    move_version(make_writer(backend, "<b>bo</b>"), MoveRequest("wine", "2", "Production"), Decision(HOSTILE_REASON))
    return backend


def utc_now():
    return datetime.now(UTC)


def make_answer_packet(backend, model="wine"):
    at = utc_now()
    return build_as_of_packet(make_writer(backend), model, AsOfQuery("production", TimeQuery(at), at))


@pytest.fixture(scope="module")
def decision(store):
    position = next(
        entry.position
        for entry in read_book_state(store, "wine").book.entries
        if entry.body.type == "DECIDED" and entry.body.version == "2"
    )
    return build_decision_packet(make_writer(store), "wine", str(position))


@pytest.fixture(scope="module")
def answer(store):
    return make_answer_packet(store)


@pytest.fixture(scope="module")
def files(decision, answer):
    return [text for packet in (decision, answer) for text in (render_packet(packet), document_to_json(hashed_document(packet)))]


def mismatched_sections(text):
    return {mismatch.section for mismatch in verify_packet(text.encode()).mismatches}


def test_packets_as_they_were_made_match_themselves(files):
    assert [verify_packet(text.encode()).mismatches for text in files] == [()] * 4
    assert [verify_packet(text.replace("\n", "\r\n").encode()).mismatches for text in files] == [()] * 4


def test_a_packet_of_a_decision_holds_what_led_to_it_and_what_came_of_it(decision, store):
    bodies = {entry.place: json.loads(entry.text) for entry in decision.entries}
    types = {(body["type"], body.get("version")) for body in bodies.values()}
    assert {("OPENED", None), ("REGISTERED", "1"), ("REGISTERED", "2"), ("DECIDED", "2")} <= types
    assert ("DECIDED", "1") not in types
    assert [body["displaced"] for body in bodies.values() if body["type"] == "APPLIED"] == [["1"]]
    assert re.fullmatch(
        r"wine v2: approved for Production by <b>bo</b> on .* UTC; carried out \(entry \d+\), in place of v1", decision.said
    )
    assert {evidence["version"]: evidence["lineage"]["metrics"]["accuracy"] for evidence in decision.evidence} == {
        "1": 0.8333,
        "2": 0.9444,
    }
    assert decision.registry["holders"]["Production"] == ["2"]
    assert decision.verify == ()
    book = read_book_state(store, "wine").book
    assert (decision.book.head, decision.book.chain) == (book.head, book.chain)


def test_the_id_of_an_entry_names_it_as_well_as_its_place(store, decision):
    packet = build_decision_packet(make_writer(store), "wine", decision.subject.entry.lower())
    assert (packet.said, packet.entries) == (decision.said, decision.entries)
    for unknown in ("99", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "", "²"):
        with pytest.raises(NotFound):
            build_decision_packet(make_writer(store), "wine", unknown)
    with pytest.raises(NotFound):
        build_decision_packet(make_writer(store), "no such model", "1")


def test_a_packet_of_an_answer_holds_the_whole_book_and_the_answer_follows_from_it(answer):
    assert answer.said.endswith("v2 was in Production")
    assert [entry.place for entry in answer.entries] == list(range(1, answer.book.head + 1))
    forged_document = hashed_document(answer.model_copy(update={"answer": answer.answer | {"holders": []}}))
    assert mismatched_sections(document_to_json(forged_document)) == {"answer"}


def test_a_move_nobody_recorded_is_in_the_packet_of_an_answer(fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), Decision(HOSTILE_REASON))
    client(fresh_store).transition_model_version_stage("wine", "2", "Production", archive_existing_versions=True)
    client(fresh_store).set_registered_model_alias("wine", "production", "2")
    packet = make_answer_packet(fresh_store)
    assert packet.unrecorded
    assert not verify_packet(render_packet(packet).encode()).mismatches
    assert mismatched_sections(document_to_json(hashed_document(packet.model_copy(update={"unrecorded": None})))) == {"answer"}


def test_a_version_with_a_huge_metric_has_its_packets(fresh_store):
    register(make_writer(fresh_store), make_trained_run(fresh_store, "forest-1-tree", 1.5e17), "wine", "Trees.")
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), Decision(HOSTILE_REASON))
    for packet in (build_decision_packet(make_writer(fresh_store), "wine", "3"), make_answer_packet(fresh_store)):
        for text in (render_packet(packet), document_to_json(hashed_document(packet))):
            assert verify_packet(text.encode()).mismatches == ()


def test_a_model_that_was_deleted_still_has_its_packets(fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), Decision(HOSTILE_REASON))
    client(fresh_store).delete_registered_model("wine")
    packet = build_decision_packet(make_writer(fresh_store), "wine", "2")
    assert packet.registry["created"] is None
    assert not verify_packet(render_packet(packet).encode()).mismatches


def test_what_does_not_fit_in_the_book_is_in_the_packet_and_stray_values_keep_their_place(fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), Decision(HOSTILE_REASON))
    head = read_book_state(fresh_store, "wine").book.head
    client(fresh_store).log_param(book_id_of(fresh_store), f"{head + 1:06d}", "a stray <b>value</b>")
    move_version(make_writer(fresh_store), MoveRequest("wine", "2", "Production"), Decision(HOSTILE_REASON))
    packet = make_answer_packet(fresh_store)
    assert [finding["what"] for finding in packet.verify] == ["void"]
    assert packet.book.head > head + 2
    assert head + 1 not in [entry.place for entry in packet.entries]
    assert not verify_packet(render_packet(packet).encode()).mismatches


@pytest.mark.parametrize("index", range(4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_character_changed_anywhere_is_found(files, index, data):
    text = files[index]
    at = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.sampled_from("aZ09 <>&\"'{},:\n\\é").filter(lambda char: char != text[at]))
    for edited_text in (text[:at] + character + text[at + 1 :], text[:at] + text[at + 1 :], text[:at] + character + text[at:]):
        assert verify_packet(edited_text.encode()).mismatches


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_bytes_that_are_no_packet_are_called_so(noise):
    assert verify_packet(noise).mismatches[0].section == "the file"
    assert verify_packet(b'<pre id="packet-data">' + noise + b"</pre>").mismatches


@pytest.mark.parametrize("name", SECTIONS)
def test_a_part_that_was_taken_out_or_exchanged_is_named(answer, name):
    document = hashed_document(answer)
    assert name in mismatched_sections(document_to_json({key: value for key, value in document.items() if key != name}))
    assert name in mismatched_sections(document_to_json(document | {name: {"deep": [None]}}))


def test_an_edited_entry_picture_hash_and_page_are_named_by_what_they_are(decision):
    document = hashed_document(decision)

    def resealed(**changes):
        changed_document = document | changes
        hashes = {name: hash_json(changed_document[name]) for name in SECTIONS}
        return document_to_json(changed_document | {"hashes": hashes, "sha256": hash_json(hashes)})

    entries = json.loads(json.dumps(document["entries"]))
    entries[2]["text"] = entries[2]["text"].replace("wine", "beer")
    assert mismatched_sections(resealed(entries=entries)) == {f"entry {entries[2]['place']}"}
    picture = document["pictures"]["strip"] | {"data": base64.b64encode(b"another").decode()}
    assert mismatched_sections(resealed(pictures={"strip": picture})) == {"picture strip"}
    assert mismatched_sections(resealed(book=document["book"] | {"chain": "0" * 64})) == {"book"}
    assert mismatched_sections(document_to_json(document | {"sha256": "0" * 64})) == {"sha256"}
    page = render_packet(decision)
    assert mismatched_sections(page.replace("carried out", "carried off", 1)) == {"page: answer"}
    assert mismatched_sections(page.replace("base64,iVBOR", "base64,iVBOS", 1)) == {"page: picture-strip"}
    assert mismatched_sections(page.replace("font-weight: 650", "font-weight: 651")) == {"page: rest"}


def test_a_book_that_goes_on_in_another_run_is_followed(answer):
    document, volume = hashed_document(answer), answer.book.volumes[0]
    half = len(volume.hashes) // 2
    end_chain = volume.before
    for body_sha in volume.hashes[:half]:
        end_chain = next_chain(end_chain, body_sha)
    first_volume = volume.model_copy(update={"hashes": volume.hashes[:half]})
    assert volume.before == chain_seed(volume.run_id)
    wrong_volume = volume.model_copy(
        update={"run_id": "next", "first": half + 1, "before": end_chain, "hashes": volume.hashes[half:]}
    )
    broken_packet = answer.model_copy(update={"book": answer.book.model_copy(update={"volumes": (first_volume, wrong_volume)})})
    assert "book" in mismatched_sections(document_to_json(hashed_document(broken_packet)))
    right_volume = wrong_volume.model_copy(update={"before": next_chain(end_chain, "next")})
    sections = mismatched_sections(
        document_to_json(
            hashed_document(
                answer.model_copy(update={"book": answer.book.model_copy(update={"volumes": (first_volume, right_volume)})})
            )
        )
    )
    assert "book" in sections  # the head is that of one run
    assert document["book"]["head"] == len(volume.hashes)


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.names, self.addresses = set(), []

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset", "action", "data", "background")]
        assert not [name for name, _ in attrs if name.startswith("on")]


def test_the_page_has_no_script_asks_for_nothing_and_hostile_texts_stay_text(decision, answer):
    for packet in (decision, answer):
        page, tags = render_packet(packet), _Tags()
        tags.feed(page)
        assert not tags.names & {"script", "link", "iframe", "object", "form", "a", "b", "i", "base"}
        assert tags.addresses
        assert all(address.startswith("data:image/png;base64,") for address in tags.addresses)
        assert "url(" not in page
        assert "@import" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt; **bold**" in page
        assert "{{ 7*7 }}" in page
        assert not set("\N{RIGHT-TO-LEFT OVERRIDE}\N{RIGHT-TO-LEFT ISOLATE}") & set(page)
        assert "[U+202E]desrever" in page
        assert "@media print" in page


def test_the_page_reads_as_a_story_without_any_tool(decision):
    page = render_packet(decision)
    for text in (
        "carried out (entry",
        "typed, not verified",
        "Measured better",
        "0.9444",
        "Head of the book",
        "Who held which stage",
    ):
        assert text in page
    assert split_page(page).hashes.keys() >= {"answer", "check", "picture-strip", "evidence", "registry", "hashes", "rest"}


def test_a_packet_carries_no_secret(store, decision, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "s3cret-word")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken-word")
    registry = client(store)
    registry.create_registered_model("leaky")
    registry.create_model_version("leaky", "s3://key:hunter2@bucket/model?X-Amz-Signature=abc")
    move_version(make_writer(store), MoveRequest("leaky", "1", "Production"), Decision(HOSTILE_REASON))
    page = render_packet(make_answer_packet(store, "leaky"))
    assert not [secret for secret in ("s3cret-word", "t0ken-word", "hunter2", "X-Amz-Signature") if secret in page]


@pytest.fixture
def packet_command(store, monkeypatch, clean_session):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    monkeypatch.setenv("PODIUM_USER", "pipeline")

    def invoke(*arguments, code=0):
        result = CliRunner().invoke(podium, ["packet", *map(str, arguments), "--json"])
        assert result.exit_code == code, (result.output, result.exception)
        return json.loads(result.stdout) if result.stdout.strip() else None, result.stderr

    return invoke


def test_export_and_verify_speak_the_same_hash_and_head(packet_command, tmp_path, decision):
    for ending in ("html", "json"):
        out = tmp_path / f"packet.{ending}"
        exported, _ = packet_command("export", "wine", "--entry", decision.subject.place, "--out", out)
        verified, _ = packet_command("verify", out)
        assert exported["sha256"] == verified["sha256"]
        assert (exported["head"], exported["chain"]) == (verified["head"], verified["chain"])
        assert verified["findings"] == []
        out.write_text(out.read_text().replace("carried out", "carried off", 1))
        verified, _ = packet_command("verify", out, code=3)
        assert verified["findings"]
    exported, _ = packet_command(
        "export", "wine", "--at", format_timestamp(utc_now()), "--stage", "production", "--zone", "Europe/Berlin", "--out", out
    )
    assert exported["kind"] == "as of"
    assert packet_command("verify", out)[0]["said"].endswith("v2 was in Production")


def test_export_names_what_was_typed_wrongly_and_writes_nothing(packet_command, tmp_path):
    out = tmp_path / "packet.html"
    for arguments in (
        ["wine"],
        ["wine", "--entry", "2", "--at", "2023-03-14"],
        ["wine", "--at", "some day"],
        ["wine", "--at", "2023-03-14", "--stage", "Archived"],
        ["wine", "--at", "2023-03-14", "--zone", "Mars"],
    ):
        packet_command("export", *arguments, "--out", out, code=2)
    packet_command("export", "wine", "--entry", "2", "--out", tmp_path / "packet.pdf", code=2)
    packet_command("export", "wine", "--entry", "77", "--out", out, code=1)
    packet_command("export", "wine", "--entry", "2", "--out", tmp_path / "no" / "folder.html", code=1)
    assert not list(tmp_path.glob("packet*"))
    assert "cannot be read" in packet_command("verify", out, code=1)[1]


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
    process = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
