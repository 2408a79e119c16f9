"""Detects secrets in text with the patterns of detect-secrets; nothing is sent anywhere for verification.

A match is described by its kind and length, never by any part of its value.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detect_secrets.plugins.base import BasePlugin

MASK = "•••"
MAX_CHARACTERS = 8_000
"""Characters of a value that are scanned: the maximum tag length in MLflow's database."""
_ENTROPY_KINDS = ("Base64 High Entropy String", "Hex High Entropy String")
_UNUSED_KINDS = (*_ENTROPY_KINDS, "Secret Keyword", "Public IP (ipv4)", "SoftLayer Credentials", "Cloudant Credentials")
"""Patterns triggered by hashes, version numbers or addresses; the first three are applied below to names that suggest a secret."""
_SECRET_NAME = re.compile(
    r"(^|[\W_])(access|auth|api|bearer|refresh|hf|secret)?[\W_]*(token|key|secret|credential)s?$", re.IGNORECASE
)
_HARMLESS_VALUE = re.compile(
    r"true|false|none|null|nan|yes|no|required|optional|[\d.,eE+-]+|[*•.x]+|<.*>|\$\{?\w+\}?|[\w-]*env[\w-]*", re.IGNORECASE
)
_KEY_FILE_KIND = "Private Key"
_MIN_LENGTH = 6
_NAME_ABOUT_A_SECRET = re.compile(
    r"(name|alg\w*|type|path|file|length|policy|id|count|columns?|ttl|days|version)$", re.IGNORECASE
)
"""Suffixes of names that describe a secret without holding it: password_policy, secret_name, api_key_id."""


@dataclass(frozen=True)
class Secret:
    """A suspected secret: its kind in words and its length in characters. The value itself is not stored."""

    kind: str
    length: int

    @property
    def description(self) -> str:
        """Display text: "GitHub Token, 40 characters, not shown"."""
        return f"{self.kind}, {self.length} characters, not shown"


def find_secret(name: str, value: str) -> Secret | None:
    """Return the secret in a parameter or tag of this name, or None."""
    text = value[:MAX_CHARACTERS]
    match = next(_find_pieces(text), None) or _find_by_name(name, text.strip())
    return Secret(match[0], len(match[1])) if match else None


def mask_secrets(text: str) -> str:
    """Return the text with everything that matches a known secret format masked."""
    for kind, piece in list(_find_pieces(text[:MAX_CHARACTERS])):
        text = MASK if kind == _KEY_FILE_KIND else text.replace(piece, MASK)
    return text


def _find_pieces(text: str) -> Iterator[tuple[str, str]]:
    """Yield words that contain a known format, such as a cloud key, a signed token or a URL with a password.

    Complete words are yielded because a pattern may match only the beginning."""
    for plugin in _pattern_plugins():
        pieces = {piece for piece in plugin.analyze_string(text) if isinstance(piece, str) and piece}
        if pieces and plugin.secret_type == _KEY_FILE_KIND:
            yield plugin.secret_type, text
            continue
        for word in text.split() if pieces else ():
            if any(piece in word for piece in pieces):
                yield plugin.secret_type, word


def _find_by_name(name: str, text: str) -> tuple[str, str] | None:
    """Return the entire value if the name indicates a password or key and the value could be one."""
    if len(text) < _MIN_LENGTH or _HARMLESS_VALUE.fullmatch(text) or _NAME_ABOUT_A_SECRET.search(name):
        return None
    quotable_text = text.replace('"', "'")
    if any(_keyword_plugin().analyze_string(f'{name} = "{quotable_text}"')):
        return "Secret according to its name", text
    if _SECRET_NAME.search(name) and any(_is_random(plugin, text) for plugin in _entropy_plugins()):
        return "Random text under a secret-like name", text
    return None


def _is_random(plugin: "BasePlugin", text: str) -> bool:
    pieces = plugin.analyze_string(f'"{text}"')
    return any(plugin.calculate_shannon_entropy(piece) > plugin.entropy_limit for piece in pieces)


@lru_cache(maxsize=1)
def _pattern_plugins() -> tuple["BasePlugin", ...]:
    return tuple(plugin_class() for kind, plugin_class in _plugin_classes().items() if kind not in _UNUSED_KINDS)


@lru_cache(maxsize=1)
def _keyword_plugin() -> "BasePlugin":
    return _plugin_classes()["Secret Keyword"]()


@lru_cache(maxsize=1)
def _entropy_plugins() -> tuple["BasePlugin", ...]:
    return tuple(_plugin_classes()[kind]() for kind in _ENTROPY_KINDS)


def _plugin_classes() -> "dict[str, type[BasePlugin]]":
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    return dict(get_mapping_from_secret_type_to_class())
