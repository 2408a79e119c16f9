"""The specifications in docs/: their description of a packet matches its content, and their code runs."""

import json
import re
from dataclasses import replace

import pytest
from cryptography.exceptions import InvalidSignature

from lib.ledger.packet.document import (
    PacketBook,
    PacketEntry,
    PacketKey,
    PacketOrigin,
    PacketPicture,
    PacketSignatures,
    PacketSubject,
    PacketVolume,
    document_to_json,
    hashed_document,
)
from lib.ledger.queries.as_of_text import answer_text
from lib.ledger.queries.time_query import parse_time_query
from lib.registry.audit_queries import AsOfQuery, query_as_of
from lib.registry.import_history import ImportFile, import_history
from lib.registry.move_plan import MoveRequest
from lib.registry.packet_builder import build_as_of_packet, build_decision_packet
from lib.registry.promote import move_version
from lib.ui.app.page_links import PROJECT_ROOT
from tests.support.entry_signing import make_signer
from tests.support.ledger_stores import DECISION, make_registered_model, make_writer

PAGE = (PROJECT_ROOT / "docs" / "packet.md").read_text(encoding="utf-8")
FRAUD = PROJECT_ROOT / "docs" / "examples" / "fraud-history.csv"


def table_members(heading):
    """The names in the first column of the table under a heading."""
    section = re.split(r"^#+ ", PAGE.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


@pytest.fixture
def answer_packet(fresh_store):
    """The packet of the bank's answer."""
    make_registered_model(fresh_store, "card-fraud", 3, {"3": "Production"}, {"production": "3"})
    import_history(make_writer(fresh_store, "ines"), "card-fraud", ImportFile(FRAUD.name, FRAUD.read_bytes()))
    now = make_writer(fresh_store).clock()
    return build_as_of_packet(
        make_writer(fresh_store), "card-fraud", AsOfQuery("production", parse_time_query("2023-03-14", now), now)
    )


def test_the_page_names_the_members_of_a_packet_and_no_others(answer_packet):
    assert table_members("The document") == set(hashed_document(answer_packet))
    models = {
        "subject": PacketSubject,
        "made": PacketOrigin,
        "book": PacketBook,
        "volumes": PacketVolume,
        "entries": PacketEntry,
        "keys": PacketKey,
        "signatures": PacketSignatures,
        "pictures": PacketPicture,
    }
    for heading, model in models.items():
        assert table_members(heading) == set(model.model_fields), heading


def test_the_page_names_what_stands_in_the_members_without_a_shape_of_their_own(answer_packet):
    document = hashed_document(answer_packet)
    for name in ("answer", "registry"):
        line = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}`"))
        assert set(document[name]) <= set(re.findall(r"`(\w+)`", line)), name
    assert document["evidence"][0]["lineage"]["metrics"]["auc"] == 0.874
    evidence = next(line for line in PAGE.splitlines() if line.startswith("| `evidence`"))
    assert all(set(item) <= set(re.findall(r"`(\w+)`", evidence)) for item in document["evidence"])


def test_the_code_on_the_page_checks_a_packet_without_podium(answer_packet, tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    document = hashed_document(answer_packet)
    (tmp_path / "decision.json").write_text(document_to_json(document))
    exec(code, {})
    document["book"]["volumes"][0]["hashes"][3] = "0" * 64
    (tmp_path / "decision.json").write_text(json.dumps(document))
    with pytest.raises(AssertionError):
        exec(code, {})


def test_the_code_on_the_page_checks_a_signature_without_podium(fresh_store, tmp_path, monkeypatch):
    blocks = re.findall(r"```python[^\n]*\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    make_registered_model(fresh_store)
    signer = make_signer(tmp_path / "podium")
    move_version(replace(make_writer(fresh_store), signer=signer), MoveRequest("wine", "1", "Production"), DECISION)
    document = hashed_document(build_decision_packet(make_writer(fresh_store), "wine", "3"))
    (tmp_path / "decision.json").write_text(document_to_json(document))
    code = {}
    exec("\n".join(blocks), code)
    assert {code["check_signature"](document, entry) for entry in document["entries"]} == {document["keys"][0]["fingerprint"]}
    with pytest.raises(InvalidSignature):
        code["check_signature"](document, document["entries"][0] | {"place": 2})


def test_the_commands_on_the_page_are_those_there_are():
    from lib.cli import podium

    commands = re.findall(r"python -m lib (\w+)(?: (\w+))?", PAGE)
    assert commands
    for name, subcommand in commands:
        command = podium.commands[name]
        assert not hasattr(command, "commands") or subcommand in command.commands


def test_the_answer_on_the_page_about_importing_is_the_one_that_is_given(fresh_store):
    make_registered_model(fresh_store, "card-fraud", 3, {"3": "Production"}, {"production": "3"})
    import_history(make_writer(fresh_store, "ines"), "card-fraud", ImportFile(FRAUD.name, FRAUD.read_bytes()))
    now = make_writer(fresh_store).clock()
    result = query_as_of(
        fresh_store, "card-fraud", AsOfQuery("production", parse_time_query("2023-03-14", now, "Europe/Berlin"), now)
    )
    page = (PROJECT_ROOT / "docs" / "import.md").read_text(encoding="utf-8")
    example = " ".join(line.removeprefix("> ") for line in page.splitlines() if line.startswith("> "))
    import_time = re.compile(r"imported them on .* Europe/Berlin from")
    assert import_time.sub("", example) == import_time.sub("", answer_text("card-fraud", result.answer))
