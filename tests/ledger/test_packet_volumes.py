"""Packets of a real book of several volumes: exported, held against themselves offline, and every tampering with a volume named."""

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from lib.backends.mlflow_client import client
from lib.cli import podium
from lib.ledger.chain.hash_chain import next_chain, param_key
from lib.ledger.packet.document import SECTIONS, document_to_json, hash_json, hashed_document
from lib.ledger.packet.verify import verify_packet
from lib.ledger.queries.time_query import TimeQuery
from lib.ledger.state import volumes
from lib.ledger.storage import book_cache
from lib.registry.audit_queries import AsOfQuery
from lib.registry.packet import build_as_of_packet, build_decision_packet
from lib.registry.packet_page import render_packet
from lib.registry.reader import read_book_state
from tests.conftest import copy_store
from tests.support.ledger_stores import book_id_of, make_writer, promote_in_turn

SMALL = 12


@pytest.fixture(scope="module")
def store(empty_database, tmp_path_factory):
    """wine, promoted fourteen times: a book of three volumes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(volumes, "VOLUME_CAPACITY", SMALL)
        backend = copy_store(empty_database, tmp_path_factory.mktemp("volumes") / "store")
        promote_in_turn(backend, 14)
    book_cache.clear_cache()
    return backend


@pytest.fixture(scope="module")
def reading(store):
    found = read_book_state(store, "wine").book
    assert [part.first_position for part in found.volumes] == [1, 14, 27]
    return found


def answered(backend):
    at = datetime.now(UTC)
    return build_as_of_packet(make_writer(backend), "wine", AsOfQuery("production", TimeQuery(at), at))


@pytest.fixture(scope="module")
def made(store, reading):
    """A packet of a decision out of each volume, and one of an answer."""
    first = [
        next(e.position for e in reading.entries if e.position >= part.first_position and e.body.type == "DECIDED")
        for part in reading.volumes
    ]
    return [*(build_decision_packet(make_writer(store), "wine", str(place)) for place in first), answered(store)]


def parts(text):
    return {one.section for one in verify_packet(text.encode()).mismatches}


def test_a_packet_carries_every_volume_and_matches_itself(made, reading):
    for one in made:
        assert [(v.run_id, v.first) for v in one.book.volumes] == [(part.run_id, part.first_position) for part in reading.volumes]
        assert [len(v.hashes) for v in one.book.volumes] == [13, 13, reading.head - 26]
        assert (one.book.head, one.book.chain, one.verify) == (reading.head, reading.chain, ())
        assert parts(render_packet(one)) == parts(document_to_json(hashed_document(one))) == set()
    texts = [json.loads(one.text) for one in made[-1].entries]
    assert [body["next"] for body in texts if body["type"] == "VOLUME"] == [part.run_id for part in reading.volumes[1:]]
    assert [one.place for one in made[-1].entries] == list(range(1, reading.head + 1))


def resealed(packet, **changed):
    """The packet with other parts, every hash over the parts made anew: as one who forges with care would."""
    document = hashed_document(packet) | changed
    hashes = {name: hash_json(document[name]) for name in SECTIONS}
    return document_to_json(document | {"hashes": hashes, "sha256": hash_json(hashes)})


def book_with(packet, which, **changed):
    """The book of a packet with one of its volumes changed."""
    book = hashed_document(packet)["book"]
    return book | {"volumes": [one | (changed if n == which else {}) for n, one in enumerate(book["volumes"])]}


@pytest.mark.parametrize("which", range(3))
def test_whatever_is_changed_in_a_volume_is_named_though_every_hash_was_made_anew(made, which):
    for one in made:
        volume = one.book.volumes[which]
        hashes = list(volume.hashes)
        damages = {
            "a hash": {"hashes": ["0" * 64, *hashes[1:]]},
            "two hashes in each other's place": {"hashes": [hashes[1], hashes[0], *hashes[2:]]},
            "a hash left out": {"hashes": hashes[:-1]},
            "where it begins": {"first": volume.first + 1},
            "the chain before it": {"before": "0" * 64},
            "its run": {"run_id": "f" * 32},
        }
        found = {name: parts(resealed(one, book=book_with(one, which, **changed))) for name, changed in damages.items()}
        assert [name for name, named in found.items() if "book" not in named] == []


def test_volumes_left_out_or_in_another_order_are_named(made):
    for one in made:
        book = hashed_document(one)["book"]
        first, second, third = book["volumes"]
        for left in ([second, third], [first, third], [first, second], [first, third, second], [first, second, second, third]):
            assert "book" in parts(resealed(one, book=book | {"volumes": left}))


@pytest.mark.parametrize("which", range(3))
def test_an_edited_entry_is_named_in_whichever_volume_it_stands(made, reading, which):
    place = reading.volumes[which].first_position + 1
    entries = hashed_document(made[-1])["entries"]
    edited = [one | ({"text": one["text"].replace("wine", "beer")} if one["place"] == place else {}) for one in entries]
    assert f"entry {place}" in parts(resealed(made[-1], entries=edited))


def test_a_volume_written_anew_as_a_whole_is_named_by_the_one_behind_it(made):
    """Somebody edits an entry and makes the chain of its volume anew: the next volume does not begin at that end."""
    book = hashed_document(made[-1])["book"]
    second = book["volumes"][1]
    forged = second | {"hashes": [*second["hashes"][:5], "1" * 64, *second["hashes"][6:]]}
    assert parts(resealed(made[-1], book=book | {"volumes": [book["volumes"][0], forged, book["volumes"][2]]})) >= {"book"}
    end = second["before"]
    for body in forged["hashes"]:
        end = next_chain(end, body)
    third = book["volumes"][2]
    moved = third | {"before": next_chain(end, third["run_id"])}
    head = moved["before"]
    for body in moved["hashes"]:
        head = next_chain(head, body)
    whole = book | {"volumes": [book["volumes"][0], forged, moved], "chain": head}
    assert "book" not in parts(resealed(made[-1], book=whole))
    assert "entry 19" in parts(resealed(made[-1], book=whole))
    assert head != made[-1].book.chain  # who noted the head elsewhere sees it, whatever else was forged


def test_export_and_verify_on_the_command_line_go_through_all_volumes(store, reading, tmp_path, monkeypatch, clean_session):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    monkeypatch.setenv("PODIUM_USER", "pipeline")

    def run(*words, code=0):
        done = CliRunner().invoke(podium, ["packet", *map(str, words), "--json"])
        assert done.exit_code == code, (done.output, done.exception)
        return json.loads(done.stdout)

    at = next(e.body.recorded_at for e in reading.entries if e.position > 20 and e.body.type == "APPLIED")
    for name, asked in {"old.html": ("--entry", 5), "new.json": ("--entry", 29), "then.html": ("--at", at)}.items():
        out = tmp_path / name
        exported = run("export", "wine", *asked, "--out", out)
        told = run("verify", out)
        assert (told["findings"], told["head"], told["chain"]) == ([], reading.head, reading.chain)
        assert exported["sha256"] == told["sha256"]
        out.write_text(out.read_text().replace(reading.volumes[1].run_id, reading.volumes[2].run_id, 1))
        assert run("verify", out, code=3)["findings"]


def test_a_damaged_volume_in_the_store_is_told_in_the_packet(store, reading, tmp_path):
    """On a copy: a stray value behind the end of the first volume, and later the second one deleted."""
    backend = copy_store(store.path, tmp_path / "damaged")
    assert book_id_of(backend) == reading.volumes[0].run_id
    client(backend).log_param(reading.volumes[0].run_id, param_key(14), "stray")
    told = build_decision_packet(make_writer(backend), "wine", "5")
    assert [(one["place"], one["what"]) for one in told.verify] == [(14, "beyond the end")]
    assert parts(render_packet(told)) == set()
    client(backend).delete_run(reading.volumes[1].run_id)
    told = build_decision_packet(make_writer(backend), "wine", "29")
    assert "book deleted" in [one["what"] for one in told.verify]
    assert parts(render_packet(told)) == set()
