"""The pages in docs/ that are promises: what they say of a packet is what a packet holds, and their code runs."""

import json
import re

import pytest

from lib.ledger.packet import document as packet
from lib.ledger.queries.as_of_text import answer_text
from lib.ledger.queries.time_query import parse_time_query
from lib.registry.audit_queries import AsOfQuery, query_as_of
from lib.registry.import_history import ImportFile, import_history
from lib.registry.packet import build_as_of_packet
from lib.ui.app.routes import PROJECT_ROOT
from tests.support.ledger_stores import make_registered_model, make_writer

PAGE = (PROJECT_ROOT / "docs" / "packet.md").read_text(encoding="utf-8")
FRAUD = PROJECT_ROOT / "docs" / "examples" / "fraud-history.csv"


def members(heading):
    """The names in the first column of the table under a heading."""
    below = re.split(r"^#+ ", PAGE.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    cells = [line.split("|")[1] for line in below.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


@pytest.fixture
def asked(fresh_store):
    """The packet of the bank's answer, as it is written down."""
    make_registered_model(fresh_store, "card-fraud", 3, {"3": "Production"}, {"production": "3"})
    import_history(make_writer(fresh_store, "ines"), "card-fraud", ImportFile(FRAUD.name, FRAUD.read_bytes()))
    now = make_writer(fresh_store).clock()
    return build_as_of_packet(
        make_writer(fresh_store), "card-fraud", AsOfQuery("production", parse_time_query("2023-03-14", now), now)
    )


def test_the_page_names_the_members_of_a_packet_and_no_others(asked):
    assert members("The document") == set(packet.hashed_document(asked))
    models = {
        "subject": packet.PacketSubject,
        "made": packet.PacketOrigin,
        "book": packet.PacketBook,
        "volumes": packet.PacketVolume,
        "entries": packet.PacketEntry,
        "pictures": packet.PacketPicture,
    }
    for heading, model in models.items():
        assert members(heading) == set(model.model_fields), heading


def test_the_page_names_what_stands_in_the_members_without_a_shape_of_their_own(asked):
    document = packet.hashed_document(asked)
    for name in ("answer", "registry"):
        line = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}`"))
        assert set(document[name]) <= set(re.findall(r"`(\w+)`", line)), name
    assert document["evidence"][0]["lineage"]["metrics"]["auc"] == 0.874
    evidence = next(line for line in PAGE.splitlines() if line.startswith("| `evidence`"))
    assert all(set(one) <= set(re.findall(r"`(\w+)`", evidence)) for one in document["evidence"])


def test_the_code_on_the_page_checks_a_packet_without_podium(asked, tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    document = packet.hashed_document(asked)
    (tmp_path / "decision.json").write_text(packet.document_to_json(document))
    exec(code, {})
    document["book"]["volumes"][0]["hashes"][3] = "0" * 64
    (tmp_path / "decision.json").write_text(json.dumps(document))
    with pytest.raises(AssertionError):
        exec(code, {})


def test_the_commands_on_the_page_are_those_there_are():
    from lib.cli import podium

    said = re.findall(r"python -m lib (\w+)(?: (\w+))?", PAGE)
    assert said
    for name, below in said:
        command = podium.commands[name]
        assert not hasattr(command, "commands") or below in command.commands


def test_the_answer_on_the_page_about_importing_is_the_one_that_is_given(fresh_store):
    make_registered_model(fresh_store, "card-fraud", 3, {"3": "Production"}, {"production": "3"})
    import_history(make_writer(fresh_store, "ines"), "card-fraud", ImportFile(FRAUD.name, FRAUD.read_bytes()))
    now = make_writer(fresh_store).clock()
    told = query_as_of(
        fresh_store, "card-fraud", AsOfQuery("production", parse_time_query("2023-03-14", now, "Europe/Berlin"), now)
    )
    page = (PROJECT_ROOT / "docs" / "import.md").read_text(encoding="utf-8")
    shown = " ".join(line.removeprefix("> ") for line in page.splitlines() if line.startswith("> "))
    when = re.compile(r"imported them on .* Europe/Berlin from")
    assert when.sub("", shown) == when.sub("", answer_text("card-fraud", told.answer))
