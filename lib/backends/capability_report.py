"""What a backend can do as rows of text, for a page and for the command line. Pure."""

from dataclasses import dataclass
from typing import Literal

from lib.backends.capabilities import Capabilities, Capability
from lib.backends.length_limits import LengthLimits


@dataclass(frozen=True)
class CapabilityRow:
    """One capability: its state, its name, what was found, and why something is missing with what Podium does instead.

    `grant_code` is Python that would grant it, for an administrator.
    """

    state: Literal["ok", "warning", "skipped"]
    label: str
    value: str
    explanation: str = ""
    grant_code: str = ""


def capability_rows(capabilities: Capabilities) -> tuple[CapabilityRow, ...]:
    """All capabilities, the most wanted first."""
    return (
        _capability_row("Model registry", capabilities.registry),
        _capability_row("Stages", capabilities.stages),
        _capability_row("Aliases", capabilities.aliases),
        _capability_row("Logged models", capabilities.logged_models),
        _capability_row("Runs can be written", capabilities.write_access),
        _capability_row("Decisions can be recorded", capabilities.ledger_access),
        _capability_row("Parameters stay as they are", capabilities.write_once),
        _length_row(capabilities.limits),
    )


def capability_document(capabilities: Capabilities) -> dict[str, object]:
    """The same for programs: version, user, and the rows by their labels."""
    lines = {row.label: {"state": row.state, "found": row.value, "why": row.explanation} for row in capability_rows(capabilities)}
    return {"mlflow": capabilities.mlflow_version, "user": capabilities.user_name, "lines": lines}


def connection_text(capabilities: Capabilities) -> str:
    """The version of MLflow and the user, joined by a dot."""
    version = f"MLflow {capabilities.mlflow_version}" if capabilities.mlflow_version else "MLflow of a version that is not told"
    return f"{version} · signed in as {capabilities.user_name}" if capabilities.user_name else version


def _capability_row(label: str, capability: Capability) -> CapabilityRow:
    if capability.is_available is None:
        return CapabilityRow("skipped", label, "not certain", capability.summary)
    return CapabilityRow(
        "ok" if capability.is_available else "warning",
        label,
        "yes" if capability.is_available else "no",
        capability.summary,
        capability.grant_code,
    )


def _length_row(limits: LengthLimits) -> CapabilityRow:
    value = f"{limits.param:,} in a parameter, {limits.version_tag:,} in a tag of a version"
    if limits.is_known:
        return CapabilityRow("ok", "Characters that fit", value)
    return CapabilityRow(
        "skipped", "Characters that fit", value, "The server does not tell its version, so the least that any had is kept to."
    )
