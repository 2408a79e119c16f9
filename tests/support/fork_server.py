"""What the fork server of the tests has loaded before it forks: the guard of a person's files, and what the processes do."""

import gc

import tests.support.auth_server
import tests.support.ledger_workers  # noqa: F401 - these are loaded before the fork
from tests.support.own_files import guard_personal_files

guard_personal_files()
gc.collect()
gc.freeze()  # no forked process looks through all of MLflow for garbage, 0.1 s each
