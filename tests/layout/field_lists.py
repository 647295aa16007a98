"""Field lists for the tests: workbooks and text files as people write them, and the layouts that come of them."""

from __future__ import annotations

import csv
from pathlib import Path

import xlsxwriter

from atom_pipeline.layout.document import load_layout
from atom_pipeline.layout.model import Layout
from atom_pipeline.layout.sheet_records import SheetLayout
from atom_pipeline.layout.sheet_writing import layout_document
from atom_pipeline.layout.sheets import read_sheet

Cells = list[object]
TITLES: Cells = ["Campo", "Início", "Fim", "Tamanho", "Tipo", "Formato"]


def workbook(path: Path, **sheets: list[Cells]) -> Path:
    """An .xlsx with these sheets; a row of one text in its first cell is merged over six, as title rows are."""
    book = xlsxwriter.Workbook(str(path))
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        for number, row in enumerate(rows):
            if len(row) == 1:
                sheet.merge_range(number, 0, number, 5, row[0])
            else:
                sheet.write_row(number, 0, row)
    book.close()
    return path


def text_list(path: Path, *rows: Cells) -> Path:
    """A .csv with these rows."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows(["" if cell is None else cell for cell in row] for row in rows)
    return path


def sheet_of(tmp_path: Path, *rows: Cells, titles: Cells = TITLES, name: str = "lista.csv") -> SheetLayout:
    """The layout of a list in a text file: a header row and these rows under it."""
    return read_sheet(text_list(tmp_path / name, titles, *rows))


def doubts(sheet: SheetLayout, field: str) -> list[str]:
    return [doubt.message for doubt in sheet.all_doubts() if doubt.field == field]


def loaded(sheet: SheetLayout, folder: Path) -> Layout:
    path = folder / f"{sheet.name}.yaml"
    path.write_text(layout_document(sheet), encoding="utf-8")
    return load_layout(path)


def two_records(path: Path) -> Path:
    return workbook(
        path,
        Header=[
            ["LAYOUT DE ACORDOS"],
            ["Registro Header"],
            ["Campo", "Posição", None, "Tam.", "Tipo", "Descrição", "Conteúdo"],
            [None, "De", "Até"],
            ["Tipo de registro", 1, 1, 1, "N", "Tipo do registro", "0"],
            ["Data de geração", 2, 9, 8, "N", "No formato DDMMAAAA"],
            ["Filler", 10, 38, 29, "X", "Brancos"],
        ],
        Detalhe=[
            [],
            ["Nº", "Descrição do campo", "Picture", "Pos. inicial", "Pos. final", "Obrigatório?", "Valores possíveis"],
            [1, "Tipo de registro", "9(1)", 1, 1, "Sim", "1"],
            [2, "Contrato", "9(10)", 2, 11, "Sim"],
            [3, "Valor da parcela", "9(13)V99", 12, 26, "N"],
            [4, "Vencimento", "DDMMAAAA", 27, 34],
            [5, "Situação", "X(02)", 35, 36, None, "A1-Ativo\nB2 - Baixado"],
            [6, "UF", "X(2)", 37, 38],
        ],
    )
