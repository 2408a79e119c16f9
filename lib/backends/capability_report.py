"""A backend's capabilities as rows of text, for pages and the command line. Pure."""

from dataclasses import dataclass
from typing import Literal

from lib.backends.capabilities import Capabilities, Capability
from lib.backends.length_limits import LengthLimits


@dataclass(frozen=True)
class CapabilityRow:
    """One capability: its state, its name, what was found, and if missing, why and what Podium does instead.

    `grant_code` is Python code with which an administrator can grant it.
    """

    state: Literal["ok", "warning", "skipped"]
    label: str
    value: str
    explanation: str = ""
    grant_code: str = ""


def capability_rows(capabilities: Capabilities) -> tuple[CapabilityRow, ...]:
    """Return all capabilities, most important first."""
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
    """Return the capabilities for programs: version, user, and the rows by label."""
    lines = {row.label: {"state": row.state, "found": row.value, "why": row.explanation} for row in capability_rows(capabilities)}
    return {"mlflow": capabilities.mlflow_version, "user": capabilities.user_name, "lines": lines}


def connection_text(capabilities: Capabilities) -> str:
    """Return the MLflow version and the user, separated by a dot."""
    version = f"MLflow {capabilities.mlflow_version}" if capabilities.mlflow_version else "MLflow, version unknown"
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
    value = f"{limits.param:,} in a parameter, {limits.version_tag:,} in a version tag"
    if limits.is_known:
        return CapabilityRow("ok", "Characters that fit", value)
    return CapabilityRow(
        "skipped", "Characters that fit", value, "Server version unknown: using the smallest limits of any MLflow version."
    )
