"""Shared fixtures for the command tests."""

import json

import pytest
from click.testing import CliRunner

from lib.cli import podium


@pytest.fixture
def run(fresh_store, monkeypatch, clean_session):
    """Run a command on a fresh store. Returns the JSON document and stderr."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", fresh_store.uri)
    monkeypatch.setenv("PODIUM_USER", "pipeline")

    def run_command(*arguments, code=0):
        result = CliRunner().invoke(podium, [*arguments, "--json"])
        assert result.exit_code == code, (result.output, result.exception)
        return json.loads(result.stdout) if result.stdout.strip() else None, result.stderr

    return run_command
