"""Renders a report without secrets: short lines for a colleague or shell, Markdown and JSON for files; formats evidence. Pure."""

import re
from collections.abc import Sequence
from datetime import UTC
from typing import Any

from lib.doctor.secret_detection import mask_secrets
from lib.doctor.types import Finding, FixResult, Level, Report, Rows
from lib.runs.table.types import RunTable
from lib.text import escape_unprintable

LEVEL_LABELS: dict[Level, str] = {"problem": "BROKEN", "notice": "WARNING", "fine": "ok", "skipped": "skipped"}
_MARKDOWN_MARKS = re.compile(r"([\\`*_{}\[\]<>|#])")


def report_lines(report: Report) -> tuple[str, ...]:
    """Return one line per problem or notice, and the number of passed checks."""
    check_ids = dict.fromkeys(finding.check_id for finding in report.findings)
    fine_count = len(check_ids) - len({finding.check_id for finding in report.findings if finding.level != "fine"})
    return (
        f"podium doctor  {report.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        f"backend   {report.backend.kind}, {report.backend.label}, MLflow {report.mlflow_version}",
        *(f"{LEVEL_LABELS[finding.level]:<9} {escape_unprintable(finding.title)}" for finding in report.problems_and_notices),
        f"{LEVEL_LABELS['fine']:<9} {fine_count} of {len(check_ids)} checks",
    )


def report_markdown(report: Report, fix_results: Sequence[FixResult] = ()) -> str:
    """Return the complete report in Markdown: findings with evidence, applied fixes, all checks."""
    backend_text = f"{_escape_markdown(report.backend.name)} ({_escape_markdown(report.backend.label)})"
    parts = [
        "# Doctor report",
        f"{backend_text}, {report.at.astimezone(UTC):%d %b %Y, %H:%M} UTC, MLflow {_escape_markdown(report.mlflow_version)}. Took {report.seconds:.1f} s.",
        *(_finding_section(finding) for finding in report.problems_and_notices),
        *(
            f"## Fixed: {_escape_markdown(result.title)}\n\n{_markdown_table(('', ''), result.evidence)}"
            for result in fix_results
        ),
        "## All checks",
        _markdown_table(
            ("Check", "Result", ""),
            [(LEVEL_LABELS[finding.level], finding.title, finding.summary) for finding in report.findings],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def report_document(report: Report, fix_results: Sequence[FixResult] = ()) -> dict[str, Any]:
    """Return the report as a JSON document."""
    return {
        "backend": {"kind": report.backend.kind, "uri": report.backend.uri, "mlflow": report.mlflow_version},
        "at": f"{report.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{report.at.microsecond // 1000:03d}Z",
        "seconds": round(report.seconds, 3),
        "findings": [_finding_document(finding) for finding in report.findings],
        "cured": [{"title": result.title, "evidence": [list(row) for row in result.evidence]} for result in fix_results],
    }


def _finding_document(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check_id,
        "level": finding.level,
        "title": finding.title,
        "short": finding.summary,
        "evidence": [_evidence_row(finding.columns, row) for row in finding.evidence],
        "means": finding.means,
        "next": finding.next,
        "cures": [{"cure": offer.fix_id, "given": dict(offer.arguments)} for offer in finding.fix_offers],
    }


def _evidence_row(columns: tuple[str, ...], row: tuple[str, ...]) -> dict[str, str] | list[str]:
    has_column_names = len(columns) == len(row) and all(columns) and len(set(columns)) == len(columns)
    return dict(zip(columns, row, strict=True)) if has_column_names else list(row)


def _finding_section(finding: Finding) -> str:
    parts = [f"## {LEVEL_LABELS[finding.level]}: {_escape_markdown(finding.title)}", _escape_markdown(finding.means)]
    if finding.evidence:
        parts.append(_markdown_table(finding.columns or ("",) * len(finding.evidence[0]), finding.evidence))
    return "\n\n".join(part for part in (*parts, _escape_markdown(finding.next)) if part)


def _markdown_table(columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> str:
    head = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join([*head, *(f"| {' | '.join(map(_escape_markdown, row))} |" for row in rows)])


def _escape_markdown(text: str) -> str:
    """Escape foreign text for Markdown as a single line."""
    return _MARKDOWN_MARKS.sub(r"\\\1", " ".join(text.split()))


MAX_ROWS = 50


def evidence_rows(rows: Sequence[tuple[str, ...]], max_rows: int = MAX_ROWS) -> Rows:
    """Return the first rows of evidence and a final row counting the rest, with secrets masked."""
    head = tuple(tuple(mask_secrets(cell) for cell in row) for row in rows[:max_rows])
    if len(rows) <= max_rows:
        return head
    return (*head, (f"and {len(rows) - max_rows:,} more", *("" for _ in rows[0][1:])))


def run_label(table: RunTable, run_id: str) -> str:
    """Return a run's display label: its name and shortened id, with secrets masked."""
    return format_run_label(str(table.identity.at[run_id, "name"] or ""), run_id)


def format_run_label(name: str, run_id: str) -> str:
    """Return the name, with secrets masked, and the shortened id; the id alone for an unnamed run."""
    return f"{mask_secrets(name)} ({run_id[:8]})" if name else run_id[:8]
