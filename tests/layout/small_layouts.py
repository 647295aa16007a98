"""Layouts made in Python for the tests of reading and writing, and the two calls that those tests make."""

from __future__ import annotations

import io
from datetime import date
from typing import Any

import polars as pl

from atom_pipeline.layout.model import Layout
from atom_pipeline.layout.reading import Reading, read_file
from atom_pipeline.layout.writing import Records, write_file

DAY = date(2026, 11, 23)


def layout_of(shape: dict[str, Any], records: list[dict[str, Any]], **facts: Any) -> Layout:
    document = {
        "layout": "pequeno",
        "title": "Pequeno",
        "description": "de teste",
        "stage": "remessa",
        "names": ["pequeno_<AAAAMMDD>.txt"],
        "versions": [{"format": shape, "records": records}],
    }
    return Layout.model_validate(document | facts)


def fixed(*fields: dict[str, Any], encoding: str = "latin-1", newline: str = "any", **facts: Any) -> Layout:
    """A fixed-width layout of one record type, named ``linha_unica``."""
    length = sum(field["width"] for field in fields)
    record = {"name": "linha_unica", "length": length, "fields": list(fields)}
    return layout_of({"kind": "fixed", "encoding": encoding, "newline": newline}, [record], **facts)


def delimited(*fields: dict[str, Any], **facts: Any) -> Layout:
    """A delimited layout of one record type, named ``linha_unica``; facts of the format are among ``facts``."""
    shape: dict[str, Any] = {"kind": "delimited"}
    for key in ("encoding", "newline", "delimiter", "quote", "header", "formulas"):
        if key in facts:
            shape[key] = facts.pop(key)
    return layout_of(shape, [{"name": "linha_unica", "fields": list(fields)}], **facts)


def with_ends(*, count: tuple[str, ...] = ("d",), sum_of: str | None = None, **facts: Any) -> Layout:
    """Header (0), details ``d`` (1) with a value of 5 bytes, trailer (9) with a total of 7 bytes."""
    total = {"field": "total", "sum_of": sum_of} if sum_of else {"field": "total", "count": count}
    kind = {"name": "tipo", "width": 1}
    value = {"name": "valor", "width": 5, "type": "decimal", "decimals": 2}
    total_type = {"type": "decimal", "decimals": 2} if sum_of else {"type": "integer"}
    records = [
        {
            "name": "inicio",
            "role": "header",
            "length": 9,
            "match": {"field": "tipo", "equals": "0"},
            "fields": [kind, {"name": "dia", "width": 8, "type": "date", "format": "AAAAMMDD", "required": True}],
        },
        {"name": "d", "length": 6, "match": {"field": "tipo", "equals": "1"}, "fields": [kind, value]},
        {
            "name": "fim",
            "role": "trailer",
            "length": 8,
            "match": {"field": "tipo", "equals": "9"},
            "totals": [total],
            "fields": [kind, {"name": "total", "width": 7, **total_type}],
        },
    ]
    return layout_of({"kind": "fixed"}, records, **facts)


def read(layout: Layout, content: bytes, **options: Any) -> Reading:
    return read_file(layout, io.BytesIO(content), name="arquivo", day=DAY, **options)


def column(layout: Layout, content: bytes, name: str) -> list[Any]:
    """The accepted values of one field."""
    return read(layout, content).frame()[name].to_list()


def reasons(reading: Reading) -> list[tuple[int, str | None, str]]:
    """Line, field and reason of each refused line."""
    return reading.rejects.select("linha", "campo", "motivo").rows()


def written(layout: Layout, records: Records, **ends: Any) -> bytes:
    target = io.BytesIO()
    write_file(layout, records, target, day=DAY, **ends)
    return target.getvalue()


def values(reading: Reading, record: str = "linha_unica") -> pl.DataFrame:
    """The accepted rows without the columns that say where they came from."""
    return reading.frames[record].drop("linha", "registro")
