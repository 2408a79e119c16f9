"""What an account may not read on a server with users is reported, and a refused permission never counts as absence."""

import pytest
from mlflow.server.auth.client import AuthServiceClient

from lib.backends.credentials import create_credential
from lib.backends.mlflow_client import client
from lib.backends.permissions import describe_unreadable_experiments
from lib.backends.reserved_names import BOOK_TAG, LEDGER_EXPERIMENT
from lib.errors import LedgerBroken, MissingPermission
from lib.ledger.storage.inventory_reader import find_unexplained
from lib.registry.ledger_search import describe_absence, describe_unreadable
from lib.registry.reconcile import sync_model_status
from lib.registry.verify import verify_all, verify_index
from tests.support.auth_server import ADMIN, password
from tests.support.ledger_stores import make_writer


@pytest.fixture
def people(signed_server, monkeypatch):
    """The server as accessed by ana and by rae, with the credentials that keep each backend alive."""
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    credentials = {name: create_credential(signed_server.backend, name, password(name)) for name in ("ana", "rae")}
    yield [signed_server.backend.with_principal(credential.principal) for credential in credentials.values()]
    del credentials


@pytest.fixture
def deny(signed_server, monkeypatch):
    """A function that denies rae access to an experiment until the end of the test."""
    denied_ids = []

    def administer(method, *arguments):
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("MLFLOW_TRACKING_USERNAME", ADMIN)
            environment.setenv("MLFLOW_TRACKING_PASSWORD", password(ADMIN))
            getattr(AuthServiceClient(signed_server.backend.uri), method)("rae", "experiment", *arguments)

    def deny_experiment(experiment_id):
        administer("grant_user_permission", experiment_id, "DENY")
        denied_ids.append(experiment_id)

    yield deny_experiment
    for experiment_id in denied_ids:
        administer("revoke_user_permission", experiment_id)


def test_experiments_that_an_account_cannot_read_are_counted(people, deny):
    ana, rae = people
    assert describe_unreadable(rae) == ""
    ids = [client(ana).create_experiment(f"secret-{n}") for n in range(4)]
    for experiment_id in (ids[0], ids[2], ids[3]):
        deny(experiment_id)
    assert describe_unreadable(rae) == "3 experiments cannot be read with this account."
    assert describe_unreadable(ana) == ""


def test_a_record_that_an_account_cannot_read_is_not_absent(people, deny):
    """The record of a model is where rae may not read, and no index she may read leads to it."""
    ana, rae = people
    experiment = client(ana).create_experiment("hidden-record")
    run = client(ana).create_run(experiment, tags={"podium.kind": "book"}).info.run_id
    client(ana).create_registered_model("hidden")
    client(ana).set_registered_model_tag("hidden", BOOK_TAG, run)
    try:
        deny(experiment)
        (finding,) = [finding for finding in find_unexplained(rae) if finding.model == "hidden"]
        assert finding.what == "tag without a record"
        assert f"run {run}, which the index of this ledger does not name and which is missing or not readable" in finding.means
        with pytest.raises(LedgerBroken, match="not readable here"):
            sync_model_status(make_writer(rae), "hidden")
        assert [f.what for v in verify_all(rae) if v.model == "hidden" for f in v.findings] == ["tag without a record"]
    finally:
        client(ana).delete_registered_model("hidden")


def test_a_ledger_that_an_account_cannot_read_is_named_with_the_missing_right(people, deny):
    ana, rae = people
    ledger = client(ana).get_experiment_by_name(LEDGER_EXPERIMENT)
    deny(ledger.experiment_id if ledger else client(ana).create_experiment(LEDGER_EXPERIMENT))
    for read in (verify_all, verify_index, describe_absence):
        with pytest.raises(MissingPermission, match="rae needs READ permission on experiment podium-ledger"):
            read(rae)


def test_a_local_file_hides_nothing(fresh_store):
    assert describe_unreadable_experiments(fresh_store, {"0", "7"}) == ""
