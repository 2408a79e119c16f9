"""Convert foreign Markdown, such as model descriptions and run notes, to a safe subset. Pure.

The text is parsed, and only safe elements are written back: paragraphs, headings as bold lines, lists, quotes, emphasis, code, and
links to websites followed by the host name. HTML is shown as text, images as their description, all other markup as plain characters.
"""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from lib.text import strip_invisible
from lib.ui.components.formatting import escape

MAX_LENGTH = 20_000
"""Maximum characters shown."""
_BACKTICKS = re.compile("`+")
_HOST = re.compile(r"[a-z0-9][a-z0-9.-]*|[0-9a-f:.]+")
_UNSAFE_IN_ADDRESS = re.compile(r"[\s<>()\\\[\]`\x00-\x1f\x7f]")


def safe_markdown(text: str) -> str:
    """Return the text as safe Markdown; a text that is too long is cut, with a note."""
    blocks = _block_lines(_parse(text[:MAX_LENGTH]).children)
    if len(text) > MAX_LENGTH:
        blocks += ["", f":gray[Showing the first {MAX_LENGTH:,} of {len(text):,} characters.]"]
    return "\n".join(blocks)


def first_line(text: str, max_length: int = 160) -> str:
    """Return the first paragraph as plain text without markup, cut to `max_length`."""
    first_block = next((node for node in _parse(text[:MAX_LENGTH]).walk() if node.type == "inline"), None)
    words = " ".join(_plain_text(first_block).split()) if first_block else ""
    return words if len(words) <= max_length else f"{words[: max_length - 1].rstrip()}…"


def _parse(text: str) -> SyntaxTreeNode:
    lines = (strip_invisible(line) for line in text.splitlines())
    return SyntaxTreeNode(MarkdownIt("commonmark", {"html": False}).parse("\n".join(lines)))


def _block_lines(nodes: Sequence[SyntaxTreeNode]) -> list[str]:
    """Return the lines of blocks, separated by blank lines."""
    lines: list[str] = []
    for node in nodes:
        lines += ["", *_lines_of_block(node)] if lines else _lines_of_block(node)
    return lines


def _lines_of_block(node: SyntaxTreeNode) -> list[str]:
    match node.type:
        case "fence" | "code_block":
            return _code_lines(node.content)
        case "heading":
            return [f"**{_inline_markdown(node.children).strip()}**"] if _plain_text(node).strip() else []
        case "blockquote":
            return [f"> {line}".rstrip() for line in _block_lines(node.children)]
        case "bullet_list" | "ordered_list":
            return _list_lines(node)
        case "hr":
            return ["***"]
        case _:
            return _inline_markdown(node.children).split("\n")


def _list_lines(node: SyntaxTreeNode) -> list[str]:
    lines: list[str] = []
    for number, item in enumerate(node.children, int(str(node.attrs.get("start", 1)))):
        bullet = f"{number}. " if node.type == "ordered_list" else "- "
        first, *others = _block_lines(item.children) or [""]
        lines += [bullet + first, *(" " * len(bullet) + line if line else "" for line in others)]
    return lines


def _code_lines(code: str) -> list[str]:
    fence = "`" * max(3, 1 + max((len(ticks) for ticks in _BACKTICKS.findall(code)), default=0))
    return [fence, *code.rstrip("\n").split("\n"), fence]


def _inline_markdown(nodes: Sequence[SyntaxTreeNode]) -> str:
    return "".join(map(_markdown_of_inline, nodes))


def _markdown_of_inline(node: SyntaxTreeNode) -> str:
    match node.type:
        case "softbreak" | "hardbreak":
            return "  \n"
        case "code_inline":
            return _inline_code(node.content)
        case "strong" | "em":
            mark = "**" if node.type == "strong" else "*"
            return f"{mark}{_inline_markdown(node.children)}{mark}"
        case "link":
            return _link_markdown(_inline_markdown(node.children), str(node.attrs.get("href", "")))
        case "image":
            return f":gray[{escape(f'(image: {node.content})')}]" if node.content else ""
        case _:
            return _inline_markdown(node.children) if node.children else escape(node.content)


def _inline_code(code: str) -> str:
    ticks = "`" * (1 + max((len(run) for run in _BACKTICKS.findall(code)), default=0))
    return f"{ticks} {code} {ticks}" if "`" in code else f"{ticks}{code}{ticks}"


def _link_markdown(label: str, address: str) -> str:
    """Return a link to a website, followed by its host; any other address as text after its label."""
    host = _web_host(address)
    if not host:
        return f"{label} {escape(f'({address})')}" if address else label
    return f"[{label}](<{address}>) :gray[{escape(f'({host})')}]"


def _web_host(address: str) -> str:
    """Return the host of a plain web URL; empty for other URLs, URLs with a user name, and characters that end a link."""
    try:
        parts = urlsplit(address)
        is_plain = parts.scheme in ("http", "https") and "@" not in parts.netloc and not _UNSAFE_IN_ADDRESS.search(address)
        host = parts.hostname or ""
        return host if is_plain and _HOST.fullmatch(host) else ""
    except ValueError:
        return ""


def _plain_text(node: SyntaxTreeNode) -> str:
    if node.type in ("softbreak", "hardbreak"):
        return " "
    return "".join(map(_plain_text, node.children)) if node.children else (node.content if not node.is_root else "")
