"""The page on what the record withstands: each row names tests, and these tests exist."""

import re

import pytest

from lib.ui.app.page_links import PROJECT_ROOT

PAGE = (PROJECT_ROOT / "docs" / "security.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("|") and "---" not in line and not line.endswith("| test |")]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip(" *")[:50])
def test_each_row_of_the_security_page_names_tests_that_are_there(row):
    names = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
    assert names, "a row without a test is a claim"
    for path, name in names:
        assert re.search(rf"^def {name}\(", (PROJECT_ROOT / path).read_text(), re.MULTILINE), f"{path} has no {name}"


def test_the_security_page_has_a_table_for_each_kind_of_attacker():
    headings = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    assert headings == [
        "Someone who writes the ledger, without a trusted key",
        "Someone who holds a trusted key",
        "Someone who writes to the database itself",
        "A server or a network that fails",
    ]
    assert len(ROWS) >= 25
