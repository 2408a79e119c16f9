"""A report as text: short lines for a colleague or a shell, Markdown and JSON for a file. Holds no secret. Pure."""

import re
from collections.abc import Sequence
from datetime import UTC
from typing import Any

from lib.doctor.types import Finding, FixResult, Level, Report

LEVEL_LABELS: dict[Level, str] = {"problem": "BROKEN", "notice": "WARNING", "fine": "ok", "skipped": "skipped"}
_MARKS = re.compile(r"([\\`*_{}\[\]<>|#])")


def report_lines(report: Report) -> tuple[str, ...]:
    """One line for each thing that needs a look, and how many checks found nothing."""
    asked = dict.fromkeys(one.check_id for one in report.findings)
    fine = len(asked) - len({one.check_id for one in report.findings if one.level != "fine"})
    return (
        f"podium doctor  {report.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        f"backend   {report.backend.kind}, {report.backend.label}, MLflow {report.mlflow_version}",
        *(f"{LEVEL_LABELS[one.level]:<9} {one.title}" for one in report.problems_and_notices),
        f"{LEVEL_LABELS['fine']:<9} {fine} of {len(asked)} checks",
    )


def report_markdown(report: Report, fix_results: Sequence[FixResult] = ()) -> str:
    """The whole report: what needs a look with its evidence, what was cured, all checks."""
    place = f"{_md(report.backend.name)} ({_md(report.backend.label)})"
    parts = [
        "# Doctor's report",
        f"{place}, {report.at.astimezone(UTC):%d %b %Y, %H:%M} UTC, MLflow {_md(report.mlflow_version)}. Took {report.seconds:.1f} s.",
        *(_section(one) for one in report.problems_and_notices),
        *(f"## Cured: {_md(one.title)}\n\n{_table(('', ''), one.evidence)}" for one in fix_results),
        "## All checks",
        _table(("Check", "Result", ""), [(LEVEL_LABELS[one.level], one.title, one.summary) for one in report.findings]),
    ]
    return "\n\n".join(parts) + "\n"


def report_document(report: Report, fix_results: Sequence[FixResult] = ()) -> dict[str, Any]:
    """The same for programs."""
    return {
        "backend": {"kind": report.backend.kind, "uri": report.backend.uri, "mlflow": report.mlflow_version},
        "at": f"{report.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{report.at.microsecond // 1000:03d}Z",
        "seconds": round(report.seconds, 3),
        "findings": [_finding(one) for one in report.findings],
        "cured": [{"title": one.title, "evidence": [list(row) for row in one.evidence]} for one in fix_results],
    }


def _finding(one: Finding) -> dict[str, Any]:
    return {
        "check": one.check_id,
        "level": one.level,
        "title": one.title,
        "short": one.summary,
        "evidence": [_row(one.columns, row) for row in one.evidence],
        "means": one.means,
        "next": one.next,
        "cures": [{"cure": call.fix_id, "given": dict(call.arguments)} for call in one.fix_offers],
    }


def _row(columns: tuple[str, ...], row: tuple[str, ...]) -> dict[str, str] | list[str]:
    named = len(columns) == len(row) and all(columns) and len(set(columns)) == len(columns)
    return dict(zip(columns, row, strict=True)) if named else list(row)


def _section(one: Finding) -> str:
    parts = [f"## {LEVEL_LABELS[one.level]}: {_md(one.title)}", _md(one.means)]
    if one.evidence:
        parts.append(_table(one.columns or ("",) * len(one.evidence[0]), one.evidence))
    return "\n\n".join(part for part in (*parts, _md(one.next)) if part)


def _table(columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> str:
    head = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join([*head, *(f"| {' | '.join(map(_md, row))} |" for row in rows)])


def _md(text: str) -> str:
    """Foreign text in a file of Markdown: one line, no marks."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))
