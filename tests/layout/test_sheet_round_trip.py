"""A layout written as a sheet, its columns in any order and under any of their names, is the same layout when read."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atom_pipeline.layout.sheets import read_sheet
from tests.layout.field_lists import loaded

TITLES = {
    "name": ("Campo", "NOME DO CAMPO", "Nome", "field"),
    "start": ("Início", "De", "Posição inicial", "Pos. Ini.", "from", "START"),
    "end": ("Fim", "Até", "Posição Final:", "to"),
    "span": ("Posição", "Posição (de/até)", "Posições"),
    "width": ("Tamanho", "Tam.", "Comprimento", "length", "size", "Qtd. bytes"),
    "type": ("Tipo", "Tipo do dado", "type"),
    "format": ("Formato", "Picture", "Máscara", "PIC"),
    "decimals": ("Decimais", "Casas", "Casas decimais", "scale"),
    "required": ("Obrigatório?", "Obrig.", "mandatory"),
    "domain": ("Domínio", "Valores possíveis", "Valores", "domain"),
    "description": ("Descrição", "Observação", "description"),
}
TYPES = {
    "text": ("X", "A", "AN", "Alfanumérico", "char", "A/N"),
    "digits": ("N", "9", "Numérico", "Num."),
    "integer": ("Inteiro", "int"),
    "decimal": ("N", "Decimal", "Numérico"),
    "date": ("Data", "D", "date"),
}
NAMES = ("cod_loja", "cod_plano", "numero_lote", "codigo_filial", "cod_canal", "cod_faixa", "cod_rota", "numero_via")
REQUIRED = {True: st.sampled_from(["S", "Sim", "x"]), False: st.sampled_from(["N", "Não", ""])}
SHAPES = st.sampled_from([(";", "utf-8"), (",", "latin-1"), ("\t", "cp1252")])
WORDS = st.text("abcdefghij ", min_size=1, max_size=12).map(lambda text: " ".join(["obs", *text.split()]))


@dataclass(frozen=True)
class Wanted:
    """A field as it should come back."""

    name: str
    width: int
    type: str
    format: str | None
    decimals: int
    required: bool
    domain: dict[str, str] | None
    description: str


@st.composite
def fields(draw: st.DrawFn, name: str) -> Wanted:
    kind = draw(st.sampled_from(sorted(TYPES)))
    form = draw(st.sampled_from(["DDMMAAAA", "AAAAMMDD", "DD/MM/AAAA", "DDMMAA"])) if kind == "date" else None
    width = len(form) if form else draw(st.integers(2, 12))
    decimals = draw(st.integers(1, width - 1)) if kind == "decimal" else 0
    codes = st.lists(st.text("ABCDEF", min_size=2, max_size=2), min_size=2, max_size=4, unique=True)
    domain = {code: f"valor {code.lower()}" for code in draw(codes)} if kind == "text" and draw(st.booleans()) else None
    return Wanted(name, width, kind, form, decimals, draw(st.booleans()), domain, draw(WORDS))


layouts = st.integers(1, len(NAMES)).flatmap(lambda count: st.tuples(*(fields(name) for name in NAMES[:count])))


def columns(draw: st.DrawFn, wanted: tuple[Wanted, ...]) -> list[tuple[str, list[str]]]:
    """The columns of a sheet that says all of these fields, under drawn names; so are places and forms."""
    starts = [1 + sum(field.width for field in wanted[:n]) for n in range(len(wanted))]
    ends = [start + field.width - 1 for start, field in zip(starts, wanted, strict=True)]
    pictured = draw(st.booleans())
    cells: dict[str, list[str]] = {
        "name": [field.name.upper() for field in wanted],
        "type": [draw(st.sampled_from(TYPES[field.type])) for field in wanted],
        "format": [_form(draw, field, pictured=pictured) for field in wanted],
        "decimals": ["" if pictured or not field.decimals else str(field.decimals) for field in wanted],
        "required": [
            draw(st.sampled_from(("S", "Sim", "x") if field.required else ("N", "Não", ""))) for field in wanted
        ],
        "domain": ["; ".join(f"{code} - {text}" for code, text in (field.domain or {}).items()) for field in wanted],
        "description": [field.description for field in wanted],
    }
    match draw(st.sampled_from(["span", "start and end", "start and width", "width"])):
        case "span":
            pattern = draw(st.sampled_from(["{:03d}-{:03d}", "{} a {}", "{} até {}"]))
            cells["span"] = [pattern.format(start, end) for start, end in zip(starts, ends, strict=True)]
        case "start and end":
            cells |= {"start": [f"{start:04d}" for start in starts], "end": [str(end) for end in ends]}
        case "start and width":
            cells |= {"start": [str(start) for start in starts], "width": [f"{field.width}.0" for field in wanted]}
        case _:
            cells["width"] = [str(field.width) for field in wanted]
    order = draw(st.permutations(sorted(cells)))
    return [(draw(st.sampled_from(TITLES[column])), cells[column]) for column in order]


def _form(draw: st.DrawFn, field: Wanted, *, pictured: bool) -> str:
    if field.format:
        return draw(st.sampled_from([field.format, field.format.lower()]))
    if not pictured:
        return ""
    if field.type == "text":
        return f"X({field.width:02d})"
    whole = field.width - field.decimals
    return f"9({whole})V9({field.decimals})" if field.decimals else f"9({whole})"


sheets = st.composite(lambda draw: (wanted := draw(layouts), columns(draw, wanted)))()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sheets")


@settings(max_examples=40, deadline=None)
@given(drawn=sheets, above=st.integers(0, 2), shape=SHAPES)
def test_the_layout_of_a_sheet_is_the_one_that_was_written(
    folder: Path,
    drawn: tuple[tuple[Wanted, ...], list[tuple[str, list[str]]]],
    above: int,
    shape: tuple[str, str],
) -> None:
    wanted, cells = drawn
    path = folder / "lista.csv"
    with path.open("w", encoding=shape[1], newline="") as file:
        out = csv.writer(file, delimiter=shape[0])
        out.writerows([["Layout de fichas - posicional"], []][:above])
        out.writerow([title for title, _ in cells])
        for row in zip(*(column for _, column in cells), strict=True):
            out.writerow(row)
    record = loaded(read_sheet(path), folder).versions[0].records[0]
    assert record.length == sum(field.width for field in wanted)
    assert [
        Wanted(
            field.name,
            field.width or 0,
            field.type.value,
            field.format,
            field.decimals,
            field.required,
            field.domain,
            field.description,
        )
        for field in record.fields
    ] == list(wanted)
