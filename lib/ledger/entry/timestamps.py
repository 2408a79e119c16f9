"""Times as the ledger writes them: ISO 8601 text in UTC. Pure."""

from datetime import UTC, datetime


def format_timestamp(at: datetime) -> str:
    """A time as the ledger writes it: ISO 8601, UTC, milliseconds, Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_timestamp(text: str) -> datetime:
    """The time that `format_timestamp` wrote. Raises ValueError for anything that is no time with a zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return at


def timestamp_from_millis(millis: int) -> str:
    """MLflow's milliseconds since 1970 as the ledger writes a time."""
    return format_timestamp(datetime.fromtimestamp(millis / 1000, UTC))
