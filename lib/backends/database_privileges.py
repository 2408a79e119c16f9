"""Ask a PostgreSQL database whether its login may write MLflow's tables. Writes nothing."""

from urllib.parse import urlsplit

from lib.backends.backend import Backend
from lib.backends.connectivity import connection_to_database, run_with_deadline

_MAY_WRITE = "select has_table_privilege('params', 'insert') and current_setting('transaction_read_only') = 'off'"


def may_write(backend: Backend) -> bool | None:
    """Return whether this login may insert a parameter; None if the backend is not PostgreSQL.

    False also for a standby, which no login may write to. Raises Unreachable if the database does not answer.
    """
    if backend.kind != "database" or urlsplit(backend.uri).scheme.partition("+")[0] != "postgresql":
        return None

    def query() -> bool:
        with connection_to_database(backend) as connection:
            return bool(connection.exec_driver_sql(_MAY_WRITE).scalar())

    return run_with_deadline(backend, query)
