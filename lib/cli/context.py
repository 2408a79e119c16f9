"""What all commands share: the backend, the actor, the output, and error handling."""

import functools
import getpass
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from lib.backends import signing_secret
from lib.backends.backend import Backend
from lib.backends.call_deadline import single_wait
from lib.backends.home_protection import protect_home
from lib.cli.output import print_json, print_lines, print_note, reserve_stdout
from lib.errors import BadInput, NeedsMigration, NotFound, PodiumError

if TYPE_CHECKING:
    from lib.backends.backend_resolution import ResolvedBackend
    from lib.ledger.queries.time_query import TimeQuery
    from lib.ledger.storage.book import Writer

EXIT_FINDINGS = 3


@dataclass(frozen=True)
class CommandContext:
    """The common options as typed, and the output stream.

    `can_migrate` and `can_restore` are the consent to change an older database. `can_create`: this command may create a missing one.
    """

    uri: str | None
    as_json: bool
    user_name: str
    can_migrate: bool
    answer_stream: TextIO
    can_restore: bool = False
    can_create: bool = False

    def resolve_backend(self) -> "ResolvedBackend":
        """The backend named by the options or the environment, without checking that it exists."""
        from lib.backends.backend_resolution import resolve_backend

        return resolve_backend(self.uri or "", os.environ)

    def open_backend(self) -> Backend:
        """That backend, ready to use: reachable, and with a schema that MLflow will not change.

        Raises NotFound for a missing database, NeedsMigration for an older one unless `--migrate` was given.
        """
        from lib.backends.mlflow_client import probe
        from lib.backends.registry_uri import find_registry_conflict
        from lib.backends.sqlite_store import ensure_database, require_database_file
        from lib.backends.sqlite_upgrade import migrate, restore_backup

        resolved_backend = self.resolve_backend()
        backend = resolved_backend.backend
        if not (self.can_create or resolved_backend.origin == "project"):
            require_database_file(backend)
        if self.can_restore:
            copy, damaged = restore_backup(backend, clock())
            print_note(f"{copy.name} was restored. The interrupted upgrade was moved to {damaged.name}.")
        try:
            ensure_database(backend)
        except NeedsMigration:
            if not self.can_migrate:
                raise
            print_note(f"The database was copied to {migrate(backend, clock())} and then migrated.")
        probe(backend)
        if conflict := find_registry_conflict(os.environ, backend):
            print_note(f"podium: {conflict}")
        return backend

    def open_writer(self) -> "Writer":
        """The writer with actor, backend and clock. The actor is the verified name, else `--by`, else PODIUM_USER, else the login."""
        from lib.ledger.storage.actor import resolve_command_actor
        from lib.ledger.storage.book import Writer
        from lib.ledger.storage.head_memory import create_head_memory
        from lib.ledger.storage.signing_keys import create_signer

        backend = self.open_backend()
        actor = resolve_command_actor(backend, self.user_name, os.environ.get("PODIUM_USER") or _login_name())
        return Writer(backend, actor, clock, create_signer(os.environ, clock), create_head_memory(os.environ))

    def print_result(self, document: Any, lines: list[str]) -> None:
        """Print one JSON document, or the same as readable lines."""
        if self.as_json:
            print_json(document, self.answer_stream)
        else:
            print_lines(lines, self.answer_stream)


def clock() -> datetime:
    """The current time for commands, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the only clock of the commands


def command(
    name: str, *, can_create: bool = False, is_offline: bool = False
) -> Callable[[Callable[..., int | None]], click.Command]:
    """Turn a function that takes a `CommandContext` first into a command: common options, one-line errors, exit code from its result.

    An offline command uses neither a backend nor an actor: `--json` is its only common option.
    """

    def decorate(function: Callable[..., int | None]) -> click.Command:
        @functools.wraps(function)
        def run(
            as_json: bool,  # noqa: FBT001 - click passes options this way
            backend: str | None = None,
            by: str = "",
            migrate: bool = False,  # noqa: FBT001, FBT002
            restore_backup: bool = False,  # noqa: FBT001, FBT002
            **options: Any,
        ) -> None:
            signing_secret.take_from_environment(os.environ)
            with reserve_stdout() as stream:
                context = CommandContext(backend, as_json, by, migrate, stream, restore_backup, can_create)
                exit_code = _exit_code(lambda: function(context, **options))
            sys.exit(exit_code)

        return click.command(name)((_add_json_option if is_offline else _add_common_options)(run))

    return decorate


def option_callback(parse_value: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """A click callback that parses an option and turns BadInput into a usage error."""

    def callback(_: click.Context, __: click.Parameter, value: str | None) -> Any:
        try:
            return parse_value(value) if value is not None else None
        except BadInput as error:
            raise click.BadParameter(str(error)) from error

    return callback


def parse_stage_option(text: str) -> str:
    """A stage as typed, checked."""
    from lib.ledger.entry.vocabulary import parse_stage

    return parse_stage(text)


def require_slot_stage(stage: str) -> None:
    """Raise a usage error for stages without a holder: None and Archived."""
    if stage not in ("Production", "Staging"):
        raise click.BadParameter(f"{stage} has no holder. Use Production or Staging.", param_hint="--stage")


def parse_zone_option(name: str) -> str:
    """A time zone as typed, checked."""
    from lib.ledger.queries.time_query import parse_time_zone

    return parse_time_zone(name).key


def parse_time_option(text: str, option: str, zone: str = "UTC") -> "TimeQuery":
    """A day or an instant as typed. Raises a usage error if it is not valid."""
    from lib.ledger.queries.time_query import parse_time_query

    try:
        return parse_time_query(text, clock(), zone)
    except BadInput as error:
        raise click.BadParameter(f"{error.what} {error.next}".strip(), param_hint=option) from error


def read_file_argument(file: Path, max_bytes: int) -> bytes:
    """The bytes of a file. Raises NotFound if it cannot be read, and BadInput before reading if it is too large."""
    try:
        with file.open("rb") as source:
            data = source.read(max_bytes + 1) if os.fstat(source.fileno()).st_size <= max_bytes else b""
            size = max(len(data), os.fstat(source.fileno()).st_size)
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}.", next="Check the file name.") from error
    if size > max_bytes:
        raise BadInput(f"{file} is larger than the limit of {max_bytes:,} bytes.", next="Check the file name.")
    return data


def format_main_metrics(metrics: Mapping[str, Any]) -> str:
    """The first three metrics of a run as readable text, accuracy first."""
    first = sorted(metrics.items(), key=lambda metric: metric[0] != "accuracy")[:3]
    return (
        ", ".join(f"{name} {value:.4f}" if isinstance(value, float) else f"{name} {value}" for name, value in first)
        or "no metrics"
    )


def _exit_code(run: Callable[[], int | None]) -> int:
    try:
        with single_wait(), _silenced_libraries():
            protect_home(os.environ)
            exit_code = run() or 0
    except PodiumError as error:
        print_note(f"podium: {error}")
        return 1
    _print_left_out_folders()
    return exit_code


def _print_left_out_folders() -> None:
    """Print one note on stderr for each folder of a file store that the command could not read."""
    if "lib.backends.file_store" not in sys.modules:  # it needs MLflow; only clients of a file store import it
        return
    from lib.backends.file_store import damaged_folders

    for folder in damaged_folders():
        print_note(f"podium: skipped {folder.path}: {folder.reason}.")


@contextmanager
def _silenced_libraries() -> Iterator[None]:
    """Keep stderr to Podium's own lines: MLflow and SQLAlchemy log the traceback of an error that they then raise.

    An explicit MLFLOW_LOGGING_LEVEL or `python -W` is respected.
    """
    previous_level = logging.root.manager.disable
    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
        if not os.environ.get("MLFLOW_LOGGING_LEVEL"):
            logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(previous_level)


_add_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def _add_common_options(function: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--restore-backup", is_flag=True, help="First restore the backup of an interrupted upgrade."),
        click.option("--migrate", is_flag=True, help="Let MLflow migrate an older database, after a backup."),
        click.option("--by", default="", help="Your name. Default: the name the server knows, PODIUM_USER, or your login."),
        _add_json_option,
        click.option(
            "--backend",
            metavar="URI|NAME",
            help="sqlite:///file, http(s) address, or a name in backends.toml. Default: MLFLOW_TRACKING_URI or mlflow.db.",
        ),
    ):
        function = option(function)
    return function


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
