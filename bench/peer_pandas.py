"""The file to typed Parquet with pandas: ``read_fwf`` as text, then a conversion per column, and pyarrow's writer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet

from atom_pipeline.layout.model import FieldType, Layout
from bench.values import Usual, usual


def read(source: Path, target: Path, layout: Layout, *, accents: bool) -> None:
    record = layout.versions[-1].records[0]
    spans = record.spans()
    frame = pd.read_fwf(
        source,
        colspecs=[(start, stop) for _, start, stop in spans],
        names=[field.name for field, _, _ in spans],
        header=None,
        dtype=str,
        keep_default_na=False,
        delimiter=" ",
        encoding="latin-1" if accents else "ascii",
    )
    arrays = [_value(usual(field), frame[field.name]) for field, _, _ in spans]
    table = pa.Table.from_arrays(arrays, names=list(frame.columns))
    parquet.write_table(table, target, compression="zstd", compression_level=1)


def _value(how: Usual, cells: pd.Series) -> pa.Array:
    field = how.field
    if how.sign == "trailing":
        size = cells.str.rstrip("+-")
        cells = size.where(~cells.str.endswith("-"), "-" + size)
    match field.type:
        case FieldType.INTEGER | FieldType.DECIMAL:
            numbers = pd.to_numeric(cells, errors="coerce").astype("Int64")
            whole = pa.array(numbers, type=pa.int64(), from_pandas=True)
            if field.type is FieldType.INTEGER:
                return whole
            values = np.asarray(numbers.fillna(0), dtype=np.int64)
            halves = np.stack([values, values >> 63], axis=1)
            valid = pa.array(numbers.notna()).buffers()[1]
            return pa.Array.from_buffers(
                pa.decimal128(18, field.decimals), len(values), [valid, pa.py_buffer(np.ascontiguousarray(halves))]
            )
        case FieldType.DATE:
            days = pd.to_datetime(cells, format=how.directive, errors="coerce")
            return pa.array(days.to_numpy().astype("datetime64[D]"), type=pa.date32(), from_pandas=True)
    if how.strip_zeros:
        cells = cells.str.lstrip("0")
    elif how.pad:
        cells = cells.str.lstrip("0").str.zfill(how.pad).where(cells != "", "")
    if how.is_document:
        cells = cells.where(~((cells.str.len() == 14) & cells.str.startswith("000")), cells.str[3:])
    return pa.array(cells.where(cells != ""), type=pa.string(), from_pandas=True)
