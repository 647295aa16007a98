"""How tables are written as Parquet: the lake's own, and the rows of a large file on their way there.

One way for both, so that a file written beside the lake may become one of its tables as it is. The same rows in the
same order give the same bytes.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import polars as pl

# Of a table that is read whole, and of a narrow one, which is sorted by contract and read for one of them over years of
# days, of each only the group that may hold it: movimentos, ignoradas, a wave's rows. Of a very wide one several groups
# are in memory at once where it is read or written as a stream.
_ROWS_PER_GROUP, _ROWS_PER_NARROW_GROUP, _ROWS_PER_WIDE_GROUP = 131_072, 16_384, 32_768
_NARROW, _WIDE = 8, 64  # columns, at most; at least
_OF_THE_DISK = re.compile(r"\(os error (\d+)\)")  # Polars speaks of a faulty Parquet file when the disk is full
# Groups of rows that Polars reads ahead. Left alone it holds more of a table of 280 columns at once, which is 2 GiB
# and takes longer: memory that is touched for the first time is slow.
os.environ.setdefault("POLARS_ROW_GROUP_PREFETCH_SIZE", "2")
COMPRESSION_LEVEL = 1  # of zstd: as small as level 3 on these tables, and quicker


def sink_table(rows: pl.LazyFrame, target: Path) -> None:
    """Write the rows; only some of them are in memory at a time. Raises OSError when the disk is full."""
    width = len(rows.collect_schema())
    per_group = _ROWS_PER_NARROW_GROUP if width <= _NARROW else _ROWS_PER_GROUP
    try:
        rows.sink_parquet(
            target,
            compression="zstd",
            compression_level=COMPRESSION_LEVEL,
            statistics=True,
            row_group_size=_ROWS_PER_WIDE_GROUP if width >= _WIDE else per_group,
            maintain_order=True,
            engine="streaming",
        )
    except pl.exceptions.ComputeError as error:
        found = _OF_THE_DISK.search(str(error))
        if found is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1])), str(target)) from None


def height(path: Path) -> int:
    """Rows of a Parquet file, as its end says."""
    return int(pl.scan_parquet(path, glob=False, hive_partitioning=False).select(pl.len()).collect().item())
