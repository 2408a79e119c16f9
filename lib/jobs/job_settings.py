"""Job settings: the jobs folder, how many run at once, and which environment variables a script inherits. Pure except for paths."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from lib.backends.app_files import podium_home
from lib.backends.backend import Backend
from lib.backends.credentials import find_credential
from lib.backends.reserved_names import JOB_TAG
from lib.errors import BadInput

_USER_VARIABLES = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "VIRTUAL_ENV", "CONDA_PREFIX")
_WINDOWS_VARIABLES = (
    "USERNAME",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "COMSPEC",
    "PATHEXT",
    "TEMP",
    "TMP",
)
_MACHINE_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT")
_NETWORK_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_MLFLOW_TLS_VARIABLES = ("MLFLOW_TRACKING_INSECURE_TLS", "MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_CLIENT_CERT_PATH")
STARTUP_GRACE_PERIOD = timedelta(seconds=30)
"""How long a runner may take to start before its job counts as lost."""


@dataclass(frozen=True)
class JobSettings:
    """`jobs_folder` has one folder per job, at most `max_running` jobs run at once, `environment` is the app's.

    The environment may contain passwords: it is never shown, saved or put on a command line.
    """

    jobs_folder: Path
    max_running: int
    environment: Mapping[str, str] = field(repr=False, hash=False, compare=False)


def read_job_settings(environment: Mapping[str, str], project: Path) -> JobSettings:
    """Read the settings from an environment: the jobs folder in Podium's own folder, and `PODIUM_JOBS` (default 1).

    Raises BadInput if `PODIUM_JOBS` is not a number from 1 to 64.
    """
    limit = environment.get("PODIUM_JOBS", "").strip() or "1"
    if not limit.isdecimal() or not 1 <= int(limit) <= 64:
        raise BadInput(f"PODIUM_JOBS is {limit!r}, but must be a number from 1 to 64.", next="Correct it, then restart.")
    return JobSettings(podium_home(environment, project) / "jobs", int(limit), dict(environment))


def script_environment(settings: JobSettings, backend: Backend, job_id: str) -> dict[str, str]:
    """Return a script's environment: allow-listed variables, the backend to log to, and the tag for all its runs.

    `MLFLOW_RUN_CONTEXT` makes MLflow tag every run of the process, so scripts need not know about jobs. The backend's credential
    is passed only here, never in arguments or in the job's files.
    """
    credential = find_credential(backend)
    names = [
        *_USER_VARIABLES,
        *_WINDOWS_VARIABLES,
        *_MACHINE_VARIABLES,
        *_NETWORK_VARIABLES,
        *(_MLFLOW_TLS_VARIABLES if backend.kind == "server" else ()),
    ]
    inherited_variables = {name: settings.environment[name] for name in names if name in settings.environment}
    return {
        **inherited_variables,
        "MLFLOW_TRACKING_URI": backend.address,
        "MLFLOW_REGISTRY_URI": backend.address,
        **(credential.environment_variables() if credential else {}),
        **({"MLFLOW_ALLOW_FILE_STORE": "true"} if backend.kind == "file" else {}),
        "MLFLOW_RUN_CONTEXT": json.dumps({JOB_TAG: job_id}),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MPLBACKEND": "Agg",
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
    }


def working_folder(backend: Backend, project: Path) -> Path:
    """Return a script's working folder: the SQLite database's folder, so relative paths end up there, or the project for a server."""
    return backend.path.parent if backend.path else project
