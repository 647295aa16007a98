"""Whether a line of a collected file can be sought where it must be, by what reading the file gave."""

from __future__ import annotations

from atom_pipeline.layout.model import FixedFormat, RecordRole, Version
from resources.ledger_records import FileRecord
from resources.runtime import PortfolioRuntime

_OF_ANOTHER_LENGTH = frozenset({"TAMANHO", "REGISTRO_DESCONHECIDO"})  # reasons that a line is refused for


def has_even_lines(runtime: PortfolioRuntime, file: FileRecord, version: Version) -> bool:
    """Whether every line of a file has the one length of its layout's records, by what reading it gave.

    No line had another length or was of no record type, and the lines that were read make up the file's size, header
    and trailer counted or not.
    """
    lengths = {record.length for record in version.records}
    loads = [one.load for one in runtime.ledger.loads(file.day, file.layout) if one.file.id == file.id]
    if not isinstance(version.format, FixedFormat) or len(lengths) != 1 or not loads:
        return False
    load, length = loads[0], lengths.pop() or 0
    if not _OF_ANOTHER_LENGTH.isdisjoint(load.refused_by_reason):
        return False
    ends = sum(record.role is not RecordRole.DETAIL for record in version.records)
    lines = range(load.rows_read, load.rows_read + ends + 1)
    return any(file.size + last == many * (length + width) for many in lines for width in (1, 2) for last in (0, width))
