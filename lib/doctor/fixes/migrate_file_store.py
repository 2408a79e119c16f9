"""The cure for an old file store: MLflow's own `migrate-filestore` in a process of its own, a backup before, a count of what arrived.

The new database is made aside and takes its name only when MLflow has finished. The old folder stays where it is, because the files
of its runs lie there and the new database leads to them.
"""

import os
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from lib.backends.backend import sqlite_backend
from lib.doctor import fix_ids
from lib.doctor.fixes.upgrade_database import count_rows, require_free_space
from lib.doctor.types import Fix, FixContext, FixInput, FixOffer, FixPreview, FixResult, ProgressCallback, Rows, Snippet
from lib.errors import ActionRefused, BackendError, BadInput, NotWritable

TIMEOUT_SECONDS = 3600
COUNTED_TABLES = ("experiments", "runs", "params", "metrics", "tags", "registered_models", "model_versions")
_NOT_RUNS = {"models", "datasets", "traces", "tags", "artifacts"}
_FILES = {"artifacts"}


def count_contents(folder: Path) -> dict[str, int]:
    """What a file store holds, by its own files: experiments, runs, params, metrics (points), tags, registered models, versions."""
    found = Counter(dict.fromkeys(COUNTED_TABLES, 0))
    for home in _experiments(folder):
        found["experiments"] += 1
        for run in home.iterdir():
            if run.name not in _NOT_RUNS and (run / "meta.yaml").is_file():
                found["runs"] += 1
                found["params"] += _count(run / "params")
                found["tags"] += _count(run / "tags")
                found["metrics"] += sum(len(one.read_text().splitlines()) for one in _files(run / "metrics"))
    for model in (folder / "models").iterdir() if (folder / "models").is_dir() else ():
        if (model / "meta.yaml").is_file():
            found["registered_models"] += 1
            found["model_versions"] += sum(1 for _ in model.glob("version-*/meta.yaml"))
    return dict(found)


def _experiments(folder: Path) -> Iterator[Path]:
    """The experiments, deleted ones too, as MLflow's own migration finds them."""
    for place in (folder, folder / ".trash"):
        if place.is_dir():
            yield from (one for one in sorted(place.iterdir()) if _is_number(one.name) and (one / "meta.yaml").is_file())


def _is_number(name: str) -> bool:
    return name.removeprefix("-").isdecimal()


def _files(folder: Path) -> Iterator[Path]:
    return (one for one in folder.rglob("*") if one.is_file()) if folder.is_dir() else iter(())


def _count(folder: Path) -> int:
    return sum(1 for _ in _files(folder))


def _preview(room: FixContext, asked: FixOffer) -> FixPreview:
    source, target = _source(asked), _target(asked)
    there = count_contents(source)
    notes = sum(one.stat().st_size for one in _notes(source))
    require_free_space(target.parent, notes * 3 + 5_000_000)
    said = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in there.items() if number)
    return FixPreview(
        f"Move {source.name} into the database {target.name}",
        (
            f"A backup of all notes is made first, {notes / 1e6:,.1f} MB: {_backup(room, source).name} in {source.parent}.",
            "The files of runs are not in it, because they are not touched.",
            f"MLflow reads the folder and makes {target}: {said or 'nothing is in it'}.",
            "What arrived is counted and compared.",
            "The folder stays: the files of its runs lie there. Nothing in it is changed.",
            "This browser session goes on with the new database.",
        ),
        (
            Snippet(
                f"MLFLOW_ALLOW_FILE_STORE=true mlflow migrate-filestore --source {source} --target sqlite:///{target}", "bash"
            ),
        ),
        f"Delete {target.name}; the folder is as it was.",
    )


def _move(room: FixContext, asked: FixOffer, told: ProgressCallback) -> FixResult:
    source, target, there = _source(asked), _target(asked), count_contents(_source(asked))
    backup = _backup(room, source)
    told("Making the backup.")
    _pack(source, backup)
    told(f"MLflow reads {there['runs']:,} runs. This may take a minute.")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as aside:
            made = Path(aside) / target.name
            _migrate(source, made)
            arrived = count_rows(made, COUNTED_TABLES)
            _settle(made)
            os.link(made, target)  # unlike a rename, never over a file that somebody made meanwhile
    except FileExistsError as error:
        raise ActionRefused(f"{target.name} was made by somebody else meanwhile.", next="Choose another name.") from error
    except OSError as error:
        raise NotWritable(f"{target} cannot be written ({error.strerror}).", next="Choose another folder.") from error
    rows = _compared(there, arrived)
    short = [name for name, number in there.items() if arrived.get(name, 0) < number]
    title = f"{source.name} is in {target.name} now" if not short else f"{source.name} is in {target.name} now, but not all of it"
    next_ = f"Something did not arrive: {', '.join(short).replace('_', ' ')}. Look for damaged meta.yaml files." if short else ""
    return FixResult(title, (*rows, ("Backup", str(backup))), next_, sqlite_backend(target))


def _compared(there: dict[str, int], arrived: dict[str, int]) -> Rows:
    """What there was and what arrived. MLflow adds a tag or two to each run on its way, so more tags are no surprise."""
    return tuple(
        (name.replace("_", " ").capitalize(), f"{arrived.get(name, 0):,} of {number:,} arrived") for name, number in there.items()
    )


def _migrate(source: Path, target: Path) -> None:
    call = [sys.executable, "-m", "mlflow", "migrate-filestore", "--source", str(source), "--target", f"sqlite:///{target}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING_")}
    try:
        done = subprocess.run(  # noqa: S603 - MLflow's own command on folders that the person named
            [*call, "--no-progress"],
            cwd=target.parent,
            env=environment | {"MLFLOW_ALLOW_FILE_STORE": "true"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BackendError("MLflow did not finish within an hour.", next="Run the command in a shell.") from error
    if done.returncode:
        last = ([line for line in (done.stderr or done.stdout).splitlines() if line.strip()] or ["it did not say why"])[-1]
        raise BackendError(f"MLflow could not move the store: {last[:300]}", next="Mend what it names, then try again.")


def _settle(made: Path) -> None:
    """MLflow fills the file with a log beside it; bring all into the file itself, as MLflow leaves its other databases."""
    with closing(sqlite3.connect(made)) as db:
        db.execute("pragma journal_mode = delete").fetchone()


def _notes(source: Path) -> Iterator[Path]:
    """Everything but the files of runs and models, which may be huge and are not touched."""
    for one in sorted(source.iterdir()):
        if one.is_file():
            yield one
        elif one.is_dir() and not one.is_symlink() and one.name not in _FILES:
            yield from _notes(one)


def _pack(source: Path, backup: Path) -> None:
    try:
        with zipfile.ZipFile(backup, "x", zipfile.ZIP_DEFLATED, strict_timestamps=False) as packed:
            for one in _notes(source):
                packed.write(one, one.relative_to(source.parent))
    except FileExistsError as error:
        raise ActionRefused(f"{backup.name} is there already.", next="Try again in a second.") from error
    except OSError as error:
        backup.unlink(missing_ok=True)
        raise NotWritable(
            f"The backup {backup.name} could not be written ({error.strerror}).", next="Make room there."
        ) from error


def _backup(room: FixContext, source: Path) -> Path:
    return source.parent / f"{source.name}.{room.clock():%Y%m%d-%H%M%S}.zip"


def _source(asked: FixOffer) -> Path:
    source = Path(asked["folder"])
    if not asked["folder"] or not any(_experiments(source)):
        raise ActionRefused(f"{source} holds no experiment of a file store.", next="Check again.")
    return source.absolute()


def _target(asked: FixOffer) -> Path:
    name = asked["target"].strip() or _offered(Path(asked["folder"]))
    target = Path(name).expanduser()
    if not target.is_absolute() or target.suffix != ".db" or not target.parent.is_dir():
        raise BadInput(
            f"{name[:200]} is no place for a new database.", next="Name a file ending in .db in a folder that is there."
        )
    if target.exists():
        raise BadInput(f"{target} is there already.", next="Choose another name: a database is never overwritten.")
    return target


def _offered(source: Path) -> str:
    """A name beside the folder that nobody has taken."""
    names = (source.parent / f"{source.name}{n}.db" for n in ("", *(f"-{n}" for n in range(2, 100))))
    return str(next((one.absolute() for one in names if not one.exists()), source.parent / f"{source.name}.db"))


def _asks(_: FixContext, asked: FixOffer) -> tuple[FixInput, ...]:
    return (FixInput("target", "New database", _offered(Path(asked["folder"])), "A file that does not exist yet"),)


FIXES = (
    Fix(
        fix_ids.MIGRATE_FILE_STORE,
        "Move it into a database",
        "By MLflow's own migration, with a backup.",
        _preview,
        _move,
        _asks,
        needs_machine_access=True,
    ),
)
