"""A store in MLflow's old file format with damaged files in it: each is left out and named, and the rest is read.

MLflow skips a folder whose meta.yaml is missing and fails with any error of Python for other damage. Here whatever goes wrong while one
folder is read becomes `DamagedFolderError`; a search leaves that folder out and is asked again.
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
"""What MLflow raises while it understands the files of one folder; ValueError is also text that is not UTF-8."""
_ABSENCE_CODES = ("RESOURCE_DOES_NOT_EXIST",)
_STORES: dict[Path, "_DamageLog"] = {}


@dataclass(frozen=True, order=True)
class DamagedFolder:
    """A folder of the store that cannot be read, and why: of an experiment, a run, a registered model or a version."""

    path: Path
    reason: str


class DamagedFolderError(MissingConfigException):
    """One folder cannot be read. A MissingConfigException, because MLflow's searches go on after one."""

    def __init__(self, damaged: DamagedFolder) -> None:
        super().__init__(f"{damaged.path}: {damaged.reason}")
        self.damaged = damaged


@dataclass
class _DamageLog:
    """What the last searches left out, by kind of search."""

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
        """Collect what one search meets in this thread; a search inside a search belongs to it."""
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
    """What the last searches of a store left out, or of all stores that this process opened."""
    logs = [log for path, log in list(_STORES.items()) if folder is None or path == folder]
    return tuple(
        sorted(
            {damaged for log in logs for damaged_by_path in list(log.folders.values()) for damaged in damaged_by_path.values()}
        )
    )


def tolerate_damage(client: "MlflowClient", folder: Path) -> None:
    """Let a client of a file store leave out what it cannot read. To be called once for each client."""
    log = _STORES.setdefault(folder, _DamageLog())
    tracking, registry = client._tracking_client.store, client._get_registry_client().store  # noqa: SLF001 - MLflow's searches have no other seam

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
    """Let a method that reads one folder raise DamagedFolderError for whatever is wrong with it; its absence stays MLflow's error."""
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
    """A version from its folder, without the metrics of its logged model.

    MLflow asks for those through a client of its default store, and so makes a database in the current folder.
    """
    metadata = registry._read_yaml(folder, registry.META_DATA_FILE_NAME)  # noqa: SLF001
    metadata["tags"] = registry._get_model_version_tags_from_dir(folder)  # noqa: SLF001
    metadata["aliases"] = registry._get_model_version_aliases(folder)  # noqa: SLF001
    return FileModelVersion.from_dictionary(metadata)


def _filter_list(store: Any, name: str, is_wanted: Callable[[Any], bool]) -> None:
    method = getattr(store, name)
    setattr(store, name, functools.wraps(method)(lambda *args: [item for item in method(*args) if is_wanted(item)]))


def _replace_version_list(log: _DamageLog, registry: Any) -> None:
    """MLflow lists and reads the versions of a model in one method, so each folder is read here."""

    def list_versions(path: str) -> list[Any]:
        folders = sorted(folder for folder in Path(path).glob("version-*") if folder.is_dir() and not log.leaves_out(folder))
        return [registry._get_file_model_version_from_dir(str(folder)) for folder in folders]  # noqa: SLF001

    registry._list_file_model_versions_under_path = list_versions  # noqa: SLF001


def _repeat_without_damage(log: _DamageLog, store: Any, name: str) -> None:
    """Let a search go on after a damaged folder: each try finds at least one more, so it ends."""
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
    """Where an experiment is, deleted or not."""
    active, deleted = folder / experiment_id, folder / ".trash" / experiment_id
    return deleted if deleted.exists() and not active.exists() else active


def _describe_damage(folder: Path, error: BaseException) -> str:
    """Why a folder cannot be read, by what is wrong with its meta.yaml; else what MLflow or the system says."""
    if reason := _describe_metadata(folder / "meta.yaml"):
        return reason
    if isinstance(error, KeyError):
        return f"meta.yaml lacks {error.args[0]!r}"
    lines = str(error).strip().splitlines()
    return f"a file in it cannot be read ({lines[0][:200] if lines else type(error).__name__})"


def _describe_metadata(file: Path) -> str:
    """What is wrong with a meta.yaml; empty when it holds names and values."""
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
    return "" if isinstance(content, dict) else "meta.yaml does not hold names and values"
