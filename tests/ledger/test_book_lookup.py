"""No set of additions to the index or to a book takes a model's book away, and additions are reported."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from lib.ledger.chain.book_findings import MAX_FINDINGS_OF_A_KIND, condense_findings
from lib.ledger.state.book_lookup import (
    BookLives,
    ModelIncarnation,
    book_ids,
    book_lives,
    free_index_key,
    group_tagged_books,
    resolve_book_id,
)
from lib.ledger.state.index_findings import find_index_strays, named_lives
from tests.support.ledger_factories import make_book_state, make_intent, make_opened


@dataclass
class World:
    """Existing models, the lives of each book, and the index, as created by Podium alone."""

    models: list = field(default_factory=list)
    lives: dict = field(default_factory=dict)
    index: dict = field(default_factory=lambda: {"index": "i" * 32})

    def find(self, incarnation, index=None, lives=None):
        tagged_books = group_tagged_books(self.models)
        return resolve_book_id(index or self.index, incarnation, lives_reader(lives or self.lives), lambda: tagged_books)


def lives_reader(lives_by_book):
    """Reads the lives of books that were opened for these models, by name and creation time."""
    return {
        book: BookLives(lives[0][0] if lives else "", tuple(dict.fromkeys(time for _, time in lives)))
        for book, lives in lives_by_book.items()
    }.get


def find_strays(world, index, lives_by_book=None):
    lives_by_book = world.lives if lives_by_book is None else lives_by_book
    return find_index_strays(index, {book: frozenset(lives) for book, lives in lives_by_book.items()}, world.models)


def add_recorded(world, name, has_tag):
    book, time = f"book-of-{name}", f"{name} 1"
    world.lives[book] = [(name, time)]
    world.models.append(ModelIncarnation(name, time, book if has_tag else ""))
    world.index[world.models[-1].name_key] = book


def add_renamed(world, name, is_settled):
    """A renamed model, and a new one under its old name with a book of its own."""
    book, new_book, time = f"book-of-{name}", f"second-of-{name}", f"{name} 1"
    world.lives |= {book: [(name, time)], new_book: [(name, f"{name} 2")]}
    renamed, successor = (
        ModelIncarnation(f"{name}-old", time, book),
        ModelIncarnation(name, f"{name} 2", new_book if is_settled else ""),
    )
    world.models += [renamed, successor]
    world.index |= {successor.name_key: book, successor.incarnation_key: new_book}
    world.index |= {renamed.incarnation_key: book} if is_settled else {}


def add_recreated(world, name, _):
    """A model that was re-created and not synced since then."""
    book = f"book-of-{name}"
    world.lives[book] = [(name, f"{name} 1")]
    world.models.append(ModelIncarnation(name, f"{name} 2"))
    world.index[world.models[-1].name_key] = book


def add_deleted(world, name, _):
    book = f"book-of-{name}"
    world.lives[book] = [(name, f"{name} 1")]
    world.models.append(ModelIncarnation(name, None))
    world.index[world.models[-1].name_key] = book


def add_unrecorded(world, name, _):
    world.models.append(ModelIncarnation(name, f"{name} 1"))


@st.composite
def worlds(draw):
    world = World()
    add_model = st.sampled_from([add_recorded, add_renamed, add_recreated, add_deleted, add_unrecorded])
    for name, add in enumerate(draw(st.lists(add_model, min_size=1, max_size=4))):
        add(world, "abcd"[name], draw(st.booleans()))
    return world


@st.composite
def attacked_worlds(draw):
    """A world, with its index and the lives of its books after foreign additions to both and foreign books."""
    world = draw(worlds())
    known_lives = [(m.model, m.created_at) for m in world.models if m.created_at]
    any_lives = st.sampled_from([*known_lives, *(life for lives in world.lives.values() for life in lives), ("z", "z 1")])
    lives = {book: [*told, *draw(st.lists(any_lives, max_size=2))] for book, told in world.lives.items()}
    lives |= {f"forged-{n}": draw(st.lists(any_lives, max_size=2)) for n in range(2)}
    keys = [key for model in world.models for key in model.index_keys[:4]]
    names = st.one_of(st.sampled_from(keys), st.sampled_from(["book.x", "podium", ModelIncarnation("z", None).name_key]))
    values = st.sampled_from([*lives, "not-there", "../..", ""])
    index = draw(st.dictionaries(names, values, max_size=10)) | world.index
    return world, index, lives


@settings(deadline=None, max_examples=400)
@given(attacked_worlds())
def test_no_addition_to_the_index_or_to_a_book_changes_whose_book_is_whose(attacked_world):
    world, index, lives = attacked_world
    for model in world.models:
        book_before = world.find(model)
        book_after = world.find(model, index, lives)
        if book_before is not None:
            assert book_after == book_before
        else:
            assert book_after not in world.lives, "the book of another model"
    owned_books = [book for model in world.models if (book := world.find(model, index, lives)) in world.lives]
    assert len(set(owned_books)) == len(owned_books), "never shared"


@settings(deadline=None)
@given(attacked_worlds())
def test_what_podium_itself_names_is_no_finding_and_each_addition_that_explains_nothing_is(attacked_world):
    world, index, _ = attacked_world
    assert find_strays(world, world.index) == ()
    strays = {name: value for name, value in index.items() if name not in world.index}
    unexplained = {n: v for n, v in strays.items() if n in ("podium", "book.x") or v in ("../..", "")}
    findings = find_strays(world, world.index | unexplained)
    is_run = unexplained.get("book.x") not in (None, "../..", "") and unexplained["book.x"] not in world.lives
    assert bool(findings) == bool(set(unexplained) - ({"book.x"} if is_run else set()))
    assert not any(finding.blocks_writing for finding in findings)


def test_a_book_named_under_the_name_of_another_model_and_a_second_book_of_one_life_are_told():
    world = World()
    add_recorded(world, "a", True)
    add_unrecorded(world, "b", False)
    beer = world.models[1]
    planted_index = world.index | {beer.name_key: "book-of-a", world.models[0].incarnation_key: "forged"}
    lives = world.lives | {"forged": [("a", "a 1")]}
    findings = find_strays(world, planted_index, lives)
    assert [finding.what for finding in findings] == ["stray name", "rival books"]
    assert "book book-of-… under a name this book never had" in findings[0].means
    assert world.find(world.models[0], planted_index, lives) == "book-of-a"
    assert world.find(beer, planted_index, lives) is None


def test_a_book_that_was_elected_and_has_no_entry_yet_is_no_finding():
    world = World()
    add_unrecorded(world, "a", False)
    (model,) = world.models
    lives = {"empty": [("a", "")]}
    for key in model.index_keys:
        assert find_strays(world, world.index | {key: "empty"}, lives) == ()
    assert [f.what for f in find_strays(world, {"book.x": "empty"}, lives)] == ["stray name"]


def test_ten_thousand_names_become_a_few_findings():
    index = {f"book.{n}": "../.." for n in range(10_000)} | {f"k{n}": "x" for n in range(10_000)}
    findings = condense_findings(find_index_strays(index, {}, []))
    assert len(findings) == MAX_FINDINGS_OF_A_KIND + 2
    assert "9,990 more of these" in findings[-1].means
    assert book_ids(index) == frozenset()


def test_a_book_is_elected_under_the_first_name_that_nobody_took():
    model = ModelIncarnation("a", "a 1")
    assert free_index_key({}, model) == model.name_key
    assert free_index_key({model.name_key: "x"}, model) == model.incarnation_key
    taken = dict.fromkeys(model.index_keys[:-1], "x")
    assert free_index_key(taken, model) == model.index_keys[-1]
    assert free_index_key(dict.fromkeys(model.index_keys, "x"), model) is None


def test_the_lives_of_a_book_are_those_it_was_opened_for_under_the_names_its_entries_give():
    renamed_intent = make_intent("1").model_copy(update={"model": "n"})
    state = make_book_state(make_opened(created="2026-01-01T00:00:00.000Z"), renamed_intent, make_opened(created=None))
    lives = book_lives(state)
    assert (lives.first_model, lives.created_times) == ("m", ("2026-01-01T00:00:00.000Z",))
    assert named_lives(state, "x") == {("m", "2026-01-01T00:00:00.000Z"), ("n", "2026-01-01T00:00:00.000Z"), ("m", "")}
    assert book_lives(make_book_state()) == BookLives()
    assert named_lives(make_book_state(), "x") == {("x", "")}
