"""A server that answers a request with a redirect: refused and reported, because it could lead to any host, and signed in as anybody.

Imported only where a request was made, because it needs `requests`.
"""

from typing import Any
from urllib.parse import urlsplit

from requests.exceptions import RequestException

from lib.errors import Unreachable

REDIRECT_PHRASE = "Podium follows no redirect"
"""What the text of a `RedirectRefused` begins with, for what passes on only the text of its cause."""


class RedirectRefused(RequestException):
    """An answer that sends on to another address."""

    def __init__(self, location: str, **options: Any) -> None:
        super().__init__(f"{REDIRECT_PHRASE} to {_host_of(location) or 'another path'}", **options)
        self.location = location


def refuse_redirect(response: Any, **_: Any) -> None:
    """A hook of `requests` for each answer. Raises RedirectRefused for a redirect."""
    if response.is_redirect:
        raise RedirectRefused(response.headers.get("location", ""), request=response.request, response=response)


def redirect_error(location: str = "") -> Unreachable:
    """What people read about a redirect to an address; the address may be unknown."""
    host = _host_of(location)
    return Unreachable(
        f"The server redirects this request{f' to {host}' if host else ''}, and Podium follows no redirect.",
        means="Nothing was read or written.",
        next="Set the address of the backend to the one that answers itself, or ask the server's administrator.",
    )


def _host_of(location: str) -> str:
    try:
        return urlsplit(location).hostname or ""
    except ValueError:
        return ""
