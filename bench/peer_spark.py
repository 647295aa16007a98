"""The file to typed Parquet with PySpark in local mode: a CSV of one column, ``substring``, casts. It needs Java."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from atom_pipeline.layout.model import FieldType, Layout
from bench.values import Usual, usual

_DIRECTIVES = {"%Y": "yyyy", "%m": "MM", "%d": "dd"}


def session() -> SparkSession:
    """A session on all processors; started before the clock is."""
    spark = (
        SparkSession.builder.master("local[*]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.ansi.enabled", "false")
        .config("spark.sql.parquet.compression.codec", "zstd")
        .config("spark.driver.memory", "4g")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def read(source: Path, target: Path, layout: Layout, *, accents: bool) -> None:
    """A CSV's reader decodes latin-1, which Spark's text reader does not."""
    record = layout.versions[-1].records[0]
    lines = (
        session()
        .read.option("sep", "\x01")
        .option("quote", "")
        .option("encoding", "ISO-8859-1" if accents else "UTF-8")
        .option("maxCharsPerColumn", "-1")
        .option("ignoreLeadingWhiteSpace", "false")
        .schema("line string")
        .csv(str(source))
    )
    columns = [
        _value(usual(field), F.trim(F.substring("line", start + 1, stop - start))).alias(field.name)
        for field, start, stop in record.spans()
    ]
    lines.select(*columns).write.mode("overwrite").parquet(str(target))


def _value(how: Usual, cell: Column) -> Column:
    field = how.field
    if how.sign == "trailing":
        size = F.rtrim(cell, F.lit("+-"))
        cell = F.when(F.endswith(cell, F.lit("-")), F.concat(F.lit("-"), size)).otherwise(size)
    match field.type:
        case FieldType.INTEGER:
            return cell.cast("bigint")
        case FieldType.DECIMAL:
            return (cell.cast("decimal(18,0)") * F.expr(f"1e-{field.decimals}BD")).cast(f"decimal(18,{field.decimals})")
        case FieldType.DATE:
            spelt = how.directive
            for directive, letters in _DIRECTIVES.items():
                spelt = spelt.replace(directive, letters)
            return F.to_date(cell, spelt)
    if how.strip_zeros:
        cell = F.ltrim(cell, F.lit("0"))
    elif how.pad:
        cell = F.when(cell != "", F.lpad(F.ltrim(cell, F.lit("0")), how.pad, "0")).otherwise("")
    if how.is_document:
        padded = (F.length(cell) == 14) & F.startswith(cell, F.lit("000"))
        cell = F.when(padded, F.substring(cell, 4, 11)).otherwise(cell)
    return F.when(cell != "", cell)
