"""A head noted as a git tag: once, under a safe name, only in a repository, and never over another head."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import ActionRefused, BadInput
from lib.ledger.chain.hash_chain import Anchor
from lib.registry.git_anchor import create_anchor_tag, tag_name

HEAD = Anchor(17, "5d" * 32)


def git(folder, *words):
    return subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    for name, value in (("NAME", "ana"), ("EMAIL", "ana@example.org")):
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "start")
    return tmp_path


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
    with pytest.raises(BadInput, match="no git repository"):
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
def test_two_models_never_share_a_tag_name(one, other):
    assert (tag_name(one, 1) == tag_name(other, 1)) == (one == other)
    assert len(tag_name(one, 1)) < 120
