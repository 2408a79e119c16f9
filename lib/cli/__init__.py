"""The command line: lets a pipeline do what the pages do, with the same functions underneath (contract §4).

Exit 0 done · 1 refused or failed, one line on stderr · 2 usage · 3 findings. With `--json` stdout holds exactly one document.
Heavy modules are imported only when a command runs, so `--help` and usage errors respond at once.
"""

from typing import Any

import click

from lib.cli import demo, doctor, drift, keys, packet, recover, settle, verify
from lib.cli import import_history as import_history
from lib.cli import ledger_commands as ledger_commands
from lib.cli import query_commands as query_commands
from lib.cli import registry_commands as registry_commands
from lib.text import escape_unprintable


class PodiumGroup(click.Group):
    """All commands. Arguments may come from a store, so a usage error escapes them in the same way as the output of a command."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the selected command."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            error.message = escape_unprintable(error.message)  # type: ignore[misc]  # click declares it final and offers no other way
            raise


@click.group(cls=PodiumGroup, context_settings={"help_option_names": ["-h", "--help"]})
def podium() -> None:
    """Compare MLflow runs, promote the winner, and be able to say why."""


_READING_COMMANDS = (*query_commands.COMMANDS, *ledger_commands.COMMANDS, *verify.COMMANDS, *packet.COMMANDS)
for _command in (
    demo.demo,
    *_READING_COMMANDS,
    *registry_commands.COMMANDS,
    *drift.COMMANDS,
    *recover.COMMANDS,
    *settle.COMMANDS,
    *import_history.COMMANDS,
    *doctor.COMMANDS,
    *keys.COMMANDS,
):
    podium.add_command(_command)
