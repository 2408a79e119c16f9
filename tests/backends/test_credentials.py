"""The store of credentials: a typed one lives as long as its session, and nothing shows a secret."""

import gc
import json
import pickle
import threading
import weakref
from urllib.parse import quote

import pytest

from lib.backends import signing_secret
from lib.backends.backend import Backend
from lib.backends.credentials import CredentialStore, create_credential, credential_store, find_credential, use_store
from lib.errors import BadInput

SERVER = Backend("https://example.org", "server")


def test_a_typed_credential_dies_with_the_session_that_holds_it():
    session = {"session.signed": create_credential(SERVER, "ana", "secret")}
    backend, reference = SERVER.with_principal(session["session.signed"].principal), weakref.ref(session["session.signed"])
    assert find_credential(backend).user == "ana"
    session.clear()
    gc.collect()
    assert reference() is None
    assert find_credential(backend) is None


@pytest.mark.parametrize("source", ["secrets", "environment"])
def test_a_credential_of_the_process_is_held_and_a_typed_one_never(source):
    backend = SERVER.with_principal(credential_store().hold(create_credential(SERVER, "ana", "secret", source)).principal)
    gc.collect()
    assert find_credential(backend).source == source
    with pytest.raises(ValueError, match="typed"):
        credential_store().hold(create_credential(SERVER, "ana", "secret"))


def test_a_credential_that_was_changed_in_secrets_is_dropped():
    earlier_backend = SERVER.with_principal(
        credential_store().hold(create_credential(SERVER, "ana", "old", "secrets"), "team").principal
    )
    credential_store().attach_user(find_credential(earlier_backend), "ana")
    credential_store().hold(create_credential(SERVER, "ana", "new", "secrets"), "team")
    gc.collect()
    assert find_credential(earlier_backend) is None


def test_there_is_one_principal_and_one_credential_per_address_user_secret_and_source():
    other = Backend("https://example.org/b", "server")
    inputs = [(SERVER, "a", "x", "typed"), (other, "a", "x", "typed"), (SERVER, "b", "x", "typed")]
    inputs += [(SERVER, "a", "y", "typed"), (SERVER, "a", "x", "secrets"), (SERVER, "a", "x", "environment")]
    credentials = [create_credential(*values) for values in inputs]
    assert len({credential.principal for credential in credentials}) == len(inputs)
    assert [create_credential(*values) for values in inputs] == credentials
    assert all(create_credential(*values) is credential for values, credential in zip(inputs, credentials, strict=True))


def test_a_store_used_for_a_block_holds_what_is_created_in_it_for_all_threads():
    outer = create_credential(SERVER, "ana", "outer")
    results = []
    with use_store(CredentialStore()) as store:
        inner = create_credential(SERVER, "ana", "inner")
        thread = threading.Thread(
            target=lambda: results.extend([store is credential_store(), find_credential(SERVER.with_principal(inner.principal))])
        )
        thread.start()
        thread.join()
        assert find_credential(SERVER.with_principal(outer.principal)) is None
    assert results == [True, inner]
    assert find_credential(SERVER.with_principal(inner.principal)) is None
    assert find_credential(SERVER.with_principal(outer.principal)) is outer


def test_the_store_shows_and_serialises_nothing():
    store = credential_store()
    store.hold(create_credential(SERVER, "ana", "canary-4711", "secrets"))
    store.hide_variables({"BOOKS": "canary-4711"}, ["postgresql://u:${BOOKS}@h/db"])
    assert "canary" not in repr(store) + str(store)
    with pytest.raises(TypeError, match="serialised"):
        pickle.dumps(store)


def test_no_variable_in_an_address_expands_to_the_signing_key():
    """An entry of backends.toml could send it to any host otherwise."""
    environment = {"PODIUM_SIGNING_KEY": "canary-4711", "BOOKS": "password"}
    signing_secret.take_from_environment(environment)
    credential_store().hide_variables(environment, ["${BOOKS} ${PODIUM_SIGNING_KEY}"])
    assert environment == {}
    assert credential_store().expand_variables("${BOOKS}") == "password"
    with pytest.raises(BadInput, match="PODIUM_SIGNING_KEY is not set"):
        credential_store().expand_variables("${PODIUM_SIGNING_KEY}")
    assert signing_secret.given_value("PODIUM_SIGNING_KEY") == "canary-4711"


@pytest.mark.parametrize("secret", ["a-token-of-4711", 'qu"ote\\d and %/@:', "Bär-4711"])
def test_an_echo_of_the_request_is_redacted_in_every_form(secret):
    credential = create_credential(SERVER, "ana", secret)
    text = f"{credential.authorization_header()} {secret} {quote(secret, safe='')} {json.dumps(secret)} ordinary"
    assert credential.redact(text.encode()).decode() == 'Basic *** *** *** "***" ordinary'
