"""Shared fixtures of the Doctor tests: the context in which a fix is applied."""

import pytest

from lib.doctor.types import FixContext
from lib.ui.app.session import now


@pytest.fixture
def context(fresh_store, tmp_path):
    return FixContext(fresh_store, now, tmp_path / "podium")
