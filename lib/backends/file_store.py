"""Read a store in MLflow's old file format despite damaged files: each is skipped and reported, and the rest is read.

MLflow skips a folder without meta.yaml and fails with arbitrary Python errors for other damage. Here any failure while reading a folder
becomes `DamagedFolderError`; a search skips that folder and is repeated.
"""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from mlflow.exceptions import MissingConfigException, MlflowException
from mlflow.store.model_registry.file_store import FileModelVersion

if TYPE_CHECKING:
    from mlflow import MlflowClient

_DAMAGE = (AttributeError, KeyError, TypeError, ValueError, IndexError, yaml.YAMLError, OSError, MlflowException)
"""What MLflow raises while parsing the files of one folder; ValueError includes text that is not UTF-8."""
_ABSENCE_CODES = ("RESOURCE_DOES_NOT_EXIST",)
_STORES: dict[Path, "_DamageLog"] = {}


@dataclass(frozen=True, order=True)
class DamagedFolder:
    """A folder of an experiment, run, registered model or version that cannot be read, and why."""

    path: Path
    reason: str


class DamagedFolderError(MissingConfigException):
    """One folder cannot be read. A MissingConfigException because MLflow's searches continue after one."""

    def __init__(self, damaged: DamagedFolder) -> None:
        super().__init__(f"{damaged.path}: {damaged.reason}")
        self.damaged = damaged


@dataclass
class _DamageLog:
    """The folders that the last searches skipped, by kind of search."""

    folders: dict[str, dict[Path, DamagedFolder]] = field(default_factory=dict)
    thread: threading.local = field(default_factory=threading.local)

    def note(self, folder: Path, error: BaseException) -> DamagedFolder:
        damaged = DamagedFolder(folder, _describe_damage(folder, error))
        if (damaged_by_path := getattr(self.thread, "damaged", None)) is not None:
            damaged_by_path[folder] = damaged
        return damaged

    def leaves_out(self, folder: str | Path) -> bool:
        return Path(folder) in (getattr(self.thread, "damaged", None) or ())

    @contextmanager
    def searching(self, kind: str) -> Iterator[dict[Path, DamagedFolder]]:
        """Collect the damage that one search finds in this thread; a nested search joins the outer one."""
        if getattr(self.thread, "damaged", None) is not None:
            yield self.thread.damaged
            return
        self.thread.damaged = dict[Path, DamagedFolder]()
        try:
            yield self.thread.damaged
            self.folders[kind] = self.thread.damaged
        finally:
            self.thread.damaged = None


def damaged_folders(folder: Path | None = None) -> tuple[DamagedFolder, ...]:
    """Return the folders skipped by the last searches of a store, or of all stores opened by this process."""
    logs = [log for path, log in list(_STORES.items()) if folder is None or path == folder]
    return tuple(
        sorted(
            {damaged for log in logs for damaged_by_path in list(log.folders.values()) for damaged in damaged_by_path.values()}
        )
    )


def tolerate_damage(client: "MlflowClient", folder: Path) -> None:
    """Make a file store's client skip folders it cannot read. Call once per client."""
    log = _STORES.setdefault(folder, _DamageLog())
    tracking, registry = client._tracking_client.store, client._get_registry_client().store  # noqa: SLF001 - there is no other hook

    def run_folder(info: Any) -> Path:
        return Path(tracking._get_run_dir(info.experiment_id, info.run_id))  # noqa: SLF001

    _guard(log, tracking, "_get_run_info_from_dir", Path)
    _guard(log, tracking, "_get_run_from_info", run_folder)
    _guard(log, tracking, "_get_experiment", lambda experiment_id, *_: _experiment_folder(folder, experiment_id))
    _guard(log, registry, "_get_registered_model_from_path", Path)
    registry._get_file_model_version_from_dir = functools.partial(_read_version, registry)  # noqa: SLF001
    _guard(log, registry, "_get_file_model_version_from_dir", Path)
    _filter_list(tracking, "_list_run_infos", lambda info: not log.leaves_out(run_folder(info)))
    _filter_list(registry, "_get_all_registered_model_paths", lambda path: not log.leaves_out(path))
    _replace_version_list(log, registry)
    for store, name in (
        (tracking, "search_experiments"),
        (tracking, "_search_runs"),
        (registry, "search_registered_models"),
        (registry, "search_model_versions"),
    ):
        _repeat_without_damage(log, store, name)


def _guard(log: _DamageLog, store: Any, name: str, find_folder: Callable[..., Path]) -> None:
    """Make a method that reads one folder raise DamagedFolderError for any damage; a missing folder remains MLflow's error."""
    method = getattr(store, name)

    @functools.wraps(method)
    def read(*args: Any, **options: Any) -> Any:
        try:
            return method(*args, **options)
        except DamagedFolderError:
            raise
        except _DAMAGE as error:
            if isinstance(error, MlflowException) and error.error_code in _ABSENCE_CODES:
                raise
            raise DamagedFolderError(log.note(find_folder(*args, **options), error)) from error

    setattr(store, name, read)


def _read_version(registry: Any, folder: str) -> FileModelVersion:
    """Read a version from its folder, without the metrics of its logged model.

    MLflow reads those through a client of its default store and so creates a database in the current folder.
    """
    metadata = registry._read_yaml(folder, registry.META_DATA_FILE_NAME)  # noqa: SLF001
    metadata["tags"] = registry._get_model_version_tags_from_dir(folder)  # noqa: SLF001
    metadata["aliases"] = registry._get_model_version_aliases(folder)  # noqa: SLF001
    return FileModelVersion.from_dictionary(metadata)


def _filter_list(store: Any, name: str, is_wanted: Callable[[Any], bool]) -> None:
    method = getattr(store, name)
    setattr(store, name, functools.wraps(method)(lambda *args: [item for item in method(*args) if is_wanted(item)]))


def _replace_version_list(log: _DamageLog, registry: Any) -> None:
    """Replace MLflow's version listing: it lists and reads all versions in one method, so each folder is read here."""

    def list_versions(path: str) -> list[Any]:
        folders = sorted(folder for folder in Path(path).glob("version-*") if folder.is_dir() and not log.leaves_out(folder))
        return [registry._get_file_model_version_from_dir(str(folder)) for folder in folders]  # noqa: SLF001

    registry._list_file_model_versions_under_path = list_versions  # noqa: SLF001


def _repeat_without_damage(log: _DamageLog, store: Any, name: str) -> None:
    """Make a search continue after a damaged folder. Each attempt finds at least one more, so it terminates."""
    method = getattr(store, name)

    @functools.wraps(method)
    def search(*args: Any, **options: Any) -> Any:
        with log.searching(name) as damaged_by_path:
            while True:
                count = len(damaged_by_path)
                try:
                    return method(*args, **options)
                except DamagedFolderError:
                    if len(damaged_by_path) == count:
                        raise

    setattr(store, name, search)


def _experiment_folder(folder: Path, experiment_id: str) -> Path:
    """Return the folder of an experiment, deleted or not."""
    active, deleted = folder / experiment_id, folder / ".trash" / experiment_id
    return deleted if deleted.exists() and not active.exists() else active


def _describe_damage(folder: Path, error: BaseException) -> str:
    """Return why a folder cannot be read: the problem with its meta.yaml, else the error of MLflow or the system."""
    if reason := _describe_metadata(folder / "meta.yaml"):
        return reason
    if isinstance(error, KeyError):
        return f"meta.yaml lacks {error.args[0]!r}"
    lines = str(error).strip().splitlines()
    return f"a file in it cannot be read ({lines[0][:200] if lines else type(error).__name__})"


def _describe_metadata(file: Path) -> str:
    """Return what is wrong with a meta.yaml; empty if it contains names and values."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "meta.yaml is missing"
    except UnicodeDecodeError:
        return "meta.yaml is not text"
    except yaml.YAMLError:
        return "meta.yaml is not valid YAML"
    except OSError as error:
        return f"meta.yaml cannot be read ({error.strerror})"
    if content is None:
        return "meta.yaml is empty"
    return "" if isinstance(content, dict) else "meta.yaml does not contain names and values"
