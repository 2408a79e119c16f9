"""Title, consequence and fixes of each artifact location problem, in one table. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from lib.doctor import fix_ids
from lib.doctor.artifacts.rules import LocationProblem
from lib.doctor.types import Level


@dataclass(frozen=True)
class ProblemText:
    """Texts of a problem. `title` takes {where}, an experiment name or count; `means` takes {place}, an example location."""

    title: str
    means: str
    next: str
    fix_ids: tuple[str, ...] = ()
    level: Level = "problem"


_OTHER_MACHINE_ADVICE = (
    "Choose a fix: a new experiment stores new files here, and old ones can be read from a copy of that folder."
)

PROBLEM_TEXTS: Mapping[LocationProblem, ProblemText] = {
    "proxy": ProblemText(
        "Files cannot be saved in {where}",
        "Files belong at {place}, which only a server can reach, and this backend is a bare database. Runs log their metrics, then fail at "
        "the first file or model.",
        "Choose a fix. A new experiment is quickest; a server on this database also makes the old files readable.",
        (fix_ids.NEW_EXPERIMENT, fix_ids.START_SERVER, fix_ids.SET_TRACKING_URI, fix_ids.NEW_STORE, fix_ids.MAP_FOLDER),
    ),
    "no_proxy": ProblemText(
        "This server does not serve artifacts, which {where} needs",
        "Files belong at {place}, which only the server can provide, but it was started with --no-serve-artifacts.",
        "Ask the server's administrator to start it with --serve-artifacts and the original --artifacts-destination.",
    ),
    "other_server": ProblemText(
        "The files of {where} belong to another server",
        "They belong at {place}, not on the server Podium is connected to. Podium does not send its credentials to other hosts.",
        "Use that server as the backend, or create a new experiment here.",
        (fix_ids.NEW_EXPERIMENT,),
    ),
    "windows": ProblemText(
        "The files of {where} belong to a Windows folder",
        "{place} is not a valid path on this machine: MLflow would create a folder with that literal name in the current folder.",
        _OTHER_MACHINE_ADVICE,
        (fix_ids.NEW_EXPERIMENT, fix_ids.NEW_STORE, fix_ids.MAP_FOLDER),
    ),
    "posix": ProblemText(
        "The files of {where} belong to a folder of another operating system",
        "{place} is a Linux or macOS folder, and this machine runs Windows.",
        _OTHER_MACHINE_ADVICE,
        (fix_ids.NEW_EXPERIMENT, fix_ids.NEW_STORE, fix_ids.MAP_FOLDER),
    ),
    "relative": ProblemText(
        "The file location of {where} depends on where a script is started",
        "{place} is relative to the current folder, so two people, or two terminals, store files in different places and cannot see each "
        "other's.",
        "Create a new experiment with an absolute path, and read the old files from their current folder.",
        (fix_ids.NEW_EXPERIMENT, fix_ids.NEW_STORE, fix_ids.MAP_FOLDER),
        "notice",
    ),
    "elsewhere": ProblemText(
        "The files of {where} belong to a folder that is not on this machine",
        "{place} was probably a folder on the machine that created the experiment. Old files cannot be opened here, and new ones "
        "fail or end up in an unexpected folder.",
        _OTHER_MACHINE_ADVICE,
        (fix_ids.NEW_EXPERIMENT, fix_ids.NEW_STORE, fix_ids.MAP_FOLDER),
    ),
    "unwritable": ProblemText(
        "Files cannot be written in {where}",
        "This account cannot write to {place}. Runs log their metrics, then fail at the first file or model.",
        "Get write permission for it, or create a new experiment with your own folder.",
        (fix_ids.NEW_EXPERIMENT,),
    ),
    "trap": ProblemText(
        "Files of {where} bypass the server and go to each client's disk",
        "Files belong in the folder {place}. The experiment was created on the bare database, so MLflow's client writes files to that path "
        "on its own machine, while the server and your colleagues look for them on theirs.",
        "Create a new experiment through the server and log there from now on.",
        (fix_ids.NEW_EXPERIMENT,),
    ),
    "package": ProblemText(
        "Files of {where} cannot be reached from here",
        "They belong at {place}, and the package for {cloud} is not installed here.",
        "Install {package} in MLflow's environment, then check again.",
    ),
    "sign_in": ProblemText(
        "No credentials were found for the files of {where}",
        "They belong at {place}. Neither the environment nor the usual files contain credentials for {cloud}; a machine role may "
        "still provide them.",
        "Provide credentials for {cloud} to everything that logs or reads files.",
        level="notice",
    ),
    "odd": ProblemText(
        "Podium cannot check the file location of {where}",
        "{place} is not a location type that Podium can check. MLflow may reach it through a plugin.",
        "Log a small file there to test it.",
        level="notice",
    ),
}
