"""Plain English in everything users and readers see: words that come from German syntax stay out of labels, messages, docstrings and docs."""

import ast
import re
from pathlib import Path

from lib.ui.app.page_links import PROJECT_ROOT

CODE = [
    PROJECT_ROOT / "app.py",
    *sorted(PROJECT_ROOT.glob("pages/*.py")),
    *sorted(PROJECT_ROOT.glob("demo_experiments/*.py")),
    *sorted(PROJECT_ROOT.glob("lib/**/*.py")),
]
DOCUMENTS = [PROJECT_ROOT / "README.md", PROJECT_ROOT / "CHANGELOG.md", *sorted(PROJECT_ROOT.glob("docs/**/*.md"))]
WORD_LIST = {
    r"anew": "again, new",
    r"all the same": "anyway",
    r"meanwhile": "since then",
    r"mend(s|ed|ing)?": "fix",
    r"deeds?": "action",
    r"ways? out": "option",
    r"whoever|anybody|everybody": "the role, or the passive",
    r"comes? to rest|at rest": "settle, be consistent",
    r"came to be": "was created",
    r"tak(e|es|en|ing) away": "remove",
    r"put right": "fix",
    r"look again": "check again, reload",
    r"foretell\w*": "predict, explain",
    r"stands?": "is",
    r"(is|are|be|being) told|tells?": "is reported, says",
    r"go(es)? on": "continue",
    r"by itself": "automatically",
    r"greyed out with": "disabled",
    r"broke off": "was interrupted",
    r"did not come in": "could not be downloaded",
    r"gravest": "most severe",
    r"whole(?! numbers?)": "complete, intact",
    r"somebody": "someone, a user, or the passive",
}
ALLOWED = re.compile(
    r"cannot tell|tell (apart|the difference)|stands? for|stand-in|whole number|asks? to stand|tells apart|stand-alone",
    re.IGNORECASE,
)
"""Idiomatic uses of these words."""
FORBIDDEN = re.compile(rf"\b({'|'.join(WORD_LIST)})\b", re.IGNORECASE)


def strings_in(path: Path) -> list[tuple[int, str]]:
    """All strings of a module that are more than a word, docstrings included: line, text."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [(node.lineno, node.value) for node in nodes if " " in node.value.strip()]


def odd_words(text: str) -> list[str]:
    return [match[0] for match in FORBIDDEN.finditer(ALLOWED.sub("", text))]


def test_strings_and_docstrings_are_plain_english():
    lines = {f"{path.relative_to(PROJECT_ROOT)}:{line}": odd_words(text) for path in CODE for line, text in strings_in(path)}
    assert {line: words for line, words in lines.items() if words} == {}


def test_documents_are_plain_english():
    texts = {path: re.sub(r"```.*?```|`[^`]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL) for path in DOCUMENTS}
    assert {str(path): words for path, text in texts.items() if (words := odd_words(text))} == {}


def test_the_word_list_finds_what_it_is_for():
    assert odd_words("The record was made anew and nobody is told; whoever looks again finds that it stands.") == [
        "anew",
        "is told",
        "whoever",
        "stands",
    ]
    assert odd_words("Groups opens on 'cannot tell'; a URI stands for a model.") == []
    assert len(CODE) > 300
    assert len(DOCUMENTS) > 20
