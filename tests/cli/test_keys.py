"""The commands keys …, and how commands distinguish names verified by a trusted key from claims."""

import pytest
from click.testing import CliRunner

from lib.cli import podium
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from tests.support.entry_signing import fingerprint_of, make_private_key
from tests.support.ledger_stores import DECISION, make_promoted_model, make_registered_model
from tests.support.verified_names import make_verified_writer, plant_decision

WHY = ["--category", "better", "--reason", "Measured better on the same rows, twice."]
MAL = make_private_key("mal")


def lines_of(*arguments):
    result = CliRunner().invoke(podium, arguments)
    assert result.exit_code in (0, 3), result.output
    return result.stdout


def test_the_first_promotion_makes_the_key_and_asks_nothing(run, fresh_store):
    make_registered_model(fresh_store)
    assert run("keys", "list")[0] == {"keys": []}
    assert "no key yet" in run("keys", "show", code=1)[1]
    _, note = run("promote", "wine", "1", "--to", "Production", *WHY)
    assert note == ""
    document = run("keys", "list")[0]
    (key,) = document["keys"]
    assert set(key) == {"fingerprint", "name", "own", "trusted", "since"}
    assert (key["own"], key["trusted"], key["name"]) == (True, True, "this Podium")
    assert key["since"].endswith("Z")
    assert run("keys", "show")[0] == document == run("keys", "show", key["fingerprint"])[0]
    (report,) = run("verify", "wine")[0]["models"]
    assert report["signatures"] == {"trusted": report["entries"], "unknown": 0, "none": 0}


def test_a_decision_that_a_stranger_planted_claims_to_be_hers_everywhere(run, fresh_store, tmp_path):
    make_registered_model(fresh_store)
    move_version(make_verified_writer(fresh_store, tmp_path / "podium"), MoveRequest("wine", "1", "Production"), DECISION)
    assert "claims to be" not in lines_of("history", "wine")
    plant_decision(fresh_store)
    plant_decision(fresh_store, MAL)
    for command in (["history", "wine"], ["log"]):
        assert lines_of(*command).count("claims to be ana") == 2
    signatures = [entry.get("signature") for entry in run("history", "wine")[0]["entries"]]
    assert signatures == ["trusted"] * (len(signatures) - 2) + [None, "unknown"]
    assert [entry.get("signature") for entry in run("log")[0]["entries"]] == signatures[::-1]
    (report,) = run("verify", "wine", code=3)[0]["models"]
    assert report["signatures"] == {"trusted": len(signatures) - 2, "unknown": 1, "none": 1}
    assert [(finding["place"], finding["what"]) for finding in report["findings"]] == [
        (len(signatures) - 1, "unsigned after signed")
    ]


def test_an_answer_names_her_as_verified_only_on_a_podium_that_trusts_the_key(run, fresh_store, tmp_path):
    make_registered_model(fresh_store)
    writer = make_verified_writer(fresh_store, tmp_path / "another podium")
    move_version(writer, MoveRequest("wine", "1", "Production"), DECISION)
    fingerprint, at = fingerprint_of(writer.signer.load_key()), writer.clock().isoformat()

    def ask():
        (holder,) = run("asof", "wine", "--at", at)[0]["answers"][0]["holders"]
        return holder["signature"], "claims to be ana" in lines_of("asof", "wine", "--at", at)

    assert ask() == ("unknown", True)
    run("keys", "trust", fingerprint, "--name", "the other Podium")
    assert ask() == ("trusted", False)
    run("keys", "distrust", fingerprint)
    assert ask() == ("unknown", True)


def test_a_key_that_is_distrusted_stays_listed_as_such(run):
    fingerprint = fingerprint_of(MAL)
    (key,) = run("keys", "trust", fingerprint, "--name", "mal")[0]["keys"]
    assert (key["name"], key["own"], key["trusted"]) == ("mal", False, True)
    (key,) = run("keys", "distrust", fingerprint)[0]["keys"]
    assert key["trusted"] is False
    assert run("keys", "list")[0]["keys"] == [key]
    assert run("keys", "trust", fingerprint, code=2)[0] is None
    assert "fingerprint" in run("keys", "trust", "ana", "--name", "ana", code=1)[1]
    assert "known here" in run("keys", "show", fingerprint_of(make_private_key("x")), code=1)[1]


def test_a_new_key_leaves_what_was_written_trusted_until_the_earlier_one_is_distrusted(run, fresh_store):
    make_registered_model(fresh_store)
    run("promote", "wine", "1", "--to", "Production", *WHY)
    earlier = run("keys", "show")[0]["keys"][0]["fingerprint"]
    assert "keys rotate" in run("keys", "distrust", earlier, code=1)[1]
    (new_key,) = run("keys", "rotate")[0]["keys"]
    assert new_key["fingerprint"] != earlier
    run("promote", "wine", "2", "--to", "Production", *WHY)
    (report,) = run("verify", "wine")[0]["models"]
    assert report["signatures"]["trusted"] == report["entries"]
    run("keys", "distrust", earlier)
    (report,) = run("verify", "wine")[0]["models"]
    assert (report["signatures"]["unknown"] > 3, report["signatures"]["trusted"] > 1, report["findings"]) == (True, True, [])


def test_verify_tells_people_how_many_entries_are_signed(run, fresh_store):
    make_promoted_model(fresh_store)
    assert "4 entries (4 not signed), seen here for the first time, chain intact" in lines_of("verify", "wine")
    run("promote", "wine", "2", "--to", "Production", *WHY)
    assert "signed by a trusted key, 4 not signed), chain intact" in lines_of("verify", "wine")


@pytest.mark.parametrize("arguments", [("list",), ("show",), ("rotate",), ("trust", fingerprint_of(MAL), "--name", "x")])
def test_the_commands_of_keys_import_nothing_heavy(tmp_path, arguments):
    import os
    import subprocess
    import sys

    code = "import sys; from lib.cli import podium\ntry: podium(sys.argv[1:])\nfinally: print({'mlflow', 'pandas', 'streamlit'} & set(sys.modules))"
    env = {**os.environ, "PODIUM_HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", code, "keys", *arguments], env=env, capture_output=True, text=True, check=False
    )
    assert result.stdout.splitlines()[-1] == "set()", result.stderr
