"""Foreign Markdown: its structure is preserved, and nothing in it loads, runs, hides or escapes its container."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from lib.ui.components.formatting import escape
from lib.ui.components.markdown_subset import MAX_LENGTH, first_line, safe_markdown

CONTROL_SYMBOLS = st.lists(
    st.sampled_from([*list("*_`[](){}<>!#-+.|~$^=&\"'/\\:@ \n\t1aw"), "http://x", "www.", "javascript:", "![", "](", "<img "])
).map("".join)


def rendered(text):
    """Return the HTML that a browser's Markdown renderer would produce, with raw HTML allowed as the worst case."""
    return MarkdownIt("commonmark", {"html": True}).render(safe_markdown(text))


def test_structure_is_kept():
    html = rendered(
        "# Card fraud\n\nDecides *each* **payment**.\n\n- new\n  1. deep\n- `x*y`\n\n> quoted\n\n```python\nprint(1)\n```\nend"
    )
    for part in ("<strong>Card fraud</strong>", "<em>each</em>", "<strong>payment</strong>", "<ul>", "<ol>", "<code>x*y</code>"):
        assert part in html
    assert "<blockquote>" in html
    assert "<pre><code>print(1)\n</code></pre>" in html
    assert "<h1>" not in html


def test_plain_lines_stay_lines():
    assert safe_markdown("one\ntwo") == "one  \ntwo"
    assert safe_markdown("") == ""


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "a <b onclick='x'>b</b>", "<!-- hidden -->", "<iframe src='//evil'></iframe>",
        "![pixel](https://evil.example/p.png)", "[![x](https://evil.example/p.png)](https://evil.example)", "![x][1]\n\n[1]: https://evil.example/p.png",
        "```\n</code><img src=x>\n```", "`<img src=x>`", "> <img src=x>", "- <img src=x>", "a\n<img src=x>\nb", "# <img src=x>",
    ],
)  # fmt: skip
def test_html_and_pictures_never_become_elements(text):
    html = rendered(text)
    assert not re.search(r"<(?!/?(p|strong|em|code|pre|ul|ol|li|blockquote|br|hr|a)\b)", html)
    assert "<img" not in html


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "//evil.example", "/settings",
        "?model=x", "#top", "https://podium@evil.example/", "https://good.example\\@evil.example", "mailto:x@y.z", "http:///x", "http://[x",
    ],
)  # fmt: skip
def test_only_plain_web_addresses_become_links(address):
    assert "<a " not in rendered(f"[click](<{address}>)")
    assert "click" in rendered(f"[click](<{address}>)")


def test_a_link_names_the_site_it_leads_to():
    assert safe_markdown("[https://bank.example](https://evil.example/x)") == (
        f"[{escape('https://bank.example')}](<https://evil.example/x>) :gray[{escape('(evil.example)')}]"
    )
    assert "<https://evil.example>" not in safe_markdown("<https://evil.example>").replace("](<https://evil.example>)", "")


def test_streamlits_own_marks_stay_text():
    text = safe_markdown(":green-badge[All pass] :material/check: :smile: $x^2$ :red[no] www.evil.example ana@evil.example")
    assert not re.search(r":[a-z]", text.replace("&#", ""))
    assert "$" not in text
    assert "[" not in text


@given(CONTROL_SYMBOLS)
def test_whatever_is_typed_makes_only_harmless_elements(text):
    html = rendered(text)
    assert not re.search(r"<(?!/?(p|strong|em|code|pre|ul|ol|li|blockquote|br|hr|a)\b)", html)
    assert all(address.startswith(("http://", "https://")) for address in re.findall(r'href="([^"]*)"', html))
    assert len(re.findall(r"<a ", html)) == len(re.findall(r"href=", html))


def test_long_and_deep_texts_end():
    assert "of 30,000 characters" in safe_markdown("x" * 30_000)
    assert len(safe_markdown(">" * MAX_LENGTH)) < 10 * MAX_LENGTH
    assert len(safe_markdown("[" * MAX_LENGTH)) < 10 * MAX_LENGTH
    assert len(safe_markdown("- " * 5_000)) < 10 * MAX_LENGTH


def test_the_first_line_is_plain_words():
    assert first_line("# Card *fraud*\n\nmore") == "Card fraud"
    assert first_line("see [docs](https://x.example) ![p](q) `c`\nnext") == "see docs p c next"
    assert first_line("x" * 300).endswith("…")
    assert first_line("") == ""
