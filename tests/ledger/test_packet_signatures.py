"""Signatures in packets, verified offline from the packet alone: a completely forged packet has no signature of a trusted key."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.cli import podium
from lib.ledger.chain.hash_chain import hash_text, next_chain
from lib.ledger.chain.signatures import NO_KEYS, KnownKey, TrustedKeys, trust_fingerprints
from lib.ledger.entry.vocabulary import Actor
from lib.ledger.packet.document import PacketKey, PacketSignatures, document_to_json, hash_json, hashed_document
from lib.ledger.packet.verify import verify_packet
from lib.ledger.queries.time_query import TimeQuery
from lib.ledger.storage.book import Writer
from lib.registry.audit_queries import AsOfQuery
from lib.registry.move_plan import MoveRequest
from lib.registry.packet_builder import build_as_of_packet, build_decision_packet
from lib.registry.packet_page import render_packet
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state
from lib.registry.reconcile import sync_model_status
from tests.conftest import copy_store
from tests.support.entry_signing import fingerprint_of, key_text_of, make_private_key, make_signer, sign_fields
from tests.support.ledger_stores import DECISION, make_registered_model, make_writer

MAL = make_private_key("mal")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The folder of the Podium that signed the book."""
    return tmp_path_factory.mktemp("signed-packets") / "podium"


@pytest.fixture(scope="module")
def key(home):
    return make_signer(home).load_key()


@pytest.fixture(scope="module")
def store(empty_database, tmp_path_factory, home):
    """wine: begun by a Podium without a key; then ana, verified by a server, put v1 in Production on a Podium that signs."""
    backend = copy_store(empty_database, tmp_path_factory.mktemp("signed-packets") / "store")
    make_registered_model(backend)
    sync_model_status(make_writer(backend), "wine")
    writer = Writer(backend, Actor(name="ana", how="server"), make_writer(backend).clock, make_signer(home))
    move_version(writer, MoveRequest("wine", "1", "Production"), DECISION)
    return backend


@pytest.fixture(scope="module")
def keys(key):
    """The keys known to the exporting Podium: its own."""
    return TrustedKeys((KnownKey(fingerprint_of(key), "this Podium", is_own=True),))


@pytest.fixture(scope="module")
def decision(store, keys):
    position = next(entry.position for entry in read_book_state(store, "wine").book.entries if entry.body.type == "DECIDED")
    return build_decision_packet(make_writer(store), "wine", str(position), keys)


@pytest.fixture(scope="module")
def answer(store, keys):
    now = make_writer(store).clock()
    return build_as_of_packet(make_writer(store), "wine", AsOfQuery("production", TimeQuery(now), now), keys)


def verify(packet_or_document, trusted=NO_KEYS):
    is_document = isinstance(packet_or_document, dict)
    document = packet_or_document if is_document else hashed_document(packet_or_document)
    return verify_packet(document_to_json(document).encode(), trusted)


def problems(verification):
    return {(problem.section, problem.what.split(":")[0]) for problem in (*verification.mismatches, *verification.trust_problems)}


def forge(packet, change):
    """A forged packet: changed fields in its decision, with matching texts, chain and hashes."""
    (volume,) = packet.book.volumes
    entries, hashes, chains = {entry.place: entry for entry in packet.entries}, list(volume.hashes), [volume.before]
    for place in range(1, len(hashes) + 1):
        if place in entries:
            fields = json.loads(entries[place].text)
            if fields["type"] == "DECIDED":
                statement = {
                    "book": volume.run_id,
                    "run": volume.run_id,
                    "place": place,
                    "id": entries[place].id,
                    "previous": chains[-1],
                }
                fields = change(fields, statement)
            text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            hashes[place - 1] = hash_text(text)
            entries[place] = entries[place].model_copy(update={"text": text, "sha256": hashes[place - 1]})
        chains.append(next_chain(chains[-1], hashes[place - 1]))
        if place in entries:
            entries[place] = entries[place].model_copy(update={"chain": chains[-1]})
    book = packet.book.model_copy(update={"chain": chains[-1], "volumes": (volume.model_copy(update={"hashes": tuple(hashes)}),)})
    return packet.model_copy(update={"book": book, "entries": tuple(entries.values())})


def test_a_packet_says_how_many_entries_are_signed_and_by_which_keys(decision, answer, key):
    for packet in (decision, answer):
        (packet_key,) = packet.keys
        assert (packet_key.fingerprint, packet_key.own, packet_key.trusted) == (fingerprint_of(key), True, True)
        assert packet_key.name == "the Podium that created this packet"
        unsigned_count = sum('"sig"' not in entry.text for entry in packet.entries)
        assert packet.signatures == PacketSignatures(trusted=len(packet.entries) - unsigned_count, unknown=0, none=unsigned_count)
        assert packet.signatures.trusted >= 2
        assert verify(packet).mismatches == ()
        assert verify_packet(render_packet(packet).encode()).mismatches == ()


def test_a_packet_is_vouched_for_by_the_key_of_its_podium_and_by_no_other(decision, answer, key):
    for packet in (decision, answer):
        verification = verify(packet, trust_fingerprints([fingerprint_of(key)]))
        assert (problems(verification), verification.signatures.trusted) == (set(), packet.signatures.trusted)
        verification = verify(packet, trust_fingerprints([fingerprint_of(MAL)]))
        assert verification.mismatches == ()
        assert verification.signatures.unknown == packet.signatures.trusted
        sections = {section for section, _ in problems(verification)}
        assert "signatures" in sections
        assert {f"entry {packet.shown[-1]}"} <= sections


def test_a_packet_that_was_forged_as_a_whole_has_no_signature_that_fits(answer):
    """Entries after the forged one also carry signatures for another chain."""
    forged = forge(answer, lambda fields, _: fields | {"by": {"name": "eve", "how": "server"}})
    place = next(entry.place for entry in answer.entries if '"DECIDED"' in entry.text)
    sections = {section for section, _ in problems(verify(forged))}
    assert sections >= {f"entry {place}", f"entry {place + 1}"}


def test_a_forger_who_signs_with_a_key_of_his_own_is_not_trusted(decision, key):
    """The forger omits the closing and the genuine entries before it: the packet is consistent and claims that his key was trusted."""
    place = decision.subject.place
    entries = tuple(entry for entry in decision.entries if entry.place <= place)
    short = decision.model_copy(update={"entries": entries, "shown": tuple(entry.place for entry in entries)})
    forged = forge(
        short, lambda fields, statement: sign_fields(fields | {"by": {"name": "eve", "how": "server"}}, MAL, statement)
    )
    mal_key = PacketKey(fingerprint=fingerprint_of(MAL), key=key_text_of(MAL), name="the bank", trusted=True)
    unsigned_count = sum('"sig"' not in entry.text for entry in entries)
    counts = PacketSignatures(trusted=len(entries) - unsigned_count, none=unsigned_count)
    forged = forged.model_copy(update={"keys": (*decision.keys, mal_key), "signatures": counts})
    assert verify(forged).mismatches == ()
    assert problems(verify(forged, trust_fingerprints([fingerprint_of(key)]))) == {
        (f"entry {place}", "It is signed by a key that was not given")
    }


def strip_signatures(packet):
    """The packet without any signature, with everything else adjusted."""
    forged = forge(packet, lambda fields, _: fields)
    entries = [json.loads(entry.text) for entry in forged.entries]
    for fields in entries:
        fields.pop("sig", None)
    texts = [json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False) for fields in entries]
    stripped = tuple(e.model_copy(update={"text": text}) for e, text in zip(forged.entries, texts, strict=True))
    none_signed = {"keys": (), "signatures": PacketSignatures(none=len(stripped))}
    return forge(packet.model_copy(update={"entries": stripped, **none_signed}), lambda fields, _: fields)


def test_a_forger_who_takes_the_signatures_away_is_told_when_a_key_is_named(answer, key):
    stripped = strip_signatures(answer)
    assert verify(stripped).mismatches == ()
    verification = verify(stripped, trust_fingerprints([fingerprint_of(key)]))
    assert problems(verification) == {("signatures", "No entry that proves this is signed by a given key.")}


def test_an_unsigned_entry_after_a_signed_one_is_told_when_a_key_is_named(answer, key):
    """The last entry can be changed without breaking the others, because the chain ends with it."""
    entries, last_place = [json.loads(entry.text) for entry in answer.entries], answer.entries[-1].place
    entries[-1].pop("sig")
    text = json.dumps(entries[-1], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    changed = answer.model_copy(update={"entries": (*answer.entries[:-1], answer.entries[-1].model_copy(update={"text": text}))})
    forged = forge(changed, lambda fields, _: fields)
    counts = PacketSignatures(trusted=answer.signatures.trusted - 1, none=answer.signatures.none + 1)
    forged = forged.model_copy(update={"signatures": counts})
    assert verify(forged).mismatches == ()
    first_signed = min(entry.place for entry in answer.entries if '"sig"' in entry.text)
    assert problems(verify(forged, trust_fingerprints([fingerprint_of(key)]))) == {
        (f"entry {last_place}", f"It is not signed, although the earlier entry {first_signed} is.")
    }


@pytest.mark.parametrize(
    ("part", "update"),
    [
        ("keys", {"keys": ()}),
        ("signatures", {"signatures": PacketSignatures(trusted=99)}),
        ("signatures", {"signatures": PacketSignatures()}),
    ],
)
def test_keys_and_counts_follow_from_the_entries(decision, part, update):
    assert part in {section for section, _ in problems(verify(decision.model_copy(update=update)))}


def test_a_key_in_a_packet_that_signed_nothing_is_named(decision):
    other_key = decision.keys[0].model_copy(update={"fingerprint": fingerprint_of(MAL)})
    assert problems(verify(decision.model_copy(update={"keys": (*decision.keys, other_key)}))) == {
        ("keys", "These are not the keys that signed the entries.")
    }


def as_format(packet, number, **parts):
    document = {
        name: part for name, part in hashed_document(packet).items() if name not in ("hashes", "sha256", "keys", "signatures")
    }
    document |= {"packet": number, **parts}
    hashes = {name: hash_json(document[name]) for name in document}
    return {**document, "hashes": hashes, "sha256": hash_json(hashes)}


def test_format_1_is_read_as_before_and_has_no_part_of_format_2(decision, key):
    assert verify(as_format(decision, 1)).mismatches == ()
    assert problems(verify(as_format(decision, 1, keys=[]))) == {("keys", "This part does not belong to a packet.")}
    assert verify(as_format(decision, 1), trust_fingerprints([fingerprint_of(key)])).trust_problems == ()
    assert ("packet", "This is format 3; this Podium reads formats 1 and 2.") in problems(verify(as_format(decision, 3)))
    assert {"keys", "signatures"} <= {section for section, _ in problems(verify(as_format(decision, 2)))}


NUMBERS = st.integers(-(10**20), 10**20) | st.sampled_from([0, 1, 2, 3, 4])


@settings(deadline=None, max_examples=60)
@given(places=st.lists(NUMBERS, min_size=4, max_size=4), first=NUMBERS, key_text=st.text(max_size=5))
def test_no_number_however_odd_makes_checking_fail(decision, places, first, key_text):
    document = hashed_document(decision)
    for entry, place in zip(document["entries"], places, strict=False):
        entry["place"] = place
    document["book"]["volumes"][0]["first"] = first
    document["keys"][0]["key"] = key_text
    assert verify(document, trust_fingerprints([fingerprint_of(MAL)])).mismatches


def test_the_page_calls_a_name_verified_only_where_whoever_exported_it_trusted_the_key(store, decision, answer):
    assert "(verified)" in render_packet(decision)
    assert "Decided by <strong><bdi>ana</bdi></strong> (verified)" in render_packet(answer)
    now = make_writer(store).clock()
    for packet in (
        build_decision_packet(make_writer(store), "wine", str(decision.subject.place)),
        build_as_of_packet(make_writer(store), "wine", AsOfQuery("production", TimeQuery(now), now)),
    ):
        page = render_packet(packet)
        assert packet.signatures.trusted == 0
        assert "claims to be ana" in page
        assert "(verified)" not in page
        assert verify_packet(page.encode()).mismatches == ()
    assert "approved for Production by ana on" in decision.said


@pytest.fixture
def command(store, home, monkeypatch, clean_session):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    monkeypatch.setenv("PODIUM_HOME", str(home))

    def invoke(*arguments, code=0):
        result = CliRunner().invoke(podium, ["packet", *map(str, arguments)])
        assert result.exit_code == code, (result.output, result.exception)
        return result.stdout

    return invoke


def test_export_and_verify_judge_by_the_keys_that_are_named(command, tmp_path, decision, key):
    out, fingerprint = tmp_path / "packet.html", fingerprint_of(key)
    command("export", "wine", "--entry", decision.subject.place, "--out", out)
    document = json.loads(command("verify", out, "--json"))
    assert (document["signatures"]["unknown"], document["keys"], document["findings"]) == (
        decision.signatures.trusted,
        [fingerprint],
        [],
    )
    assert (
        json.loads(command("verify", out, "--trust", fingerprint, "--json"))["signatures"]["trusted"]
        == decision.signatures.trusted
    )
    assert "signed by a trusted key" in command("verify", out, "--trust", fingerprint_of(MAL), "--trust", fingerprint)
    text = command("verify", out, "--trust", fingerprint_of(MAL), code=3)
    assert ": intact, " in text
    assert "is signed by a key that was not given" in text
    command("verify", out, "--trust", "ana", code=2)


def test_checking_a_packet_by_a_key_imports_neither_mlflow_nor_pandas(command, tmp_path, decision, key):
    out = tmp_path / "packet.json"
    command("export", "wine", "--entry", decision.subject.place, "--out", out)
    code = "import sys; from lib.cli import podium\ntry: podium(sys.argv[1:])\nfinally: print({'mlflow', 'pandas'} & set(sys.modules))"
    arguments = [sys.executable, "-c", code, "packet", "verify", str(out), "--trust", fingerprint_of(key)]
    result = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "set()"
