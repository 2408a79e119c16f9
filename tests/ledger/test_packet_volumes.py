"""Packets of a real book with several volumes: exported, verified offline, and every tampering with a volume reported."""

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
from lib.registry.audit_queries import AsOfQuery
from lib.registry.packet_builder import build_as_of_packet, build_decision_packet
from lib.registry.packet_page import render_packet
from lib.registry.reader import read_book_state
from tests.conftest import copy_store
from tests.support.ledger_stores import book_id_of, clear_book_cache, make_writer, promote_in_turn

SMALL = 12


@pytest.fixture(scope="module")
def store(empty_database, tmp_path_factory):
    """wine, promoted fourteen times: a book of three volumes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(volumes, "VOLUME_CAPACITY", SMALL)
        backend = copy_store(empty_database, tmp_path_factory.mktemp("volumes") / "store")
        promote_in_turn(backend, 14)
    clear_book_cache()
    return backend


@pytest.fixture(scope="module")
def decoded_book(store):
    decoded_book = read_book_state(store, "wine").book
    assert [volume.first_position for volume in decoded_book.volumes] == [1, 14, 27]
    return decoded_book


def make_answer_packet(backend):
    at = datetime.now(UTC)
    return build_as_of_packet(make_writer(backend), "wine", AsOfQuery("production", TimeQuery(at), at))


@pytest.fixture(scope="module")
def packets(store, decoded_book):
    """A packet of a decision from each volume, and one of an answer."""
    positions = [
        next(
            entry.position
            for entry in decoded_book.entries
            if entry.position >= volume.first_position and entry.body.type == "DECIDED"
        )
        for volume in decoded_book.volumes
    ]
    assert len(positions) == 3
    return [
        *(build_decision_packet(make_writer(store), "wine", str(position)) for position in positions),
        make_answer_packet(store),
    ]


def mismatched_sections(text):
    return {mismatch.section for mismatch in verify_packet(text.encode()).mismatches}


def test_a_packet_carries_every_volume_and_matches_itself(packets, decoded_book):
    for packet in packets:
        assert [(v.run_id, v.first) for v in packet.book.volumes] == [
            (volume.run_id, volume.first_position) for volume in decoded_book.volumes
        ]
        assert [len(v.hashes) for v in packet.book.volumes] == [13, 13, decoded_book.head - 26]
        assert (packet.book.head, packet.book.chain, packet.verify) == (decoded_book.head, decoded_book.chain, ())
        assert (
            mismatched_sections(render_packet(packet)) == mismatched_sections(document_to_json(hashed_document(packet))) == set()
        )
    bodies = [json.loads(entry.text) for entry in packets[-1].entries]
    assert [body["next"] for body in bodies if body["type"] == "VOLUME"] == [volume.run_id for volume in decoded_book.volumes[1:]]
    assert [entry.place for entry in packets[-1].entries] == list(range(1, decoded_book.head + 1))


def resealed(packet, **changes):
    """The packet with other parts and all hashes over the parts recomputed, like a careful forger would."""
    document = hashed_document(packet) | changes
    hashes = {name: hash_json(document[name]) for name in SECTIONS}
    return document_to_json(document | {"hashes": hashes, "sha256": hash_json(hashes)})


def book_with_changed_volume(packet, index, **changes):
    """The book of a packet with one of its volumes changed."""
    book = hashed_document(packet)["book"]
    return book | {"volumes": [volume | (changes if n == index else {}) for n, volume in enumerate(book["volumes"])]}


@pytest.mark.parametrize("index", range(3))
def test_whatever_is_changed_in_a_volume_is_named_though_every_hash_was_made_anew(packets, index):
    for packet in packets:
        volume = packet.book.volumes[index]
        hashes = list(volume.hashes)
        damages = {
            "a hash": {"hashes": ["0" * 64, *hashes[1:]]},
            "two hashes in each other's place": {"hashes": [hashes[1], hashes[0], *hashes[2:]]},
            "a hash left out": {"hashes": hashes[:-1]},
            "where it begins": {"first": volume.first + 1},
            "the chain before it": {"before": "0" * 64},
            "its run": {"run_id": "f" * 32},
        }
        sections_by_damage = {
            name: mismatched_sections(resealed(packet, book=book_with_changed_volume(packet, index, **changes)))
            for name, changes in damages.items()
        }
        assert [name for name, sections in sections_by_damage.items() if "book" not in sections] == []


def test_volumes_left_out_or_in_another_order_are_named(packets):
    for packet in packets:
        book = hashed_document(packet)["book"]
        first, second, third = book["volumes"]
        for volumes_left in (
            [second, third],
            [first, third],
            [first, second],
            [first, third, second],
            [first, second, second, third],
        ):
            assert "book" in mismatched_sections(resealed(packet, book=book | {"volumes": volumes_left}))


@pytest.mark.parametrize("index", range(3))
def test_an_edited_entry_is_named_in_whichever_volume_it_stands(packets, decoded_book, index):
    position = decoded_book.volumes[index].first_position + 1
    entries = hashed_document(packets[-1])["entries"]
    edited_entries = [
        entry | ({"text": entry["text"].replace("wine", "beer")} if entry["place"] == position else {}) for entry in entries
    ]
    assert f"entry {position}" in mismatched_sections(resealed(packets[-1], entries=edited_entries))


def test_a_volume_written_anew_as_a_whole_is_named_by_the_one_behind_it(packets):
    """Edit an entry and recompute the chain of its volume: the next volume does not continue from that end."""
    book = hashed_document(packets[-1])["book"]
    second_volume = book["volumes"][1]
    forged_volume = second_volume | {"hashes": [*second_volume["hashes"][:5], "1" * 64, *second_volume["hashes"][6:]]}
    assert mismatched_sections(
        resealed(packets[-1], book=book | {"volumes": [book["volumes"][0], forged_volume, book["volumes"][2]]})
    ) >= {"book"}
    end_chain = second_volume["before"]
    for body_sha in forged_volume["hashes"]:
        end_chain = next_chain(end_chain, body_sha)
    third_volume = book["volumes"][2]
    moved_volume = third_volume | {"before": next_chain(end_chain, third_volume["run_id"])}
    head = moved_volume["before"]
    for body_sha in moved_volume["hashes"]:
        head = next_chain(head, body_sha)
    forged_book = book | {"volumes": [book["volumes"][0], forged_volume, moved_volume], "chain": head}
    assert "book" not in mismatched_sections(resealed(packets[-1], book=forged_book))
    assert "entry 19" in mismatched_sections(resealed(packets[-1], book=forged_book))
    assert head != packets[-1].book.chain  # a head stored elsewhere reveals it, whatever else was forged


def test_export_and_verify_on_the_command_line_go_through_all_volumes(store, decoded_book, tmp_path, monkeypatch, clean_session):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    monkeypatch.setenv("PODIUM_USER", "pipeline")

    def run(*arguments, code=0):
        result = CliRunner().invoke(podium, ["packet", *map(str, arguments), "--json"])
        assert result.exit_code == code, (result.output, result.exception)
        return json.loads(result.stdout)

    at = next(entry.body.recorded_at for entry in decoded_book.entries if entry.position > 20 and entry.body.type == "APPLIED")
    for name, options in {"old.html": ("--entry", 5), "new.json": ("--entry", 29), "then.html": ("--at", at)}.items():
        out = tmp_path / name
        exported = run("export", "wine", *options, "--out", out)
        verified = run("verify", out)
        assert (verified["findings"], verified["head"], verified["chain"]) == ([], decoded_book.head, decoded_book.chain)
        assert exported["sha256"] == verified["sha256"]
        out.write_text(out.read_text().replace(decoded_book.volumes[1].run_id, decoded_book.volumes[2].run_id, 1))
        assert run("verify", out, code=3)["findings"]


def test_a_damaged_volume_in_the_store_is_told_in_the_packet(store, decoded_book, tmp_path):
    """On a copy: a stray value beyond the end of the first volume, and later the second one deleted."""
    backend = copy_store(store.path, tmp_path / "damaged")
    assert book_id_of(backend) == decoded_book.volumes[0].run_id
    client(backend).log_param(decoded_book.volumes[0].run_id, param_key(14), "stray")
    packet = build_decision_packet(make_writer(backend), "wine", "5")
    assert [(finding["place"], finding["what"]) for finding in packet.verify] == [(14, "beyond the end")]
    assert mismatched_sections(render_packet(packet)) == set()
    client(backend).delete_run(decoded_book.volumes[1].run_id)
    packet = build_decision_packet(make_writer(backend), "wine", "29")
    assert "book deleted" in [finding["what"] for finding in packet.verify]
    assert mismatched_sections(render_packet(packet)) == set()
