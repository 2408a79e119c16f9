"""What a backend can do, line by line, in words for a page and for the command line. Pure."""

from dataclasses import dataclass
from typing import Literal

from lib.backends.capabilities import Ability, Capabilities, Limits


@dataclass(frozen=True)
class Line:
    """One thing: how it stands, what it is, what was found, and why something is missing with what Podium does instead.

    `call` is Python that would grant it, for an administrator.
    """

    state: Literal["ok", "warning", "skipped"]
    what: str
    found: str
    why: str = ""
    call: str = ""


def lines(found: Capabilities) -> tuple[Line, ...]:
    """Everything that was asked, in the order in which people ask."""
    return (
        _line("Model registry", found.registry),
        _line("Stages", found.stages),
        _line("Aliases", found.aliases),
        _line("Logged models", found.logged_models),
        _line("Runs can be written", found.writing),
        _line("Decisions can be recorded", found.recording),
        _line("Parameters stay as they are", found.write_once),
        _longest(found.limits),
    )


def document(found: Capabilities) -> dict[str, object]:
    """The same for programs: version, user, and every line by what it is about."""
    told = {one.what: {"state": one.state, "found": one.found, "why": one.why} for one in lines(found)}
    return {"mlflow": found.version, "user": found.user, "lines": told}


def source(found: Capabilities) -> str:
    """What runs there and who we are to it, as facts joined by dots."""
    version = f"MLflow {found.version}" if found.version else "MLflow of a version that is not told"
    return f"{version} · signed in as {found.user}" if found.user else version


def _line(what: str, one: Ability) -> Line:
    if one.has is None:
        return Line("skipped", what, "not certain", one.sentence)
    return Line("ok" if one.has else "warning", what, "yes" if one.has else "no", one.sentence, one.call)


def _longest(limits: Limits) -> Line:
    found = f"{limits.param:,} in a parameter, {limits.version_tag:,} in a tag of a version"
    if limits.told:
        return Line("ok", "Characters that fit", found)
    return Line(
        "skipped", "Characters that fit", found, "The server does not tell its version, so the least that any had is kept to."
    )
