"""The third way out: the tracking address in the environment, as a line for each shell. A person runs it; Podium changes nothing."""

import re

from lib.backends import local_server
from lib.backends.backend import parse_backend
from lib.doctor import fix_ids
from lib.doctor.types import Fix, FixContext, FixInput, FixOffer, FixPreview, Snippet
from lib.errors import BadInput

TRACKING_URI_VARIABLE = "MLFLOW_TRACKING_URI"
_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9.:/_~\[\]-]+")


def inputs(context: FixContext, _: FixOffer) -> tuple[FixInput, ...]:
    """The address: of the server that Podium started, else MLflow's usual one."""
    server = local_server.find_server(context.backend)
    address = server.backend.uri if server else f"http://{local_server.HOST}:{local_server.DEFAULT_PORT}"
    return (FixInput("address", "Address of the server", address, "The server on which these experiments were made."),)


def preview(context: FixContext, offer: FixOffer) -> FixPreview:
    """The lines for the shells. Raises BadInput for an address that is none, or has marks that a shell reads."""
    address = parse_backend(offer["address"] or inputs(context, offer)[0].default, context.podium_home)
    if address.kind != "server" or not _PLAIN_URL.fullmatch(address.uri):
        raise BadInput(f"{address.uri} is no plain address of a server.", next="Type it as http://host:5000, without a password.")
    return FixPreview(
        title=f"Set {TRACKING_URI_VARIABLE}?",
        changes=(
            "Copy the line for your shell and run it there, before the script. Podium itself changes nothing.",
            "It holds for that shell and what is started from it, until the shell is closed.",
            "A script that calls mlflow.set_tracking_uri overrides it.",
        ),
        snippets=_shell_snippets(address.uri),
        undo="Close the shell.",
    )


def _shell_snippets(address: str) -> tuple[Snippet, ...]:
    """One line for each kind of shell."""
    return (
        Snippet(f"export {TRACKING_URI_VARIABLE}='{address}'", "bash", "POSIX (bash, zsh, sh)"),
        Snippet(f"$env:{TRACKING_URI_VARIABLE} = '{address}'", "powershell", "PowerShell"),
        Snippet(f'set "{TRACKING_URI_VARIABLE}={address}"', "batch", "cmd"),
    )


FIXES = (
    Fix(
        fix_ids.SET_TRACKING_URI,
        f"Set {TRACKING_URI_VARIABLE} to the server that made it",
        "For a shell: POSIX, PowerShell or cmd form.",
        preview,
        inputs=inputs,
    ),
)
