"""Where the lines of a collected file must be, by what reading the file gave."""

from __future__ import annotations

import polars as pl

from atom_pipeline.layout.lines import EvenLines
from atom_pipeline.layout.model import FixedFormat, RecordRole, Version
from resources.lake import TableMissing
from resources.ledger_records import FileRecord
from resources.runtime import PortfolioRuntime


def even_lines(runtime: PortfolioRuntime, file: FileRecord, version: Version) -> EvenLines | None:
    """What is known of a file whose layout's records have one length: every line that was accepted has it.

    Lines that were refused may have another. None where nothing is known: the file was not read, or what was refused is
    no longer kept, or is that of another version of the file.
    """
    lengths = {record.length for record in version.records}
    loads = [one.load for one in runtime.ledger.loads(file.day, file.layout) if one.file.id == file.id]
    if not isinstance(version.format, FixedFormat) or len(lengths) != 1 or not loads:
        return None
    [load] = loads
    refused: list[int] = []
    if load.rows_refused:
        mine = (pl.col("layout") == file.layout) & (pl.col("arquivo") == file.name)
        try:
            lines = runtime.lake.scan("recusadas", file.day).filter(mine).select("linha").collect()["linha"]
        except TableMissing:
            return None
        refused = lines.drop_nulls().to_list()
    if len(refused) != load.rows_refused:
        return None
    ends = sum(record.role is not RecordRole.DETAIL for record in version.records)
    return EvenLines(frozenset(refused), load.rows_read + ends)
