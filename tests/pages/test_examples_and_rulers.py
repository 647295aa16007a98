"""What stands on a layout's page: examples that the layout itself reads back, fields where they stand, changes."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atom_pipeline.layout.catalogue import load_catalogue
from atom_pipeline.layout.model import Field, Layout, Record
from atom_pipeline.layout.reading import read_file
from atom_pipeline.pages import pages, words
from atom_pipeline.pages.example import ADDRESS, COMPANY, PERSON, STREET, Examples
from atom_pipeline.pages.ruler import FOLD, NAME_WIDTH, Row, delimited_rows, fixed_rows

ROOT = Path(__file__).resolve().parents[2]
CATALOGUES = [
    load_catalogue(ROOT / "layouts" / "banco_pan_veiculos"),
    *(load_catalogue(path.parent) for path in sorted(ROOT.glob("tests/portfolios/*/portfolio.yaml"))),
]
EVERY = [(catalogue, layout) for catalogue in CATALOGUES for layout in catalogue.layouts.values()]
NOBODY = (*PERSON.values(), COMPANY, STREET, *ADDRESS.values())
NAMES = [f"{catalogue.portfolio.portfolio}/{layout.layout}" for catalogue, layout in EVERY]


@pytest.fixture(scope="module")
def examples() -> dict[str, Examples]:
    return {catalogue.portfolio.portfolio: Examples(catalogue) for catalogue in CATALOGUES}


@pytest.mark.parametrize(("catalogue", "layout"), EVERY, ids=NAMES)
def test_an_example_is_a_file_that_its_layout_reads_whole(
    catalogue: object, layout: Layout, examples: dict[str, Examples]
) -> None:
    some = examples[catalogue.portfolio.portfolio]  # type: ignore[attr-defined]
    version = layout.versions[-1]
    example = some.of(layout, version)
    assert example.problem == ""
    assert list(example.lines) == [record.name for record in version.records]
    reading = read_file(layout, io.BytesIO(example.content), name=some.name(layout.names[0]), day=example.day)
    assert (reading.rows_read, reading.rows_refused) == (len(version.details), 0)
    for record in version.records:
        cells = zip(record.fields, example.cells(record, version), strict=True)
        personal = {cell.strip(" ") for field, cell in cells if field.personal}
        assert [cell for cell in personal if not any(cell.lstrip("0") in known for known in NOBODY)] == []


@pytest.mark.parametrize("catalogue", CATALOGUES, ids=lambda catalogue: catalogue.portfolio.portfolio)
def test_pages_are_always_the_same_and_small(catalogue: object, tmp_path: Path) -> None:
    first, second = (pages(catalogue, tmp_path) for _ in range(2))  # type: ignore[arg-type]
    assert first == second
    assert max(len(text.encode()) for text in first.values()) < 1024 * 1024
    assert "http" not in "".join(first.values()).replace("http-equiv", "")


widths = st.lists(st.integers(1, 260), min_size=1, max_size=60)


@given(widths)
def test_a_drawing_holds_every_byte_of_the_record_once(widths: list[int]) -> None:
    record = _record(widths)
    line = "".join(chr(ord("a") + number % 26) for number in range(sum(widths)))
    rows = fixed_rows(record, [line[start:stop] for _, start, stop in record.spans()])
    drawn = {
        row.start + box.at + place: text for row in rows for box in row.boxes for place, text in enumerate(box.text)
    }
    skipped = {byte for row in rows if row.skipped for byte in _skipped(row)}
    assert drawn.keys() | skipped == set(range(1, len(line) + 1))
    assert not drawn.keys() & skipped
    assert all(line[byte - 1] == text for byte, text in drawn.items())
    assert {box.number for row in rows for box in row.boxes if box.first} == set(range(1, len(widths) + 1))
    assert all(box.at + box.width <= FOLD for row in rows for box in row.boxes)


@given(widths)
def test_names_of_fields_lie_apart_and_no_line_to_a_field_crosses_one(widths: list[int]) -> None:
    record = _record(widths)
    for row in fixed_rows(record, [""] * len(widths)):
        names = [(box.at, box.at + len(box.label) * NAME_WIDTH, box.level) for box in row.boxes]
        for begin, end, level in names:
            others = [name for name in names if name[0] > begin]
            assert all(end <= other for other, _, same in others if same == level)
            assert not any(begin < down < end for down, _, above in others if above > level)


def test_a_delimited_record_is_folded_between_its_columns() -> None:
    fields = [Field(name=f"coluna_{number}") for number in range(1, 31)]
    cells = ["valor" * (number % 7) for number in range(30)]
    rows = delimited_rows(Record(name="r", fields=fields), cells)
    assert [box.text for row in rows for box in row.boxes] == cells
    assert len(rows) > 1 and all(row.width <= FOLD for row in rows)
    assert all(len(box.text) < box.width for row in rows for box in row.boxes)


def test_a_page_tells_what_a_version_changed() -> None:
    old = {"name": "r", "length": 9, "fields": [_field("a", 4), _field("b", 3), _field("c", 2)]}
    new = {"name": "r", "length": 10, "fields": [_field("a", 5), _field("b", 3), _field("d", 2)]}
    versions = [
        {"since": f"20{year}-01-01", "format": {"kind": "fixed"}, "records": [record]}
        for year, record in ((20, old), (26, new))
    ]
    facts = {"layout": "x", "title": "X", "description": "x", "stage": "remessa", "names": ["x_<AAAAMMDD>.txt"]}
    layout = Layout.model_validate(facts | {"versions": versions})
    assert layout.version_on(date(2026, 11, 17)).since == date(2026, 1, 1)
    assert words.changes(*layout.versions) == [
        "`r`: 9 → 10 bytes",
        "`r.c` is gone (was bytes 8-9, text)",
        "`r.d` is new: bytes 9-10, text",
        "`r.a`: bytes 1-4, text → bytes 1-5, text",
        "`r.b`: bytes 5-7, text → bytes 6-8, text",
    ]


def _field(name: str, width: int) -> dict[str, object]:
    return {"name": name, "width": width}


def _record(widths: list[int]) -> Record:
    fields = [_field(f"campo_{'x' * (width % 19)}{number}", width) for number, width in enumerate(widths)]
    return Record.model_validate({"name": "r", "length": sum(widths), "fields": fields})


def _skipped(row: Row) -> range:
    first, last = (int(number.replace(",", "")) for number in row.skipped.rsplit(" ", 1)[1].split("-"))
    return range(first, last + 1)
