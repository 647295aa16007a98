"""The compiled loops against the expressions that they stand in for: the same values, faults, rejects and refusals.

``decode_block`` is the reference. Cells are made to lie around every limit: nearly right, blank, zeros, odd bytes.
"""

from __future__ import annotations

import io
import random
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atom_pipeline.errors import FileRefused
from atom_pipeline.layout.blocks import Block, BlockReader
from atom_pipeline.layout.catalogue import load_catalogue
from atom_pipeline.layout.compiled.decoder import QuickDecoder
from atom_pipeline.layout.convert import RecordPlan
from atom_pipeline.layout.fixed import decode_block
from atom_pipeline.layout.model import Layout
from atom_pipeline.layout.reading import FileReader, Reading, read_file
from atom_pipeline.sample import generate
from tests.layout.small_layouts import DAY, fixed, read, with_ends

LAYOUTS = Path(__file__).parents[2] / "layouts" / "banco_pan_veiculos"
FLAGGED = {"type_severity": "flag", "domain_severity": "flag", "range_severity": "flag"}


def checked(rule: str, width: int, **facts: Any) -> dict[str, Any]:
    return {"width": width, "checks": [{"rule": rule, "severity": "flag"}]} | facts


# name: a field's facts, and cells that are right
KINDS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "text": ({"width": 21}, ["Maria da Conceição", "x", "  no meio  ", "123456789012345678901", "ÁÉÍÓÚ"]),
    "required": ({"width": 9, "required": True}, ["abc", "d e f"]),
    "short": ({"width": 1}, ["a", "Ã"]),
    "coded": ({"width": 3, "domain": {"A": "", "BB": "", "ÇÃO": ""}}, ["A", "BB", "ÇÃO"]),
    "constant": ({"width": 4, "equals": "12"}, ["12", "0012"]),
    "digits": ({"width": 7, "type": "digits"}, ["1234567", "0001", "9"]),
    "padded": ({"width": 9, "type": "digits", "zero_pad": 6}, ["000123456", "42", "000000000"]),
    "longer": ({"width": 4, "type": "digits", "zero_pad": 10, "required": True}, ["1234", "1"]),
    "stripped": ({"width": 9, "type": "digits", "strip_zeros": True}, ["000123456", "900000000"]),
    "constant_digits": ({"width": 3, "type": "digits", "equals": "7"}, ["7", "007"]),
    "coded_digits": ({"width": 3, "type": "digits", "strip_zeros": True, "domain": {"1": "", "20": ""}}, ["1", "020"]),
    "integer": ({"width": 5, "type": "integer"}, ["00042", "7", "99999"]),
    "wide": ({"width": 20, "type": "integer"}, ["9" * 18, "9" * 20, "0" * 19 + "1"]),
    "bounded": ({"width": 4, "type": "integer", "minimum": 1, "maximum": 120}, ["0001", "0120", "0121", "0000"]),
    "leading": ({"width": 6, "type": "integer", "signed": "leading"}, ["-00042", "+00042", "000042", "-", "+"]),
    "trailing": ({"width": 6, "type": "integer", "signed": "trailing"}, ["00042-", "00042+", "000042", "-"]),
    "coded_integer": ({"width": 2, "type": "integer", "domain": {"1": "", "12": ""}}, ["01", "12", "13"]),
    "constant_integer": ({"width": 3, "type": "integer", "equals": "12"}, ["012", "12"]),
    "decimal": ({"width": 13, "type": "decimal", "decimals": 2, "required": True}, ["0000000012345", "0", "9" * 13]),
    "signed": ({"width": 9, "type": "decimal", "decimals": 3, "signed": "trailing"}, ["00012345-", "000012345"]),
    "limited": (
        {"width": 6, "type": "decimal", "decimals": 2, "minimum": "0.01", "maximum": "12.5"},
        ["000001", "001250", "001251"],
    ),
    "fine_limit": ({"width": 6, "type": "decimal", "decimals": 2, "maximum": "12.345"}, ["001234", "001235"]),
    "widest": ({"width": 19, "type": "decimal", "decimals": 2}, ["0" * 15 + "4242", "9" * 19, "9" * 18]),
    "marked": ({"width": 9, "type": "decimal", "decimals": 2, "decimal_mark": ","}, ["123,45", "000001,20"]),
    "percent": ({"width": 6, "type": "integer", "suffix": "%"}, ["12%", "00012"]),
    "day": ({"width": 8, "type": "date", "format": "AAAAMMDD"}, ["20240229", "20230229", "00010101", "99991231"]),
    "day_first": ({"width": 8, "type": "date", "format": "DDMMAAAA"}, ["29022024", "31042024", "01012000"]),
    "slashed": ({"width": 12, "type": "date", "format": "DD/MM/AAAA", "required": True}, ["29/02/2024", "1/2/2024"]),
    "iso": ({"width": 10, "type": "date", "format": "AAAA-MM-DD", "minimum": "2000-01-01"}, ["2024-02-29", "1999-1-1"]),
    "two_digits": ({"width": 6, "type": "date", "format": "DDMMAA"}, ["290224", "010170"]),
    "clock": ({"width": 6, "type": "time", "format": "HHMMSS"}, ["235959", "000000", "240000", "235960"]),
    "no_seconds": ({"width": 5, "type": "time", "format": "HH:MM"}, ["23:59", "00:00"]),
    "moment": ({"width": 14, "type": "datetime", "format": "AAAAMMDDHHMISS"}, ["20240229235959", "20241301000000"]),
    "spelt": ({"width": 19, "type": "datetime", "format": "DD/MM/AAAA HH:MI:SS"}, ["29/02/2024 23:59:59"]),
    "person": ({"width": 1, "domain": {"F": "", "J": ""}}, ["F", "J", "f"]),
    "document": (
        checked("cpf_cnpj", 14, person_type="person"),
        ["52998224725", "00052998224725", "11222333000181", "12ABC34501DE35", "00000000191", "11111111111"],
    ),
    "no_person": (checked("cpf_cnpj", 15), ["52998224725", "00000000000191", "11222333000181", "00011144477735"]),
    "cpf": (checked("cpf", 11), ["52998224725", "00000000191", "0", "11144477735"]),
    "cnpj": (checked("cnpj", 18), ["11222333000181", "11.222.333/0001-81", "00000000000191", "12ABC34501DE35"]),
    "ddd": (checked("ddd", 3, type="digits", strip_zeros=True), ["011", "20", "99", "000"]),
    "phone": (checked("phone", 9, type="digits", strip_zeros=True), ["987654321", "032345678", "12345678"]),
    "phone_with_ddd": (checked("phone_with_ddd", 11), ["11987654321", "1132345678", "2032345678"]),
    "mobile": (checked("mobile_with_ddd", 11), ["11987654321", "1132345678"]),
    "email": (
        checked("email", 24),
        ["maria@exemplo.com.br", "a.b+c@x-y.io", "a..b@x.io", ".a@x.io", "a@-x.io", "a@x", "a@x.c", "a@x.i0"],
    ),
    "uf": (checked("uf", 2), ["SP", "sp", "XX"]),
    "cep": (checked("cep", 9), ["01310100", "01310-100", "00000-100", "0131010"]),
    "postal_digits": (checked("cep", 8, type="digits"), ["01310100", "00000000", "00000001"]),
    "plate": (checked("plate", 8), ["ABC1234", "ABC-1D23", "ABCD123"]),
    "chassis": (checked("chassis", 17), ["9BWZZZ377VT004251", "9BWZZZ377VT00425I"]),
}  # fmt: skip
EVERY = fixed(*({"name": name} | FLAGGED | facts for name, (facts, _) in KINDS.items()), max_rejects=1)
ODD = " 0019-+/.:,AZaz@Áãç"


def cell(draw: random.Random, right: list[str], width: int) -> str:
    """A cell of a field: right, nearly right, blank, zeros or anything, with blanks on either side."""
    what = draw.randrange(10)
    if what == 0:
        return draw.choice(" 0") * width
    text = draw.choice(right)
    if what == 1:
        text = "".join(draw.choice(ODD) for _ in range(draw.randrange(width + 1)))
    elif what < 5:
        place = draw.randrange(len(text))
        text = text[:place] + draw.choice(ODD) + text[place + draw.randrange(2) :]
    text = text[:width]
    return draw.choice([text.ljust(width), text.rjust(width), text.zfill(width), text.center(width)])


def both_ways(layout: Layout, content: bytes) -> tuple[Any, Any]:
    plan = RecordPlan(layout.versions[-1].records[0])
    encoding = layout.versions[-1].format.encoding
    block = BlockReader(io.BytesIO(content), encoding, name="x").next_block()
    assert isinstance(block, Block)
    rows = np.arange(block.height)
    return decode_block(plan, block, rows), QuickDecoder(plan, encoding).decode(block, rows)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["latin-1", "cp1252", "ascii"]), st.integers(1, 200))
def test_every_kind_of_field_is_read_as_by_the_expressions(seed: int, encoding: str, height: int) -> None:
    draw = random.Random(seed)
    lines = ["".join(cell(draw, right, facts["width"]) for facts, right in KINDS.values()) for _ in range(height)]
    text = "\n".join(lines)
    if encoding == "ascii":
        text = text.encode("ascii", "replace").decode()
    elif encoding == "cp1252":
        text = text.replace("ã", "€")
    shape = EVERY.versions[-1].format.model_copy(update={"encoding": encoding})
    layout = EVERY.model_copy(update={"versions": (EVERY.versions[-1].model_copy(update={"format": shape}),)})
    expected, found = both_ways(layout, text.encode(encoding))
    assert found.frame.schema == expected.frame.schema
    for name in KINDS:
        assert found.frame[name].to_list() == expected.frame[name].to_list(), name
    told = [(one.field, one.reason, one.severity, one.rows.tolist(), one.details) for one in expected.faults]
    assert [(one.field, one.reason, one.severity, one.rows.tolist(), one.details) for one in found.faults] == told


def test_memory_that_is_used_again_leaves_nothing_behind() -> None:
    draw = random.Random(7)
    plan = RecordPlan(EVERY.versions[-1].records[0])
    decoder = QuickDecoder(plan, "latin-1")
    for share in (1, 0, 0.5, 0.02, 0):  # of the cells that are not blank
        lines = [
            "".join(
                cell(draw, right, facts["width"]) if draw.random() < share else " " * facts["width"]
                for facts, right in KINDS.values()
            )
            for _ in range(150)
        ]
        block = BlockReader(io.BytesIO("\n".join(lines).encode("latin-1")), "latin-1", name="x").next_block()
        assert block is not None
        rows = np.arange(block.height)
        found = decoder.decode(block, rows).frame
        assert found.rows() == decode_block(plan, block, rows).frame.rows()
        assert found.reverse().rechunk().rows() == found.rows()[::-1]
        del found


def test_what_was_said_of_a_cell_is_said_again_only_of_the_same_cell_of_the_same_person() -> None:
    names = ("person", "document", "ddd")
    layout = fixed(*({"name": name} | FLAGGED | KINDS[name][0] for name in names), max_rejects=1)
    plan = RecordPlan(layout.versions[-1].records[0])
    decoder = QuickDecoder(plan, "latin-1")
    documents = ["52998224725", "52998224724", "11222333000181", "11222333000180", "00011144477735", ""]
    faulty = 0
    for turn in range(4):
        persons = ["F", "J", "x", " "][turn:] + ["F", "J", "x", " "][:turn]
        lines = [f"{persons[i % 4]}{document:<14}0{20 + i:02d}" for i, document in enumerate(documents * 2)]
        block = BlockReader(io.BytesIO("\n".join(lines).encode()), "latin-1", name="x").next_block()
        assert block is not None
        rows = np.arange(block.height)
        expected, found = decode_block(plan, block, rows), decoder.decode(block, rows)
        assert found.frame.rows() == expected.frame.rows()
        faults = [
            [(one.field, one.reason, one.severity, one.rows.tolist(), one.details) for one in decoded.faults]
            for decoded in (expected, found)
        ]
        assert faults[0] == faults[1]
        faulty += sum(len(rows) for field, _, _, rows, _ in faults[0] if field == "document")
    assert faulty > 20


def test_the_loops_themselves_read_nearly_every_kind_of_field() -> None:
    decoder = QuickDecoder(RecordPlan(EVERY.versions[-1].records[0]), "latin-1")
    left = {list(KINDS)[place] for place in decoder.left}
    assert left == {"coded_integer", "fine_limit", "marked", "percent", "two_digits", "no_seconds"}


def test_a_record_that_the_loops_cannot_read_at_all_is_left_to_the_expressions() -> None:
    layout = fixed({"name": "d", "width": 6, "type": "date", "format": "DDMMAA"}, max_rejects=1)
    assert outcome(layout, b"290224\n999999\n", quick=True) == outcome(layout, b"290224\n999999\n", quick=False)


def outcome(layout: Layout, content: bytes, **options: Any) -> tuple[Any, ...]:
    """All that reading gives, or what it is refused with."""
    try:
        reading = read(layout, content, **options)
    except FileRefused as refusal:
        return (refusal.code, str(refusal), *told(getattr(refusal, "reading", None)))
    return told(reading)


def told(reading: Reading | None) -> tuple[Any, ...]:
    if reading is None:
        return ()
    frames = {name: (frame.schema, frame.rows()) for name, frame in reading.frames.items()}
    counts = (reading.rows_read, reading.rows_accepted, reading.rows_refused, reading.refused_by_reason)
    return frames, reading.rejects.rows(), reading.flags.rows(), reading.header, reading.trailer, counts


BYTES = st.binary(max_size=7).map(lambda line: line.replace(b"\n", b"1"))
LINES = st.lists(st.one_of(st.from_regex(rb"\A1[0-9 ]{5}\Z"), BYTES, st.just(b"1\xc1\xe9 23")), max_size=40)


@settings(max_examples=60, deadline=None)
@given(LINES, st.sampled_from([b"\n", b"\r\n"]), st.integers(1, 90), st.sampled_from(["ends", "utf-8", "latin-1"]))
def test_any_bytes_are_accepted_and_refused_alike(
    lines: list[bytes], newline: bytes, block_bytes: int, kind: str
) -> None:
    if kind == "ends":
        layout = with_ends(max_rejects=1)
        lines = [b"020261123", *lines, b"9%07d" % len(lines)]
    else:
        layout = fixed({"name": "a", "width": 4}, {"name": "n", "width": 2, "type": "integer"}, encoding=kind,
                       max_rejects=0.5, key=["a"], unique="flag")  # fmt: skip
    content = newline.join(lines)
    slow = outcome(layout, content, quick=False)
    assert outcome(layout, content, quick=True) == slow
    assert outcome(layout, content, quick=True, block_bytes=block_bytes) == slow


def test_a_file_without_line_breaks_is_read_alike() -> None:
    layout = fixed({"name": "a", "width": 4}, {"name": "n", "width": 3, "type": "integer"}, newline="none")
    content = "Áb  001efgh0x2ijkl003mn".encode("latin-1")
    assert outcome(layout, content, quick=True) == outcome(layout, content, quick=False)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("amostra")
    generate(load_catalogue(LAYOUTS), contracts=400, days=1, seed=5, target=folder)
    return folder


@pytest.mark.parametrize("layout", ["remessa_assessoria", "remessa_garantias", "remessa_parcelas"])
def test_a_file_of_the_bank_is_read_alike(sample: Path, layout: str) -> None:
    catalogue = load_catalogue(LAYOUTS)
    kind = {"remessa_assessoria": "*_remessa_*", "remessa_garantias": "*_garantias_*", "remessa_parcelas": "*_parc_*"}
    [path] = sample.glob(kind[layout])
    readings = [
        read_file(
            catalogue.layouts[layout], path, name=path.name, day=date(2026, 11, 23), quick=quick, block_bytes=size
        )
        for quick, size in ((False, 1 << 26), (True, 1 << 26), (True, 300_000))
    ]
    assert layout != "remessa_assessoria" or readings[0].rows_refused
    for reading in readings[1:]:
        assert reading.rejects.equals(readings[0].rejects)
        assert reading.flags.equals(readings[0].flags)
        assert all(frame.equals(readings[0].frames[name]) for name, frame in reading.frames.items())


def test_what_stands_before_a_fault_of_the_whole_file_is_given_first() -> None:
    content = b"abcd001\n" * 50 + b"x" * 300 + b"\n"
    layout = fixed({"name": "a", "width": 4}, {"name": "n", "width": 3, "type": "integer"})
    with FileReader(
        layout, io.BytesIO(content), name="x", day=DAY, quick=True, block_bytes=80, max_line_bytes=200
    ) as reader:
        rows = 0
        with pytest.raises(FileRefused, match="LINHA_LONGA"):
            for portion in reader.portions():
                rows += portion.rows_read
    assert rows == 50


def test_a_reader_that_is_left_half_way_stops_its_threads() -> None:
    layout = fixed({"name": "a", "width": 4})
    with FileReader(layout, io.BytesIO(b"abcd\n" * 1000), name="x", day=DAY, quick=True, block_bytes=50) as reader:
        portions = reader.portions()
        assert next(portions).rows_read == 10
        portions.close()
        assert list(portions) == []


def test_small_files_are_read_without_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("compiled loops for a small file")

    monkeypatch.setattr("atom_pipeline.layout.compiled.decoder.QuickDecoder.__init__", refuse)
    layout = fixed({"name": "a", "width": 4})
    assert read(layout, b"abcd\n").rows_read == 1
    monkeypatch.setattr("atom_pipeline.layout.reading.QUICK_FROM", 5)
    with pytest.raises(AssertionError, match="compiled loops"):
        read(layout, b"abcd\n")


def test_a_frame_of_the_loops_can_be_worked_with_after_its_block_is_gone() -> None:
    layout = fixed({"name": "a", "width": 20}, {"name": "n", "width": 3, "type": "integer"})
    content = b"".join(b"%-20s%03d\n" % (b"nome comprido %d" % i, i % 1000) for i in range(2000))
    frames = [read(layout, content, quick=True, block_bytes=1000).frame() for _ in range(3)]
    whole = pl.concat(frames).group_by("n").agg(pl.col("a").n_unique()).sort("n")
    assert whole.height == 1000
    assert whole["a"].sum() == 2000
