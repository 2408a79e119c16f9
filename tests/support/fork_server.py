"""What the fork server of the tests has loaded before it forks: the guard of a person's files, and what the processes do."""

import tests.support.ledger_workers  # noqa: F401 - loaded before the fork
from tests.support.own_files import guard_personal_files

guard_personal_files()
