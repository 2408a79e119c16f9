"""The command doctor: all checks on a backend, as text or JSON. Read-only; fixes are applied on the Doctor page."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from lib.cli.context import EXIT_FINDINGS, CommandContext, clock, command
from lib.cli.output import print_note

if TYPE_CHECKING:
    from lib.backends.capabilities import Capabilities
    from lib.doctor.types import Report


@command("doctor")
@click.option("--check", "only", multiple=True, metavar="ID", help="Run only this check. Can be repeated.")
@click.option("--markdown", is_flag=True, help="Print the complete report as Markdown.")
def doctor(context: CommandContext, only: tuple[str, ...], **options: Any) -> int:
    """Check the backend: what is wrong, what it means, and how to fix it. Exits with 3 if there are findings."""
    from lib.backends.capabilities import read_capabilities
    from lib.backends.capability_report import capability_document
    from lib.doctor.check_runner import CHECKS, no_progress, run_checks
    from lib.doctor.report import report_document, report_lines, report_markdown

    unknown_ids = [check_id for check_id in only if check_id not in {check.id for check in CHECKS}]
    if unknown_ids:
        raise click.BadParameter(
            f"{unknown_ids[0]!r} is not a check. Use one of {', '.join(check.id for check in CHECKS)}.", param_hint="--check"
        )
    backend = context.resolve_backend().backend
    selected_checks = [check for check in CHECKS if not only or check.is_prerequisite or check.id in only]
    progress: Callable[[str], None] = no_progress if context.as_json else _print_progress
    report = run_checks(backend, clock, progress, selected_checks)
    capabilities = None if only or report.blocking_check else read_capabilities(backend)
    lines = (
        report_markdown(report).split("\n")
        if options["markdown"]
        else [*report_lines(report), *_finding_lines(report), *_capability_lines(capabilities)]
    )
    document = {"capabilities": capability_document(capabilities) if capabilities else None}
    context.print_result(report_document(report) | document, lines)
    return EXIT_FINDINGS if report.problems_and_notices else 0


COMMANDS = (doctor,)


def _print_progress(text: str) -> None:
    if sys.stderr.isatty():
        print_note(text)


def _capability_lines(capabilities: "Capabilities | None") -> list[str]:
    """The capabilities of the backend, one per line; empty if they were not read."""
    from lib.backends.capability_report import capability_rows, connection_text

    if capabilities is None:
        return []
    lines = [
        f"  {row.label:<30} {' '.join(part for part in (row.value, row.explanation) if part)}"
        for row in capability_rows(capabilities)
    ]
    return ["", f"What this backend can do ({connection_text(capabilities)})", *lines]


def _finding_lines(report: "Report") -> list[str]:
    """What each finding means, and the fixes that the Doctor page offers for it."""
    from lib.doctor.fix_runner import find_fix

    lines = list[str]()
    for finding in report.problems_and_notices:
        titles = [fix.title for offer in finding.fix_offers if (fix := find_fix(offer))]
        lines += ["", finding.title, *(f"  {text}" for text in (finding.means, finding.next) if text)]
        lines += [f"  {'; '.join(' · '.join(row) for row in finding.evidence[:5])}"] if finding.evidence else []
        lines += [f"  Fix: {title}" for title in titles]
    return lines
