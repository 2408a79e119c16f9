"""Third option: the tracking address as an environment variable, with a command per shell. The user runs it; Podium changes nothing."""

import re

from lib.backends import local_server
from lib.backends.backend import parse_backend
from lib.doctor import fix_ids
from lib.doctor.types import Fix, FixContext, FixInput, FixOffer, FixPreview, Snippet
from lib.errors import BadInput

TRACKING_URI_VARIABLE = "MLFLOW_TRACKING_URI"
_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9.:/_~\[\]-]+")


def inputs(context: FixContext, _: FixOffer) -> tuple[FixInput, ...]:
    """Ask for the address, by default that of the server started by Podium, else MLflow's default."""
    server = local_server.find_server(context.backend)
    address = server.backend.uri if server else f"http://{local_server.HOST}:{local_server.DEFAULT_PORT}"
    return (FixInput("address", "Server address", address, "The server on which these experiments were created."),)


def preview(context: FixContext, offer: FixOffer) -> FixPreview:
    """Return the shell commands. Raises BadInput if the address is invalid or contains characters special to a shell."""
    address = parse_backend(offer["address"] or inputs(context, offer)[0].default, context.podium_home)
    if address.kind != "server" or not _PLAIN_URL.fullmatch(address.uri):
        raise BadInput(f"{address.uri} is not a plain server address.", next="Enter it as http://host:5000, without a password.")
    return FixPreview(
        title=f"Set {TRACKING_URI_VARIABLE}?",
        changes=(
            "Copy the command for your shell and run it there before the script. Podium itself changes nothing.",
            "It applies to that shell and programs started from it until the shell is closed.",
            "A script that calls mlflow.set_tracking_uri overrides it.",
        ),
        snippets=_shell_snippets(address.uri),
        undo="Close the shell.",
    )


def _shell_snippets(address: str) -> tuple[Snippet, ...]:
    """Return one command per kind of shell."""
    return (
        Snippet(f"export {TRACKING_URI_VARIABLE}='{address}'", "bash", "POSIX (bash, zsh, sh)"),
        Snippet(f"$env:{TRACKING_URI_VARIABLE} = '{address}'", "powershell", "PowerShell"),
        Snippet(f'set "{TRACKING_URI_VARIABLE}={address}"', "batch", "cmd"),
    )


FIXES = (
    Fix(
        fix_ids.SET_TRACKING_URI,
        f"Set {TRACKING_URI_VARIABLE} to the server that created it",
        "Shell command for POSIX, PowerShell or cmd.",
        preview,
        inputs=inputs,
    ),
)
