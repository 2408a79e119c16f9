"""What each problem with an artifact location is called, what follows from it, and which fixes it has: one table. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from lib.doctor import fix_ids
from lib.doctor.artifacts.rules import LocationProblem
from lib.doctor.types import Level


@dataclass(frozen=True)
class ProblemText:
    """`title` takes {where}, the name of the experiment or how many they are; `means` takes {place}, an example of where files belong."""

    title: str
    means: str
    next: str
    fix_ids: tuple[str, ...] = ()
    level: Level = "problem"


_OTHER_MACHINE_ADVICE = (
    "Choose a cure: a fresh experiment keeps new files here, and old ones can be read from a copy of that folder."
)

PROBLEM_TEXTS: Mapping[LocationProblem, ProblemText] = {
    "proxy": ProblemText(
        "Files cannot be saved in {where}",
        "Files belong at {place}, which only a server can reach, and this backend is a bare database. Runs log their numbers, then fail at the first file or model.",
        "Choose a cure. A fresh experiment is quickest; a server on this database makes the old files readable, too.",
        (fix_ids.NEW_EXPERIMENT, fix_ids.START_SERVER, fix_ids.SET_TRACKING_URI, fix_ids.NEW_STORE, fix_ids.MAP_FOLDER),
    ),
    "no_proxy": ProblemText(
        "This server hands no files on, and {where} needs it to",
        "Files belong at {place}, which the server would have to hand on, but it was started with --no-serve-artifacts.",
        "Ask whoever runs the server to start it with --serve-artifacts and the --artifacts-destination of before.",
    ),
    "other_server": ProblemText(
        "The files of {where} belong to another server",
        "They belong at {place}, not at the server that Podium talks to. Podium sends its sign-in to no other host.",
        "Use that server as the backend, or a fresh experiment here.",
        (fix_ids.NEW_EXPERIMENT,),
    ),
    "windows": ProblemText(
        "The files of {where} belong to a Windows folder",
        "{place} means nothing on this machine: MLflow would make a folder of that odd name wherever a script was started.",
        _OTHER_MACHINE_ADVICE,
        (fix_ids.NEW_EXPERIMENT, fix_ids.NEW_STORE, fix_ids.MAP_FOLDER),
    ),
    "posix": ProblemText(
        "The files of {where} belong to a folder of another system",
        "{place} is a folder of Linux or macOS, and this machine runs Windows.",
        _OTHER_MACHINE_ADVICE,
        (fix_ids.NEW_EXPERIMENT, fix_ids.NEW_STORE, fix_ids.MAP_FOLDER),
    ),
    "relative": ProblemText(
        "Where the files of {where} go depends on where a script is started",
        "{place} is counted from the current folder, so two people, or two terminals, keep files in two places and each misses the "
        "other's.",
        "Make a fresh experiment with a whole path; read the old files from the folder where they are.",
        (fix_ids.NEW_EXPERIMENT, fix_ids.NEW_STORE, fix_ids.MAP_FOLDER),
        "notice",
    ),
    "elsewhere": ProblemText(
        "The files of {where} belong to a folder that is not on this machine",
        "{place} was probably a folder of the machine on which the experiment was made. Old files cannot be opened here, and new ones "
        "fail or land where nobody looks for them.",
        _OTHER_MACHINE_ADVICE,
        (fix_ids.NEW_EXPERIMENT, fix_ids.NEW_STORE, fix_ids.MAP_FOLDER),
    ),
    "unwritable": ProblemText(
        "Files cannot be written in {where}",
        "This account may not write to {place}. Runs log their numbers, then fail at the first file or model.",
        "Get the right to write there, or make a fresh experiment with a folder of your own.",
        (fix_ids.NEW_EXPERIMENT,),
    ),
    "trap": ProblemText(
        "Files of {where} go past the server, to the disk of whoever logs them",
        "Files belong at the folder {place}. The experiment was made on the bare database, so MLflow's client writes files to that path on "
        "its own machine, and the server and all colleagues look for them on theirs.",
        "Make a fresh experiment through the server and log there from now on.",
        (fix_ids.NEW_EXPERIMENT,),
    ),
    "package": ProblemText(
        "Files of {where} cannot be reached from here",
        "They belong at {place}, and the package that talks to {cloud} is not installed here.",
        "Install {package} beside MLflow, then check again.",
    ),
    "sign_in": ProblemText(
        "No sign-in was found for the files of {where}",
        "They belong at {place}. Neither the environment nor the usual files give credentials for {cloud}; a role of the machine may "
        "still do.",
        "Give the credentials of {cloud} to everything that logs or reads files.",
        level="notice",
    ),
    "odd": ProblemText(
        "Podium does not know where the files of {where} are",
        "{place} is no kind of place that it can judge. MLflow may reach it with a plugin.",
        "Log one small file there by hand to see.",
        level="notice",
    ),
}
