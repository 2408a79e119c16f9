"""A head stored as a git tag: once, under a safe name, only in a repository, and never over another head."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import ActionRefused, BadInput
from lib.ledger.chain.hash_chain import Anchor
from lib.registry.git_anchor import create_anchor_tag, tag_name
from tests.support.git_repository import git
from tests.support.git_repository import repository as repository  # noqa: PLC0414 - a fixture

HEAD = Anchor(17, "5d" * 32)


def test_a_head_becomes_an_annotated_tag_with_place_and_chain(repository):
    name = create_anchor_tag(repository, "card-fraud", HEAD)
    assert name == "podium-head-card-fraud-17"
    assert git(repository, "cat-file", "-t", name) == "tag"
    assert git(repository, "for-each-ref", "--format=%(contents:subject)", f"refs/tags/{name}") == f"17 {HEAD.chain}"


def test_the_same_head_twice_is_one_tag_and_another_head_is_refused(repository):
    create_anchor_tag(repository, "wine", HEAD)
    assert create_anchor_tag(repository, "wine", HEAD) == "podium-head-wine-17"
    with pytest.raises(ActionRefused, match="with another head"):
        create_anchor_tag(repository, "wine", Anchor(17, "ab" * 32))
    assert git(repository, "tag") == "podium-head-wine-17"


def test_outside_a_repository_and_without_a_commit_it_is_refused(tmp_path):
    with pytest.raises(BadInput, match="not a git repository"):
        create_anchor_tag(tmp_path / "nowhere", "wine", HEAD)
    (tmp_path / "new").mkdir()
    git(tmp_path / "new", "init", "-q")
    with pytest.raises(BadInput, match="no commit yet"):
        create_anchor_tag(tmp_path / "new", "wine", HEAD)


@pytest.mark.parametrize(
    "model", ["--force", "a b/..lock", "x; touch /tmp/y", "$(id)", "wein ä", "a.lock", "@{u}", "\n", "~^:?*["]
)
def test_whatever_a_model_is_called_its_tag_has_a_name_that_git_takes(repository, model):
    name = create_anchor_tag(repository, model, HEAD)
    assert git(repository, "tag") == name
    assert name.startswith("podium-head-")


@given(st.text(max_size=300), st.text(max_size=300))
def test_two_models_never_share_a_tag_name(model, other_model):
    assert (tag_name(model, 1) == tag_name(other_model, 1)) == (model == other_model)
    assert len(tag_name(model, 1)) < 120
