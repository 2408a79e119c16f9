"""What every command shares: which backend, who acts, how it answers, and how an error ends it."""

import functools
import getpass
import json
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lib.backends.backend import Backend, chosen, credentials_in, parse, password_in
from lib.errors import BadInput, NeedsMigration, PodiumError

if TYPE_CHECKING:
    from lib.ledger.storage.book import Writer

PROJECT = Path(__file__).resolve().parents[2]
FINDINGS = 3


@dataclass(frozen=True)
class Asked:
    """The common options as given. `may_create` tells whether this command may make a missing database."""

    uri: str | None
    as_json: bool
    by: str
    migrate: bool
    may_create: bool = False

    def address(self) -> Backend:
        """The backend that is meant, without looking whether it is there."""
        return meant(self.uri)

    def backend(self) -> Backend:
        """The backend that is meant, ready to be used: reachable, and of a schema that MLflow will not change.

        Raises NotFound for a missing database, NeedsMigration for an older one unless `--migrate` was given.
        """
        from lib.backends.mlflow_client import probe
        from lib.backends.sqlite_store import make_ready, migrate, must_exist

        here = self.address()
        by_default = not self.uri and not os.environ.get("MLFLOW_TRACKING_URI", "").strip()
        if not (self.may_create or by_default):
            must_exist(here)
        try:
            make_ready(here)
        except NeedsMigration:
            if not self.migrate:
                raise
            click.echo(f"The database was copied to {migrate(here, clock())} and then migrated.", err=True)
        probe(here)
        return here

    def writer(self) -> "Writer":
        """Who writes, where, and by which clock: the verified name, else `--by`, else PODIUM_USER, else the login."""
        from lib.ledger.storage.book import Writer
        from lib.ledger.storage.identity import who

        here = self.backend()
        return Writer(here, who(here, self.by, os.environ.get("PODIUM_USER") or _login()), clock)

    def answer(self, document: Any, lines: list[str]) -> None:
        """Print one JSON document, or the same for people."""
        click.echo(json.dumps(document, ensure_ascii=False, indent=2) if self.as_json else "\n".join(lines))


def clock() -> datetime:
    """The clock of the command line, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the commands' one clock


def command(name: str, *, may_create: bool = False) -> Callable[[Callable[..., int | None]], click.Command]:
    """Make a command of a function that takes `Asked` first: common options, errors as one line, exit code from its result."""

    def decorate(function: Callable[..., int | None]) -> click.Command:
        @functools.wraps(function)
        def run(backend: str | None, as_json: bool, by: str, migrate: bool, **more: Any) -> None:  # noqa: FBT001 - click passes them so
            warnings.filterwarnings("ignore", category=FutureWarning)
            sys.exit(_ended(lambda: function(Asked(backend, as_json, by, migrate, may_create), **more)))

        return click.command(name)(_common(run))

    return decorate


def as_option(read: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """A callback that reads an option by `read` and makes its BadInput a usage error."""

    def callback(_: click.Context, __: click.Parameter, value: str | None) -> Any:
        try:
            return read(value) if value is not None else None
        except BadInput as error:
            raise click.BadParameter(str(error)) from error

    return callback


def read_stage(word: str) -> str:
    """The stage a person means; see `lib.ledger.entry.vocabulary.stage`."""
    from lib.ledger.entry.vocabulary import stage

    return stage(word)


def _ended(run: Callable[[], int | None]) -> int:
    try:
        return run() or 0
    except PodiumError as error:
        click.echo(f"podium: {' '.join(str(error).split())}", err=True)
        return 1


def _common(function: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--migrate", is_flag=True, help="Let MLflow migrate an older database, after a copy was made."),
        click.option("--by", default="", help="Who does this; default: the name the server knows, PODIUM_USER, or your login."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
        click.option(
            "--backend",
            metavar="URI|NAME",
            help="sqlite:///file, http(s) address, or a name in backends.toml; default: MLFLOW_TRACKING_URI or mlflow.db.",
        ),
    ):
        function = option(function)
    return function


def meant(asked: str | None) -> Backend:
    """The backend that `--backend` or the environment names, asked with what the environment holds for this very address.

    What signs in is taken out of the environment. User and password of `MLFLOW_TRACKING_URI` never go to another address.
    """
    from lib.backends import backend_config as named
    from lib.backends import credentials
    from lib.backends import dagshub_tokens as hub_tokens

    hub_tokens.take(os.environ)
    if not asked:
        return hub_tokens.known(credentials.take(os.environ, chosen(os.environ, PROJECT)))
    file = named.place(os.environ, PROJECT)
    by_name = named.read(file).find(asked) if named.NAME.fullmatch(asked) else None
    uri = by_name.uri if by_name else asked
    here = by_name.backend if by_name and by_name.backend else parse(asked, Path.cwd())
    usual = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    if usual and not parse(usual, Path.cwd()).is_same_place(here):
        credentials.take(os.environ, parse(usual, Path.cwd()))
    if credentials_in(uri) or password_in(uri):
        os.environ["MLFLOW_TRACKING_URI"] = uri
    return hub_tokens.known(credentials.take(os.environ, here))


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
