"""The command doctor: all checks on a backend, told in lines or as JSON. It changes nothing; cures are carried out on the Doctor page."""

import sys
from collections.abc import Callable
from typing import Any

import click

from lib.cli.context import EXIT_FINDINGS, CommandContext, clock, command


@command("doctor")
@click.option("--check", "only", multiple=True, metavar="ID", help="Only this check; may be given several times.")
@click.option("--markdown", is_flag=True, help="Print the whole report in Markdown.")
def doctor(context: CommandContext, only: tuple[str, ...], **more: Any) -> int:
    """Check the backend and say what is wrong, what it means, and which cures there are. Exit 3 when something needs a look."""
    from lib.backends import capability_report as abilities
    from lib.backends.capabilities import read_capabilities
    from lib.doctor import report as told
    from lib.doctor.check_runner import CHECKS, no_progress, run_checks

    unknown = [one for one in only if one not in {check.id for check in CHECKS}]
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(check.id for check in CHECKS)}.", param_hint="--check")
    here = context.resolve_backend()
    chosen = [check for check in CHECKS if not only or check.is_prerequisite or check.id in only]
    listener: Callable[[str], None] = no_progress if context.as_json else _say
    report = run_checks(here, clock, listener, chosen)
    can = None if only or report.blocking_check else read_capabilities(here)
    lines = (
        [told.report_markdown(report)]
        if more["markdown"]
        else [*told.report_lines(report), *_explained(report), *_abilities(can)]
    )
    context.print_result(
        told.report_document(report) | {"capabilities": abilities.capability_document(can) if can else None}, lines
    )
    return EXIT_FINDINGS if report.problems_and_notices else 0


COMMANDS = (doctor,)


def _say(what: str) -> None:
    if sys.stderr.isatty():
        click.echo(what, err=True)


def _abilities(can: Any) -> list[str]:
    """What the backend can do, line by line; nothing when it was not asked."""
    from lib.backends.capability_report import capability_rows, connection_text

    if can is None:
        return []
    told = [
        f"  {one.label:<30} {' '.join(part for part in (one.value, one.explanation) if part)}" for one in capability_rows(can)
    ]
    return ["", f"What this backend can do ({connection_text(can)})", *told]


def _explained(report: Any) -> list[str]:
    """What each finding means and which cures the Doctor page has for it."""
    from lib.doctor.fix_runner import find_fix

    said = list[str]()
    for one in report.ill:
        cures = [known.title for call in one.cures if (known := find_fix(call))]
        said += ["", one.title, *(f"  {text}" for text in (one.means, one.next) if text)]
        said += [f"  {'; '.join(' · '.join(row) for row in one.evidence[:5])}"] if one.evidence else []
        said += [f"  Cure: {title}" for title in cures]
    return said
