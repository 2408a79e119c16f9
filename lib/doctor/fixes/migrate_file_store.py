"""Fix for an old file store: a backup, MLflow's own `migrate-filestore` in a separate process, and a count of the migrated items.

The new database is created under a temporary name and renamed only when MLflow has finished. The old folder stays in place because
the new database refers to the artifacts in it.
"""

import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from lib.backends.backend import sqlite_backend
from lib.doctor import fix_ids
from lib.doctor.artifacts.folder_search import expand_path
from lib.doctor.fixes.upgrade_database import count_rows, require_free_space
from lib.doctor.types import Fix, FixContext, FixInput, FixOffer, FixPreview, FixResult, ProgressCallback, Snippet
from lib.errors import ActionRefused, BackendError, BadInput, NotWritable

TIMEOUT_SECONDS = 3600
COUNTED_TABLES = ("experiments", "runs", "params", "metrics", "tags", "registered_models", "model_versions")
_NON_RUN_FOLDERS = {"models", "datasets", "traces", "tags", "artifacts"}
_ARTIFACT_FOLDERS = {"artifacts"}


def _count_contents(folder: Path) -> dict[str, int]:
    """Count a file store's contents from its files: experiments, runs, params, metrics (points), tags, registered models, versions."""
    counts = Counter(dict.fromkeys(COUNTED_TABLES, 0))
    for experiment_folder in _experiment_folders(folder):
        counts["experiments"] += 1
        for run_folder in experiment_folder.iterdir():
            if run_folder.name not in _NON_RUN_FOLDERS and (run_folder / "meta.yaml").is_file():
                counts["runs"] += 1
                counts["params"] += _count_files(run_folder / "params")
                counts["tags"] += _count_files(run_folder / "tags")
                counts["metrics"] += sum(len(file.read_bytes().splitlines()) for file in _list_files(run_folder / "metrics"))
    for model_folder in (folder / "models").iterdir() if (folder / "models").is_dir() else ():
        if (model_folder / "meta.yaml").is_file():
            counts["registered_models"] += 1
            counts["model_versions"] += sum(1 for _ in model_folder.glob("version-*/meta.yaml"))
    return dict(counts)


@contextmanager
def _translate_reading_errors(source: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackendError(
            f"{error.filename or source} cannot be read ({error.strerror}), so not everything would be migrated.",
            next="Give this account read permission for the folder and everything in it, then check again.",
        ) from error


def _experiment_folders(folder: Path) -> Iterator[Path]:
    """Yield the experiment folders, including deleted ones, as MLflow's own migration finds them."""
    for parent in (folder, folder / ".trash"):
        if parent.is_dir():
            yield from (path for path in sorted(parent.iterdir()) if _is_number(path.name) and (path / "meta.yaml").is_file())


def _is_number(name: str) -> bool:
    return name.removeprefix("-").isdecimal()


def _list_files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else iter(())


def _count_files(folder: Path) -> int:
    return sum(1 for _ in _list_files(folder))


def _preview(context: FixContext, offer: FixOffer) -> FixPreview:
    source, target = _source_folder(offer), _target_file(offer)
    with _translate_reading_errors(source):
        counts = _count_contents(source)
        backup_bytes = sum(file.stat().st_size for file in _metadata_files(source))
    require_free_space(target.parent, backup_bytes * 3 + 5_000_000)
    contents_text = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items() if number)
    return FixPreview(
        f"Migrate {source.name} to the database {target.name}",
        (
            f"All metadata is backed up first, {backup_bytes / 1e6:,.1f} MB: {_backup_path(context, source).name} in {source.parent}.",
            "Run artifacts are not backed up because they are not touched.",
            f"MLflow reads the folder and creates {target}: {contents_text or 'no contents'}.",
            "The migrated items are counted and compared.",
            "The folder stays in place unchanged because it contains the run artifacts.",
            "This browser session switches to the new database.",
        ),
        (
            Snippet(
                f"MLFLOW_ALLOW_FILE_STORE=true mlflow migrate-filestore --source {shlex.quote(str(source))}"
                f" --target {shlex.quote(sqlite_backend(target).uri)}",
                "bash",
            ),
        ),
        f"Delete {target.name}; the folder is unchanged.",
    )


def _migrate_store(context: FixContext, offer: FixOffer, progress: ProgressCallback) -> FixResult:
    source, target, backup = _source_folder(offer), _target_file(offer), _backup_path(context, _source_folder(offer))
    with _translate_reading_errors(source):
        source_counts = _count_contents(source)
    progress("Creating the backup.")
    _write_backup(source, backup)
    progress(f"MLflow reads {source_counts['runs']:,} runs. This may take a minute.")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            database = Path(folder) / target.name
            _run_migration(source, database)
            target_counts = count_rows(database, COUNTED_TABLES)
            _merge_write_ahead_log(database)
            os.link(database, target)  # unlike a rename, never overwrites a file created since
    except FileExistsError as error:
        raise ActionRefused(
            f"{target.name} was created by another program in the meantime.", next="Choose another name."
        ) from error
    except OSError as error:
        raise NotWritable(f"{target} cannot be written ({error.strerror}).", next="Choose another folder.") from error
    rows = tuple(  # MLflow adds a tag or two to each run, so more tags than before are expected
        (name.replace("_", " ").capitalize(), f"{target_counts.get(name, 0):,} of {number:,} migrated")
        for name, number in source_counts.items()
    )
    missing = [name for name, number in source_counts.items() if target_counts.get(name, 0) < number]
    title = (
        f"{source.name} was migrated to {target.name}"
        if not missing
        else f"{source.name} was only partly migrated to {target.name}"
    )
    next_ = f"Not fully migrated: {', '.join(missing).replace('_', ' ')}. Check for damaged meta.yaml files." if missing else ""
    return FixResult(title, (*rows, ("Backup", str(backup))), next_, sqlite_backend(target))


def _run_migration(source: Path, target: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "migrate-filestore",
        "--source",
        str(source),
        "--target",
        sqlite_backend(target).uri,
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING_")}
    try:
        result = subprocess.run(  # noqa: S603 - MLflow's own command on folders given by the user
            [*command, "--no-progress"],
            cwd=target.parent,
            env=environment | {"MLFLOW_ALLOW_FILE_STORE": "true"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BackendError("MLflow did not finish within an hour.", next="Run the command in a shell.") from error
    if result.returncode:
        lines = [line for line in (result.stderr or result.stdout).splitlines() if line.strip()] or ["no reason given"]
        reason = lines[-1][:300] if result.returncode > 0 else f"it was ended by {signal.Signals(-result.returncode).name}"
        raise BackendError(
            f"MLflow could not migrate the store: {reason}",
            means="The folder is unchanged and no database was created. The backup next to the folder stays.",
            next="Fix the reported problem, then try again.",
        )


def _merge_write_ahead_log(database: Path) -> None:
    """Merge the write-ahead log left by MLflow into the database file."""
    with closing(sqlite3.connect(database)) as db:
        db.execute("pragma journal_mode = delete").fetchone()


def _metadata_files(source: Path) -> Iterator[Path]:
    """Yield all files except run and model artifacts, which may be huge and are not touched."""
    for path in sorted(source.iterdir()):
        if path.is_file():
            yield path
        elif path.is_dir() and not path.is_symlink() and path.name not in _ARTIFACT_FOLDERS:
            yield from _metadata_files(path)


def _write_backup(source: Path, backup: Path) -> None:
    try:
        with zipfile.ZipFile(backup, "x", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
            for path in _metadata_files(source):
                archive.write(path, path.relative_to(source.parent))
    except FileExistsError as error:
        raise ActionRefused(f"{backup.name} already exists.", next="Try again in a second.") from error
    except OSError as error:
        backup.unlink(missing_ok=True)
        raise NotWritable(
            f"The backup {backup.name} could not be written ({error.strerror}).",
            next="Free up disk space or check permissions there.",
        ) from error


def _backup_path(context: FixContext, source: Path) -> Path:
    return source.parent / f"{source.name}.{context.clock():%Y%m%d-%H%M%S}.zip"


def _source_folder(offer: FixOffer) -> Path:
    source = Path(offer["folder"])
    with _translate_reading_errors(source):
        is_file_store = bool(offer["folder"]) and any(_experiment_folders(source))
    if not is_file_store:
        raise ActionRefused(f"{source} contains no file-store experiments.", next="Check again.")
    return source.absolute()


def _target_file(offer: FixOffer) -> Path:
    name = offer["target"].strip() or _suggest_target(Path(offer["folder"]))
    target = expand_path(name)
    if target is None or not target.is_absolute() or target.suffix != ".db" or not target.parent.is_dir():
        raise BadInput(
            f"{name[:200]} is not a valid path for a new database.", next="Enter a file name ending in .db in an existing folder."
        )
    if target.exists():
        raise BadInput(f"{target} already exists.", next="Choose another name. Databases are never overwritten.")
    return target


def _suggest_target(source: Path) -> str:
    """Return an unused file name next to the folder."""
    paths = (source.parent / f"{source.name}{n}.db" for n in ("", *(f"-{n}" for n in range(2, 100))))
    return str(next((path.absolute() for path in paths if not path.exists()), source.parent / f"{source.name}.db"))


def _inputs(_: FixContext, offer: FixOffer) -> tuple[FixInput, ...]:
    return (FixInput("target", "New database", _suggest_target(Path(offer["folder"])), "A file that does not exist yet"),)


FIXES = (
    Fix(
        fix_ids.MIGRATE_FILE_STORE,
        "Migrate it to a database",
        "With MLflow's own migration and a backup.",
        _preview,
        _migrate_store,
        _inputs,
        needs_machine_access=True,
    ),
)
