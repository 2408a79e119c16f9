"""Shared fixtures for the registry tests."""

import pytest

from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from tests.conftest import copy_store
from tests.support.ledger_stores import DECISION, make_registered_model, make_writer


@pytest.fixture(scope="module")
def recorded_database(tmp_path_factory, empty_database):
    """A template database with the record of one model, wine: v1, then v2 in Production."""
    backend = copy_store(empty_database, tmp_path_factory.mktemp("recorded"))
    make_registered_model(backend)
    for version in "12":
        move_version(make_writer(backend), MoveRequest("wine", version, "Production"), DECISION)
    return backend.path


@pytest.fixture
def recorded(recorded_database, tmp_path):
    """A separate store with that record."""
    return copy_store(recorded_database, tmp_path / "store")
