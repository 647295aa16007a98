"""read(write(x)) is x, and write(read(y)) is y, for lots, rows of several lines, numbered lines and many types."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atom_pipeline.layout.document import load_layout
from atom_pipeline.layout.model import FieldType, Layout, RecordRole
from atom_pipeline.layout.records import records_from_csv, records_to_csv
from atom_pipeline.layout.render import parse_default
from tests.layout.composed_layouts import lots, numbered, of_many_types
from tests.layout.small_layouts import DAY, read, written
from tests.layout.test_round_trip import rows_of

PORTFOLIOS = Path(__file__).parents[1] / "portfolios"


@st.composite
def rows(draw: st.DrawFn, layout: Layout) -> dict[str, pl.DataFrame]:
    """Rows of every kind, what a header says once the same in all of them, those of one lot together."""
    version = layout.version_on(DAY)
    frames: dict[str, pl.DataFrame] = {}
    for record in version.details:
        frame = draw(rows_of(record, layout, version.format))
        for giver in (version.header, version.of_role(RecordRole.LOT_HEADER)):
            for name in giver.gives if giver else ():
                once = giver is version.header or len(version.details) > 1
                frame = frame.with_columns(pl.col(name).first()) if once else frame.sort(name, maintain_order=True)
        # in CSV records a column without any value is left out, and so gets its default
        usual = {field.name: parse_default(field) for one in version.records for field in one.fields if field.default}
        frame = frame.with_columns(
            pl.col(name).fill_null(value) for name, value in usual.items() if name in frame.columns
        )
        frames[record.name] = frame
    first = frames[version.details[0].name]
    for giver in (version.header, version.of_role(RecordRole.LOT_HEADER)):
        for name in giver.gives if giver and len(frames) > 1 else ():
            frames = {key: frame.with_columns(pl.lit(first[name][0]).alias(name)) for key, frame in frames.items()}
    return frames


def both_ways(layout: Layout, frames: dict[str, pl.DataFrame]) -> None:
    version = layout.version_on(DAY)
    ours = [field for field in version.header.fields if field.required] if version.header else []
    by_rows = version.header.gives if version.header else ()
    header = {field.name: "400" for field in ours if field.type is FieldType.TEXT and field.name not in by_rows}
    content = written(layout, frames, header=header)
    reading = read(layout, content)
    assert reading.rejects.drop("original").rows() == []
    for record in version.details:
        mine = [field.name for field in record.fields if field.name not in record.self_written]
        mine = [name for name in mine if record.by_name[name].sequence is None]
        assert reading.frames[record.name].select(mine).equals(frames[record.name].select(mine))
    ends = {"header": reading.header, "trailer": reading.trailer, "lots": reading.lots}
    assert written(layout, reading.frames, **ends) == content
    out = io.BytesIO()
    records_to_csv(layout, reading, out, day=DAY)
    out.seek(0)
    assert written(layout, records_from_csv(layout, out, day=DAY)) == content
    parted = read(layout, content, block_bytes=50)
    assert parted.frame().equals(reading.frame())


@pytest.mark.parametrize(
    "layout",
    [lots(), lots("none"), numbered(), numbered("none"), of_many_types(), of_many_types(header=True)],
    ids=["lots", "lots without breaks", "numbered", "numbered without breaks", "delimited", "delimited with titles"],
)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_files_of_many_lines_a_row_go_both_ways(layout: Layout, data: st.DataObject) -> None:
    both_ways(layout, data.draw(rows(layout)))


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(PORTFOLIOS.glob("*/*.yaml")) if path.name != "portfolio.yaml"],
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_layout_of_the_other_portfolios_goes_both_ways(path: Path, data: st.DataObject) -> None:
    layout = load_layout(path)
    both_ways(layout, data.draw(rows(layout)))
