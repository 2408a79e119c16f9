"""What the fork server of the tests has loaded before it forks: the guard of a person's files, and what the processes do."""

import gc
from importlib import import_module

from tests.support.own_files import guard_personal_files

for module in (
    "lib.registry.audit_queries",
    "lib.registry.model_survey",
    "lib.registry.register",
    "tests.support.auth_server",
    "tests.support.ledger_workers",
):
    import_module(module)
guard_personal_files()
gc.collect()
gc.freeze()  # so that no forked process collects garbage among all that was imported, 0.1 s each
