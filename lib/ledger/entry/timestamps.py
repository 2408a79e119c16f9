"""Timestamps of the ledger: ISO 8601 text in UTC. Pure."""

from datetime import UTC, datetime


def format_timestamp(at: datetime) -> str:
    """Format a time for the ledger: ISO 8601, UTC, milliseconds, Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_timestamp(text: str) -> datetime:
    """Parse a time written by `format_timestamp`. Raises ValueError for anything but a time with a zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return at


def timestamp_from_millis(millis: int) -> str:
    """Format MLflow's milliseconds since 1970 as a ledger timestamp."""
    return format_timestamp(datetime.fromtimestamp(millis / 1000, UTC))
