"""Whatever is added to the runs of a book, no answer about its existing entries changes.

Anyone with write access to the ledger can add parameters but cannot remove any. In memory, for any set of additional parameters; costs and
reports in a real store are tested in test_planted_params.
"""

import cProfile
import pstats

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ulid import ULID

from lib.ledger.chain.body_parts import END_OF_BODY, part_key
from lib.ledger.chain.book_decoder import decode_volume
from lib.ledger.chain.book_findings import MAX_FINDINGS_OF_A_KIND, collect_findings, condense_findings
from lib.ledger.chain.hash_chain import CHUNK_LENGTH, LedgerFinding, encode_entry, hash_text, next_chain, param_key
from lib.ledger.entry.types import Volume, canonical_json
from lib.ledger.packet.document import packet_entries, packet_volumes
from lib.ledger.queries.as_of import as_of
from lib.ledger.queries.history import entry_to_json, history_rows
from lib.ledger.queries.time_query import TimeQuery
from lib.ledger.state.replay import replay
from lib.ledger.state.volumes import VolumeParams, read_volumes
from lib.ledger.storage import book_cache
from tests.support.ledger_factories import (
    COMMON_FIELDS,
    EMPTY_CARRY,
    at_hour,
    make_closing,
    make_intent,
    make_observed_between,
    make_opened,
    make_slot_states,
    make_volumes,
    time_at,
)

BOOK = f"{0:032x}"
MADE_UP_CHAIN = "f" * 64
BLOCKING = {"chain broken"}
"""What planted values can block until it is settled: two that continue one another (contract §3.4)."""


def make_story():
    """Entries with their ids: three promotions, an outside move, and a decision that is still open."""
    entries = [(str(ULID()), at_hour(make_opened(), 1))]
    for n, version in enumerate("123"):
        intent_id, slot_states = str(ULID()), make_slot_states([version])
        entries.append((intent_id, at_hour(make_intent(version), 2 * n + 2)))
        closing = make_closing(0, slot_states=slot_states).model_copy(update={"intent": intent_id})
        entries.append((str(ULID()), at_hour(closing, 2 * n + 3)))
    entries.append((str(ULID()), make_observed_between(make_slot_states(["1"]), 9, 10)))
    return [*entries, (str(ULID()), at_hour(make_intent("2"), 11))]


STORY = make_story()


def make_story_volumes(lengths, chunk_length):
    volumes_by_run, _ = make_volumes([*lengths, len(STORY)], STORY, chunk_length)
    return {run_id: dict(volume.params) for run_id, volume in volumes_by_run.items()}


def read(params_by_run, decoder=decode_volume):
    volumes = {run_id: VolumeParams(params) for run_id, params in params_by_run.items()}
    return read_volumes(volumes.get, BOOK, None, decoder).book


def answers(book, params_by_run):
    """All answers about the entries of a book, including a packet."""
    state = replay(book)
    queries = [TimeQuery(time_at(hour), None, "UTC", False) for hour in range(13)]
    positions = [entry.position for entry in book.entries]
    return (
        book.entries,
        [as_of(book.entries, slot, query) for slot in ("production", "staging") for query in queries],
        history_rows(state),
        [entry_to_json(entry) for entry in book.entries],
        state.holdings,
        state.desired_holders(),
        [intent.id for intent in state.open_intents],
        state.drifted_slots(),
        packet_entries(params_by_run, book, positions),
        packet_volumes(params_by_run, book)[0].hashes[: len(STORY)],
    )


def entry_ids(params_by_run):
    return [value[:26] for params in params_by_run.values() for name, value in params.items() if name.isdigit()]


def make_unfinished(tip, rest):
    """The value of a place that continues `tip` and whose text lacks `rest`, which can be added later."""
    text = canonical_json(at_hour(make_opened(why="re-created"), 12)) + rest
    return f"{ULID()} {hash_text(text)} {next_chain(tip, hash_text(text))} {text.removesuffix(rest)}"


def stray_names(params_by_run, head):
    ids = entry_ids(params_by_run)
    odd_suffixes = st.sampled_from(["0", "001", "0001", "1234567", "x", ""])
    return st.one_of(
        st.builds(part_key, st.sampled_from(ids), st.integers(0, 4)),
        st.builds("{}.{}".format, st.sampled_from(ids), odd_suffixes),
        st.builds(lambda n: part_key(str(ULID()), n), st.integers(0, 2)),
        st.builds(param_key, st.integers(head + 1, head + 6)),
        st.builds(param_key, st.integers(0, 40)),
        st.sampled_from(["999999", "1234567", "٠٠٠٠٠١", "index", "book.x", "podium"]),
        st.text(max_size=8),
    )


def stray_values(params_by_run, tip):
    values = [value for params in params_by_run.values() for value in params.values()]
    return st.one_of(
        st.sampled_from(["}", "", "x", END_OF_BODY, '{"schema":1}']),
        st.sampled_from(values),
        st.builds(lambda: encode_entry(str(ULID()), '{"type":"LIE"}', MADE_UP_CHAIN)[0]),
        st.builds(lambda: make_unfinished(tip, "}")),
        st.text(max_size=8),
    )


@settings(deadline=None, max_examples=200)
@given(st.lists(st.integers(0, 4), max_size=2), st.sampled_from([CHUNK_LENGTH, 300, 90]), st.data())
def test_no_answer_about_what_stood_there_depends_on_what_is_added(lengths, chunk_length, data):
    params_by_run = make_story_volumes(lengths, chunk_length)
    book = read(params_by_run)
    names, values = stray_names(params_by_run, book.head), stray_values(params_by_run, book.tip)
    with_strays = {
        run_id: data.draw(st.dictionaries(names, values, max_size=12)) | params for run_id, params in params_by_run.items()
    }
    book_with_strays = read(with_strays)
    assert answers(book_with_strays, with_strays) == answers(book, params_by_run)
    assert book_with_strays.chains[: book.head + 1] == book.chains
    assert book_with_strays.volumes == book.volumes
    assert book.findings == ()
    assert {f.what for f in book_with_strays.findings if f.blocks_writing} <= BLOCKING
    assert all(f.position > book.head for f in book_with_strays.findings if f.blocks_writing)
    assert read(with_strays, book_cache.decode_volume_cached) == book_with_strays


@pytest.mark.parametrize("chunk_length", [CHUNK_LENGTH, 90])
def test_each_further_parameter_under_the_id_of_an_entry_is_told_at_its_place(chunk_length):
    params_by_run = make_story_volumes([], chunk_length)
    params = params_by_run[BOOK]
    strays = {}
    for entry_id, _ in STORY[:3]:
        first_free = next(n for n in range(100) if part_key(entry_id, n) not in params)
        strays |= {part_key(entry_id, first_free + n): "}" for n in range(2)} | {f"{entry_id}.0000": "}"}
    findings = read({BOOK: params | strays}).findings
    assert [(f.position, f.what) for f in findings] == [(n, "stray part") for n in (1, 2, 3)]
    assert all("under the id of this entry: 3 parameters." in f.means and not f.blocks_writing for f in findings)


def test_the_parts_of_a_lost_race_are_counted_and_are_no_finding():
    params = make_story_volumes([], 90)[BOOK]
    book = decode_volume(params | {part_key(str(ULID()), n): "part" for n in range(3)}, BOOK)
    assert (book.findings, book.abandoned_part_count) == ((), 3)


def test_what_is_no_place_and_no_part_is_told_in_one_finding_without_control_characters():
    strays = {f"k{n:04d}": "x" for n in range(500)} | {"a\x1b]0;X\x07": "x", "٠٠٠٠٠١": "x", "12345": "x"}
    (finding,) = decode_volume(make_story_volumes([], CHUNK_LENGTH)[BOOK] | strays, BOOK).findings
    assert (finding.position, finding.what, finding.blocks_writing) == (0, "stray parameter", False)
    assert "503 parameters" in finding.means
    assert "and 500 more" in finding.means
    assert finding.means.isprintable()


def test_a_text_that_fits_no_hash_accuses_nobody_of_changing_the_database():
    """A place is written once, but its writer may choose any hash: the two cases cannot be distinguished."""
    params = make_story_volumes([], CHUNK_LENGTH)[BOOK]
    book = decode_volume(params, BOOK)
    for rest, what in (("x}", "edited"), ("!", "edited"), ("}", "missing")):
        text = '{"type":"OPENED"' + ("}" if what == "edited" else "") + rest
        value = f"{ULID()} {hash_text(text)} {next_chain(book.tip, hash_text(text))} {text.removesuffix(rest)}"
        (finding,) = decode_volume(params | {param_key(book.head + 1): value}, BOOK).findings
        assert (finding.position, finding.what, finding.blocks_writing) == (book.head + 1, what, False)
        assert "written that way. The entry is ignored." in finding.means


@settings(deadline=None)
@given(st.booleans(), st.lists(st.sampled_from(["}", '"}', "x", END_OF_BODY]), max_size=4))
def test_an_entry_whose_reading_was_ended_never_speaks_again(is_volume, later_parts):
    """Otherwise an attacker could plant a place without the end of its text and complete it years later."""
    params = make_story_volumes([], CHUNK_LENGTH)[BOOK]
    book = decode_volume(params, BOOK)
    body = Volume(**COMMON_FIELDS, next="e" * 32, carry=EMPTY_CARRY) if is_volume else make_opened(why="re-created")
    entry_id, text = str(ULID()), canonical_json(body)
    value, rest = encode_entry(entry_id, text, book.tip, len(text) - 1)
    unfinished_params = params | {param_key(book.head + 1): value}
    unfinished_book = decode_volume(unfinished_params, BOOK)
    assert (unfinished_book.entries, unfinished_book.open_part_keys) == (book.entries, (part_key(entry_id, 0),))
    assert decode_volume(unfinished_params | rest, BOOK).entries[-1].body == body, "until its reading is ended"
    ended_params = unfinished_params | {part_key(entry_id, 0): END_OF_BODY}
    next_value, _ = encode_entry(str(ULID()), canonical_json(make_intent("3")), unfinished_book.tip)
    ended_params |= {param_key(book.head + 2): next_value}
    ended_book = decode_volume(ended_params, BOOK)
    assert (len(ended_book.entries), ended_book.open_part_keys) == (len(book.entries) + 1, ())
    completed = {part_key(entry_id, n): part for n, part in enumerate(later_parts, 1)}
    assert decode_volume(ended_params | completed, BOOK) == ended_book


def test_an_id_counts_once_so_that_nobody_speaks_under_the_id_of_another():
    params = make_story_volumes([], CHUNK_LENGTH)[BOOK]
    book = decode_volume(params, BOOK)
    open_intent = replay(book).open_intents[-1]
    value, _ = encode_entry(open_intent.id, canonical_json(make_intent("3")), book.tip)
    book_with_copy = decode_volume(params | {param_key(book.head + 1): value}, BOOK)
    assert book_with_copy.entries == book.entries
    assert [(f.position, f.what, f.blocks_writing) for f in book_with_copy.findings] == [(book.head + 1, "repeated id", False)]
    next_value, _ = encode_entry(str(ULID()), canonical_json(make_intent("3")), book_with_copy.tip)
    assert decode_volume(book_with_copy_params(params, book, value, next_value), BOOK).entries[:-1] == book.entries


def book_with_copy_params(params, book, *values):
    return params | {param_key(book.head + n): value for n, value in enumerate(values, 1)}


def plant_linked(params, book, count):
    """Values from the next place on that continue one another but not the book."""
    values, chain = {}, MADE_UP_CHAIN
    for n in range(count):
        value, _ = encode_entry(str(ULID()), "{}", chain)
        values[param_key(book.head + 1 + n)] = value
        chain = value.split(" ", 3)[2]
    return values


def plant_unfinished_with_one_id(params, book, count):
    """Places that all lack their end, with one shared id, and as many parts under it."""
    entry_id, chain, values = str(ULID()), book.tip, {}
    for n in range(count // 2):
        sha = hash_text(f"never shown {n}")
        chain = next_chain(chain, sha)
        values |= {param_key(book.head + 1 + n): f"{entry_id} {sha} {chain} x", part_key(entry_id, n): "y"}
    return values


HOSTILE = {
    "junk at the next places": lambda params, book, count: {param_key(book.head + 1 + n): "x" for n in range(count)},
    "junk beyond the end": lambda params, book, count: {param_key(book.head + 5 + n): "x" for n in range(count)},
    "replayed entries": lambda params, book, count: {
        param_key(book.head + 1 + n): params[param_key(n % book.head + 1)] for n in range(count)
    },
    "well-formed values": lambda params, book, count: {
        param_key(book.head + 1 + n): encode_entry(str(ULID()), "{}", hash_text(str(n)))[0] for n in range(count)
    },
    "linked values": plant_linked,
    "linked values beyond the end": lambda params, book, count: {
        param_key(int(name) + 3): value for name, value in plant_linked(params, book, count).items()
    },
    "parts of one entry": lambda params, book, count: {part_key(book.entries[0].id, n): "}" for n in range(count)},
    "unfinished entries with one id": plant_unfinished_with_one_id,
}


def count_calls(params):
    profile = cProfile.Profile()
    profile.runcall(lambda: collect_findings(decode_volume(params, BOOK), ()))
    return pstats.Stats(profile).total_calls


@pytest.mark.parametrize("plant", HOSTILE.values(), ids=HOSTILE)
def test_reading_a_book_takes_steps_in_proportion_to_what_was_planted(plant):
    params = make_story_volumes([], CHUNK_LENGTH)[BOOK]
    book = decode_volume(params, BOOK)
    few, many = (count_calls(params | plant(params, book, count)) for count in (400, 1600))
    assert many <= 4.5 * few


@pytest.mark.parametrize("plant", HOSTILE.values(), ids=HOSTILE)
def test_thousands_of_one_kind_are_told_in_few_findings_that_count_them(plant):
    params = make_story_volumes([], CHUNK_LENGTH)[BOOK]
    book = decode_volume(params, BOOK)
    planted_book = decode_volume(params | plant(params, book, 1000), BOOK)
    findings = collect_findings(planted_book, ())
    assert planted_book.entries == book.entries
    assert len(findings) <= 2 * (MAX_FINDINGS_OF_A_KIND + 1)
    further = [int(f.means.split(" ", 1)[0].replace(",", "")) for f in findings if " more of these" in f.means]
    named = len(findings) - len(further)
    assert named + sum(further) == len(planted_book.findings)
    assert {f.what for f in findings if f.blocks_writing} == {f.what for f in planted_book.findings if f.blocks_writing}


def test_findings_in_few_words_block_as_all_of_them_did():
    findings = [LedgerFinding(n, "newer schema", "", blocks_writing=n == 30) for n in range(1, 40)]
    assert [f.position for f in condense_findings(findings) if f.blocks_writing] == [MAX_FINDINGS_OF_A_KIND + 1]
    assert condense_findings(findings[:MAX_FINDINGS_OF_A_KIND]) == tuple(findings[:MAX_FINDINGS_OF_A_KIND])


def test_the_places_of_many_findings_are_told_as_stretches():
    params = make_story_volumes([], CHUNK_LENGTH)[BOOK]
    beyond = {param_key(n): "x" for start in (20, 40, 60, 80, 100, 120, 140) for n in range(start, start + 5)}
    summary = collect_findings(decode_volume(params | beyond, BOOK), ())[-1]
    assert (summary.position, summary.what) == (60, "beyond the end")
    assert summary.means.startswith("25 more of these, at places 60–64, 80–84, 100–104, 120–124, 140–144. ")
