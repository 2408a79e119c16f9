"""The table of cures: what a finding may offer, how each is previewed, and how it is carried out and verified.

A cure is previewed from the state of this moment; carrying it out looks again and refuses when that state has changed.
"""

from lib.doctor.checks import deleted_items as deleted
from lib.doctor.checks import secrets as secrets_logged
from lib.doctor.checks import stale_runs as unfinished
from lib.doctor.fixes import map_folder as cure_mapped
from lib.doctor.fixes import migrate_file_store as filestore
from lib.doctor.fixes import new_experiment as cure_fresh
from lib.doctor.fixes import new_store as cure_local
from lib.doctor.fixes import set_tracking_uri as cure_shell
from lib.doctor.fixes import start_server as cure_server
from lib.doctor.fixes import upgrade_database as upgrade
from lib.doctor.types import Ask, Call, Cure, Done, Room, Told, Treatment
from lib.errors import Refused

TREATMENTS: tuple[Treatment, ...] = (
    *upgrade.TREATMENTS,
    *filestore.TREATMENTS,
    *unfinished.TREATMENTS,
    *deleted.TREATMENTS,
    *secrets_logged.TREATMENTS,
    *cure_fresh.TREATMENTS,
    *cure_server.TREATMENTS,
    *cure_shell.TREATMENTS,
    *cure_local.TREATMENTS,
    *cure_mapped.TREATMENTS,
)
SHARED = "This Podium is shared, so no cure starts a program or reaches a folder of its machine."
BY_ID = {one.id: one for one in TREATMENTS}


def treatment(call: Call) -> Treatment | None:
    """The treatment that a finding offers; None when this Podium has none of that id."""
    return BY_ID.get(call.cure)


def asks(room: Room, call: Call) -> tuple[Ask, ...]:
    """What a cure must be told before it can be previewed. Raises PodiumError when it cannot be carried out here."""
    return _known(room, call).asks(room, call)


def preview(room: Room, call: Call) -> Cure:
    """What a cure would change now. Changes nothing. Raises PodiumError when it cannot be carried out as it is asked for."""
    return _known(room, call).preview(room, call)


def carry_out(room: Room, call: Call, told: Told) -> Done:
    """Carry a cure out and verify it. Raises PodiumError when it did not work, Refused for one that only a person can carry out."""
    deed = _known(room, call).carry_out
    if deed is None:
        raise Refused("This cure is carried out in a shell, not by Podium.", next="Copy the line and run it there.")
    return deed(room, call, told)


def _known(room: Room, call: Call) -> Treatment:
    found = treatment(call)
    if found is None:
        raise Refused(f"There is no cure called {call.cure}.", next="Check again.")
    if room.shared and found.on_machine:
        raise Refused(SHARED, next="Its operator can do it with a Podium of their own on this backend.")
    return found
