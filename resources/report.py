"""The day's report as a file: ``$ATOM_HOME/relatorios[/prefix]/<day>.html``, written whole or left as it was.

It lies beside the lake, not in it: it tells when files came and waves went, so it is no function of the day's files
alone. It holds no personal data, is made again by `atom report DAY`, and is never pruned.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from atom_pipeline.report.findings import Finding, findings
from atom_pipeline.report.page import report_page, summary
from atom_pipeline.scratch import unfinished_name
from resources.durable import hash_file, sync_file, sync_folder
from resources.report_facts import report_facts
from resources.runtime import PortfolioRuntime

FOLDER = "relatorios"
MOST_ATTACHED = 4 * 1024 * 1024  # bytes; a mail server refuses more


@dataclass(frozen=True)
class WrittenReport:
    """``summary`` is Markdown, for the UI."""

    path: Path
    sha256: str
    size: int
    findings: tuple[Finding, ...]
    summary: str


def report_path(runtime: PortfolioRuntime, day: date) -> Path:
    """Where the report of a day lies, written or not."""
    return runtime.settings.home.joinpath(FOLDER, runtime.portfolio.prefix or "", f"{day:%Y-%m-%d}.html")


def attached_reports(runtime: PortfolioRuntime, days: Iterable[date]) -> tuple[tuple[str, bytes], ...]:
    """The report of the newest of these days that has one, as name and content, for the e-mail of their alarms."""
    for day in sorted(set(days), reverse=True):
        path = report_path(runtime, day)
        if path.is_file() and path.stat().st_size <= MOST_ATTACHED:
            return ((f"relatorio_{runtime.name}_{day:%Y-%m-%d}.html", path.read_bytes()),)
    return ()


def write_report(runtime: PortfolioRuntime, day: date, target: Path | None = None) -> WrittenReport:
    """Make a day's report and write it, in its place or to ``target``. Equal facts give equal bytes."""
    facts = report_facts(runtime, day)
    found = findings(facts, runtime.portfolio.report)
    path = target or report_path(runtime, day)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / unfinished_name()
    try:
        temporary.write_text(report_page(facts, found), encoding="utf-8")
        sync_file(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
    return WrittenReport(path, hash_file(path), path.stat().st_size, tuple(found), summary(facts, found))
