"""The third way out: the tracking address in the environment, as a line for each shell. A person runs it; Podium changes nothing."""

import re

from lib.backends import local_server as server
from lib.backends.backend import parse
from lib.doctor.artifacts.problem_texts import SHELL
from lib.doctor.types import Ask, Call, Cure, Room, Snippet, Treatment
from lib.errors import BadInput

NAME = "MLFLOW_TRACKING_URI"
_PLAIN = re.compile(r"https?://[A-Za-z0-9.:/_~\[\]-]+")


def asks(room: Room, _: Call) -> tuple[Ask, ...]:
    """The address: of the server that Podium started, else MLflow's usual one."""
    served = server.on(room.backend)
    address = served.backend.uri if served else f"http://{server.HOST}:{server.USUAL_PORT}"
    return (Ask("address", "Address of the server", address, "The server on which these experiments were made."),)


def preview(room: Room, call: Call) -> Cure:
    """The lines for the shells. Raises BadInput for an address that is none, or has marks that a shell reads."""
    address = parse(call["address"] or asks(room, call)[0].default, room.home)
    if address.kind != "server" or not _PLAIN.fullmatch(address.uri):
        raise BadInput(f"{address.uri} is no plain address of a server.", next="Type it as http://host:5000, without a password.")
    return Cure(
        title=f"Set {NAME}?",
        changes=(
            "Copy the line for your shell and run it there, before the script. Podium itself changes nothing.",
            "It holds for that shell and what is started from it, until the shell is closed.",
            "A script that calls mlflow.set_tracking_uri overrides it.",
        ),
        code=lines(address.uri),
        undo="Close the shell.",
    )


def lines(address: str) -> tuple[Snippet, ...]:
    """One line for each kind of shell."""
    return (
        Snippet(f"export {NAME}='{address}'", "bash", "POSIX (bash, zsh, sh)"),
        Snippet(f"$env:{NAME} = '{address}'", "powershell", "PowerShell"),
        Snippet(f'set "{NAME}={address}"', "batch", "cmd"),
    )


TREATMENTS = (
    Treatment(
        SHELL,
        f"Set {NAME} to the server that made it",
        "For a shell: POSIX, PowerShell or cmd form.",
        preview,
        asks=asks,
    ),
)
