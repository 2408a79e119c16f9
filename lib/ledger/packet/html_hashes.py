"""Hashes of the HTML page around the data of a packet: each part is hashed separately, so that changed parts can be named. Pure.

A part is the content of a `<section id="…">`; everything else is "rest". The data is at the end as escaped text.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lib.ledger.chain.hash_chain import hash_text
from lib.ledger.packet.document import document_to_json

DATA_SECTION, REST_SECTION = "packet-data", "rest"
_DATA = re.compile(f'(?<=<pre id="{DATA_SECTION}">).*?(?=</pre>)', re.DOTALL)
_SECTION = re.compile(r'<section id="([a-z0-9-]+)">(.*?)</section>', re.DOTALL)


@dataclass(frozen=True)
class PageSections:
    """The escaped data of a page, and the sha256 of every other part by name."""

    data: str
    hashes: dict[str, str]


def split_page(page: str) -> PageSections | None:
    """Split a page into its sections. Returns None if it does not contain the data exactly once."""
    matches = _DATA.findall(page)
    if len(matches) != 1:
        return None
    shell = _DATA.sub("", page)
    hashes = {name: hash_text(text) for name, text in _SECTION.findall(shell)}
    return PageSections(matches[0], hashes | {REST_SECTION: hash_text(_SECTION.sub(r'<section id="\1"></section>', shell))})


def embed_document(page: str, document: Mapping[str, Any]) -> str:
    """Insert the document and the hashes of the page's parts into the page, whose data section must still be empty."""
    sections = split_page(page)
    assert sections is not None
    data_text = document_to_json({"packet": document, "page": sections.hashes})
    return _DATA.sub(lambda _: html.escape(data_text, quote=False), page)
