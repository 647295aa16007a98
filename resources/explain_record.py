"""The record that an event names: its line of the archived file, with the fields of the layout in force on its day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from atom_pipeline.errors import FileRefused
from atom_pipeline.layout.one_record import Cell, read_record
from atom_pipeline.retention import Part
from atom_pipeline.why.life import Event
from resources.even_lines import even_lines
from resources.ledger_records import FileRecord
from resources.retention import was_pruned
from resources.runtime import PortfolioRuntime


@dataclass(frozen=True)
class NamedRecord:
    """A line of a collected file. ``cells`` are those that hold something; ``fault`` says why there are none."""

    file: str
    line: int
    layout: str
    record: str
    cells: list[Cell]
    fault: str | None = None


def record_of(runtime: PortfolioRuntime, event: Event) -> NamedRecord | None:
    """The record of an event; None when it names no line of a collected file."""
    if event.arquivo is None or event.linha is None:
        return None
    day = event.until or event.dia
    file = _file(runtime, event.arquivo, day)
    if file is None:
        return None
    path = runtime.archived(file)
    layout = runtime.catalogue.layouts.get(file.layout)
    fault, found = None, None
    if layout is None:
        fault = f"the layout {file.layout} is no longer known"
    elif not path.is_file():
        gone = was_pruned(runtime, Part.ARCHIVE, day)
        fault = "the file is no longer kept" if gone else "the archive has lost the file: see `atom verify`"
    else:
        try:
            even = even_lines(runtime, file, layout.version_on(file.day))
            found = read_record(layout, path, event.linha, name=file.name, day=file.day, excel=file.excel, even=even)
        except FileRefused as refused:
            fault = str(refused)
        if found is None and fault is None:
            fault = "the line is no record of its layout"
    record, cells = found or ("", [])
    return NamedRecord(
        file.name, event.linha, file.layout, record, [cell for cell in cells if _says_something(cell)], fault
    )


def _says_something(cell: Cell) -> bool:
    """Not for a field of blanks, nor one of zeros that is read as nothing."""
    return bool(cell.raw) and (cell.value is not None or cell.raw.strip("0") != "")


def _file(runtime: PortfolioRuntime, name: str, day: date) -> FileRecord | None:
    """The version of a file that the day was made from; without a record of it, the newest one of the day."""
    versions = [file for file in runtime.ledger.versions(name) if file.day == day]
    if not versions and name:
        versions = runtime.ledger.versions(name)
    if len(versions) > 1 and runtime.lake.exists("cargas", day):
        read = runtime.lake.scan("cargas", day).filter(pl.col("arquivo") == name).select("sha256").collect()
        versions = [file for file in versions if file.sha256 in set(read["sha256"])] or versions
    return versions[0] if versions else None
