"""A sheet against a layout that there is: what differs, field by field, and which files would stop loading."""

from __future__ import annotations

import csv
import shutil
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from atom_pipeline.cli import app
from atom_pipeline.layout.catalogue import load_catalogue
from atom_pipeline.layout.document import load_layout
from atom_pipeline.layout.model import Layout, Version
from atom_pipeline.layout.sheet_differences import differences
from atom_pipeline.layout.sheet_successor import successor, told_by
from atom_pipeline.layout.sheet_trial import SampleFile, Trial, try_file
from atom_pipeline.layout.sheet_writing import layout_document
from atom_pipeline.layout.sheets import read_sheet
from atom_pipeline.sample import generate
from resources.settings import PROJECT_ROOT, Settings
from tests.layout.field_lists import TITLES, Cells, loaded, sheet_of, text_list, two_records, workbook

CATALOGUE = load_catalogue(PROJECT_ROOT / "layouts" / "banco_pan_veiculos")
TYPES = {
    "text": "X",
    "digits": "N",
    "integer": "Inteiro",
    "decimal": "N",
    "date": "Data",
    "time": "Hora",
    "datetime": "Data/Hora",
}


def list_of(version: Version, path: Path) -> Path:
    """A layout's fields as a .csv, one list under the other, with what a bank's list says and no more."""
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, delimiter=";")
        for record in version.records:
            out.writerow([f"Registro {record.name}"])
            out.writerow(["Obrigatório?", "Tipo", "Campo", "Posição (de/até)", "Decimais", "Formato", "Domínio"])
            for field, start, stop in record.spans():
                place = f"{start + 1:03d}-{stop:03d}" if record.length else ""
                codes = "; ".join(f"{code} - {meaning}" for code, meaning in (field.domain or {}).items())
                decimals = field.decimals if field.type.value == "decimal" else ""
                said = [
                    field.title or field.name,
                    place,
                    decimals,
                    field.format or "",
                    codes or f"{field.equals or ''}",
                ]
                out.writerow(["S" if field.required else "N", TYPES[field.type.value], *said])
    return path


def test_against_a_layout_each_field_that_differs_is_told(tmp_path: Path) -> None:
    before = sheet_of(
        tmp_path,
        ["contrato", 1, 10, 10, "N"],
        ["valor", 11, 25, 15, "N", "9(13)V99"],
        ["data", 26, 33, 8, "N", "AAAAMMDD"],
        ["loja", 34, 35, 2, "X"],
        ["plano", 36, 37, 2, "X"],
    )
    version = loaded(before, tmp_path).versions[0]
    assert differences(before, version) == []
    after = sheet_of(
        tmp_path,
        ["contrato", 1, 12, 12, "N"],
        ["valor", 13, 27, 15, "N", "9(12)V999"],
        ["data", 28, 35, 8, "N", "DDMMAAAA"],
        ["filial", 36, 37, 2, "N"],
        ["canal", 38, 40, 3, "X"],
    )
    told = [(one.field, one.what, one.layout, one.sheet) for one in differences(after, version)]
    assert told == [
        ("", "length", "37 bytes", "40 bytes"),
        ("contrato", "width", "10", "12"),
        ("valor", "moved", "11-25", "13-27"),
        ("valor", "decimals", "2", "3"),
        ("data", "moved", "26-33", "28-35"),
        ("data", "format", "AAAAMMDD", "DDMMAAAA"),
        ("loja", "removed", "34-35 text", ""),
        ("plano", "renamed", "plano", "filial"),
        ("plano", "type", "text", "digits"),
        ("canal", "added", "", "38-40 text"),
    ]


def test_the_command_writes_the_document_once_and_lists_the_doubts(tmp_path: Path) -> None:
    source, out = two_records(tmp_path / "acordos.xlsx"), tmp_path / "novo" / "acordos.yaml"
    first = CliRunner().invoke(app, ["layout", "import", str(source), "--out", str(out), "--name", "acordos_novos"])
    assert first.exit_code == 0, first.output
    assert "written, and it loads" in first.output
    assert "the sheet does not say the file's name" in first.output
    assert load_layout(out).layout == "acordos_novos"
    second = CliRunner().invoke(app, ["layout", "import", str(source), "--out", str(out)])
    assert second.exit_code == 1
    assert "was not written over" in str(second.exception)


REQUIRED: Cells = ["Campo", "Início", "Tamanho", "Tipo", "Obrigatório", "Domínio"]


def test_required_codes_and_constants_are_differences_where_the_sheet_says_them(tmp_path: Path) -> None:
    before = sheet_of(
        tmp_path,
        ["tipo", 1, 1, "X", "S", "'1'"],
        ["situacao", 2, 2, "X", "N", "01-Ativo; 02-Baixado"],
        ["loja", 4, 2, "X", "S", None],
        titles=REQUIRED,
    )
    version = loaded(before, tmp_path).versions[0]
    after = sheet_of(
        tmp_path,
        ["tipo", 1, 1, "X", "S", "'2'"],
        ["situacao", 2, 2, "X", "S", "1-Em cobrança; 3-Retirado"],
        ["loja", 4, 2, "X", "N", None],
        titles=REQUIRED,
    )
    silent = sheet_of(tmp_path, ["tipo", 1, 1, "X"], ["situacao", 2, 2, "X"], ["loja", 4, 2, "X"], titles=REQUIRED)
    assert differences(silent, version) == []
    assert [(one.field, one.what, one.layout, one.sheet) for one in differences(after, version)] == [
        ("tipo", "constant", "1", "2"),
        ("situacao", "required", "no", "yes"),
        ("situacao", "domain", "also 02", "also 3"),
        ("loja", "required", "yes", "no"),
    ]


def test_many_fields_that_moved_by_as_much_are_one_line(tmp_path: Path) -> None:
    names = [f"campo_{letter}" for letter in "abcdefgh"]
    version = loaded(sheet_of(tmp_path, *([name, 1 + 2 * n, None, 2, "X"] for n, name in enumerate(names))), tmp_path)
    wider: list[Cells] = [[names[0], 1, None, 5, "X"]]
    wider += [[name, 6 + 2 * n, None, 2, "X"] for n, name in enumerate(names[1:])]
    assert [
        (one.field, one.what, one.layout, one.sheet)
        for one in differences(sheet_of(tmp_path, *wider), version.versions[0])
    ] == [
        ("", "length", "16 bytes", "19 bytes"),
        ("campo_a", "width", "2", "5"),
        ("campo_b to campo_h", "moved", "from 3", "7 fields by +3 bytes: from 6"),
    ]


def test_a_field_with_another_name_and_place_is_found_between_its_neighbours(tmp_path: Path) -> None:
    version = loaded(
        sheet_of(tmp_path, ["a", 1, None, 2, "X"], ["loja", 3, None, 4, "X"], ["c", 7, None, 1, "X"]), tmp_path
    )
    after = sheet_of(tmp_path, ["a", 1, None, 5, "X"], ["filial", 6, None, 4, "X"], ["c", 10, None, 1, "X"])
    told = [(one.field, one.what) for one in differences(after, version.versions[0]) if one.field == "loja"]
    assert told == [("loja", "renamed"), ("loja", "moved")]


@pytest.mark.parametrize("layout", CATALOGUE.layouts.values(), ids=lambda layout: layout.layout)
def test_a_layout_written_as_a_sheet_differs_from_it_in_nothing(layout: Layout, tmp_path: Path) -> None:
    """What a sheet leaves out (signs, marks, checks) is no difference, and no reason for a refusal."""
    version = layout.versions[-1]
    sheet = read_sheet(list_of(version, tmp_path / "lista.csv"))
    assert [one for one in differences(sheet, version) if one.what != "renamed"] == []
    path = tmp_path / "lista.yaml"
    path.write_text(layout_document(sheet), encoding="utf-8")
    after = successor(layout, sheet, load_layout(path)).layout.versions[0]
    for record, other in zip(version.records, after.records, strict=True):
        kept = ("type", "decimals", "format", "signed", "decimal_mark", "thousands_mark", "width", "required", "checks")
        for field, its in zip(record.fields, other.fields, strict=True):
            assert {key: getattr(its, key) for key in kept} == {key: getattr(field, key) for key in kept}, field.name


@pytest.mark.parametrize("name", ["acordos", "remessa"])
def test_how_records_go_together_is_the_layouts_to_say(name: str, tmp_path: Path) -> None:
    """Lots and segments of CNAB 240: a sheet has the fields of each, and no word of what joins them."""
    layout = load_catalogue(PROJECT_ROOT / "tests" / "portfolios" / "boreal_consorcio").layouts[name]
    version = layout.versions[-1]
    sheet = read_sheet(list_of(version, tmp_path / "lista.csv"))
    assert differences(sheet, version) == []
    path = tmp_path / "lista.yaml"
    path.write_text(layout_document(told_by(sheet, version)), encoding="utf-8")
    after = successor(layout, sheet, load_layout(path)).layout.versions[0]

    for record, other in zip(version.records, after.records, strict=True):
        assert (other.role, bool(other.joins), other.gives) == (record.role, bool(record.joins), record.gives)
        assert [(one.field, one.equals) for one in other.matches] == [(one.field, one.equals) for one in record.matches]
        assert len(other.totals) == len(record.totals)


TWO: list[Cells] = [["contrato", 1, None, 10, "N"], ["valor", 11, None, 6, "N", "9(4)V99"], ["nome", 17, None, 12, "X"]]


def tried(tmp_path: Path, lines: list[str], *rows: Cells, before: list[Cells] = TWO) -> Trial:
    """A file of these lines, read with the layout of ``before`` and with the sheet of ``rows``."""
    layout = loaded(sheet_of(tmp_path, *before, name="antes.csv"), tmp_path)
    layout = layout.model_copy(update={"max_rejects": 0.5, "key": ("contrato",), "unique": "refuse"})
    sheet = sheet_of(tmp_path, *rows, name="depois.csv")
    file = tmp_path / "arquivo.txt"
    file.write_bytes("".join(f"{line}\r\n" for line in lines).encode("latin-1"))
    after = successor(layout, sheet, loaded(sheet, tmp_path))
    return try_file(layout, after, SampleFile(file, file.name, date(2024, 5, 2)))


LINES = [f"{n:010d}{n * 100:06d}JOANA PRADO " for n in range(1, 31)]


def test_rows_that_would_be_refused_are_told_with_line_field_and_shape_but_no_value(tmp_path: Path) -> None:
    rows: list[Cells] = [
        ["contrato", 1, None, 10, "N"],
        ["valor", 11, None, 6, "N", "9(4)V99"],
        ["lote", 17, None, 12, "N"],
    ]
    lines = [line.replace("JOANA PRADO ", "000000000077") for line in LINES[:25]] + LINES[25:]
    trial = tried(tmp_path, lines, *rows)
    assert (trial.before.rows_accepted, trial.after.rows_accepted, trial.stops, trial.loses) == (30, 25, False, True)
    assert [(one.field, one.reason, one.rows, one.lines) for one in trial.reasons] == [
        ("lote", "TIPO", 5, (26, 27, 28, 29, 30))
    ]
    assert "AAAAA AAAAA" in trial.reasons[0].detail
    assert "JOANA" not in repr(trial.reasons)


def test_codes_of_a_field_that_is_no_personal_data_are_told_by_shape_too(tmp_path: Path) -> None:
    named = sheet_of(
        tmp_path, ["situacao", 1, 12, "X", "AB-Ativo; CD-Outro"], titles=["Campo", "De", "Tam", "Tipo", "Domínio"]
    )
    layout = loaded(sheet_of(tmp_path, ["situacao", 1, None, 12, "X"], name="antes.csv"), tmp_path)
    file = tmp_path / "nomes.txt"
    file.write_bytes(b"JOANA PRADO \r\n" + b"AB          \r\n" * 20)
    layout = layout.model_copy(update={"max_rejects": 0.5})
    told = try_file(layout, successor(layout, named, loaded(named, tmp_path)), SampleFile(file, "x", date(2024, 5, 2)))
    assert [(one.field, one.reason, one.lines) for one in told.reasons] == [("situacao", "DOMINIO", (1,))]
    assert "JOANA" not in repr(told.reasons)
    assert "AAAAA AAAA" in told.reasons[0].detail


def test_a_file_of_another_length_stops_loading(tmp_path: Path) -> None:
    trial = tried(tmp_path, LINES, *TWO[:2], ["nome", 17, None, 14, "X"])
    assert trial.stops
    assert trial.after.refusal.startswith("line 1: FORA_DO_LAYOUT")


def test_a_file_that_loads_and_says_something_else_is_told(tmp_path: Path) -> None:
    trial = tried(tmp_path, LINES, TWO[0], ["valor", 11, None, 6, "N", "9(3)V999"], TWO[2])
    assert (trial.loses, dict(trial.changed)) == (False, {"valor": 30})


def test_a_renamed_key_is_still_the_key(tmp_path: Path) -> None:
    lines = [*LINES[:29], LINES[0]]
    trial = tried(tmp_path, lines, ["operacao", 1, None, 10, "N"], *TWO[1:])
    assert (trial.before.rows_accepted, trial.after.rows_accepted, trial.reasons) == (29, 29, ())


def test_the_command_says_which_of_the_files_given_would_stop(tmp_path: Path) -> None:
    record = CATALOGUE.layouts["exclusao_retirada"].versions[-1]
    sheet = list_of(record, tmp_path / "exclusao.csv")
    samples = tmp_path / "amostras"
    generate(CATALOGUE, contracts=20, days=2, seed=1, target=samples)
    same = CliRunner().invoke(
        app, ["layout", "import", str(sheet), "--against", "exclusao_retirada", "--samples", str(samples)]
    )
    assert same.exit_code == 0, same.output
    assert "0 differences." in same.output
    assert "0 would stop loading, 0 would lose rows, 0 would be read otherwise" in same.output
    changed = sheet.read_text(encoding="utf-8").replace("AAAAMMDD", "DDMMAAAA")
    sheet.write_text(changed, encoding="utf-8")
    other = CliRunner().invoke(
        app, ["layout", "import", str(sheet), "--against", "exclusao_retirada", "--samples", str(samples)]
    )
    assert other.exit_code == 1, other.output
    assert "STOPS LOADING" in other.output
    assert "AAAAMMDD" in other.output
    assert list(Path.cwd().glob("exclusao*.yaml")) == []


def test_the_files_that_were_collected_are_tried_on_the_day_they_are_archived_under(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATOM_HOME", str(tmp_path / "home"))
    layout = CATALOGUE.layouts["exclusao_retirada"]
    drop = tmp_path / "drop"
    generate(CATALOGUE, contracts=20, days=2, seed=1, target=drop)
    folder = Settings.from_env().archive(CATALOGUE.portfolio.prefix) / "2023-07-04" / layout.layout
    folder.mkdir(parents=True)
    collected = next(drop.glob("20230703_*_baixa_528_out.528"))
    shutil.copy(collected, folder / f"{collected.name}.v2")
    sheet = list_of(layout.versions[-1], tmp_path / "exclusao.csv")
    shown = CliRunner().invoke(app, ["layout", "import", str(sheet), "--against", layout.layout, "--archive"])
    assert shown.exit_code == 0, shown.output
    assert "1 files: 0 would stop loading, 0 would lose rows, 0 would be read otherwise" in shown.output


def test_a_sheet_becomes_a_layout_of_a_portfolio_that_is_checked_read_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What docs/bring-your-layout.md shows."""
    folder = tmp_path / "layouts" / CATALOGUE.folder.name
    shutil.copytree(CATALOGUE.folder, folder)
    monkeypatch.setenv("ATOM_LAYOUTS", str(folder.parent))
    titles: Cells = ["Campo", "Posição (de/até)", "Picture", "Observação"]
    rows: list[Cells] = [["NR_CONTRATO", "001-010", "9(10)", None], ["DT_PAGTO", "011-018", "9(8)", None]]
    sheet = text_list(tmp_path / "retorno.csv", ["Retorno"], titles, *rows)
    made = CliRunner().invoke(app, ["layout", "import", str(sheet), "--out", str(folder / "retorno.yaml")])
    assert made.exit_code == 0, made.output
    assert "it may be DDMMAAAA" in made.output
    document = (folder / "retorno.yaml").read_text(encoding="utf-8")
    (folder / "retorno.yaml").write_text(document.replace("AAAAMMDD,", "DDMMAAAA,"), encoding="utf-8")
    assert "retorno" in load_catalogue(folder).layouts  # what `atom layout check` asks, pages aside
    file, records = tmp_path / "retorno_20230804.txt", tmp_path / "registros.csv"
    file.write_bytes(b"000000004204082023\r\n000000004331122023\r\n")
    read = CliRunner().invoke(app, ["layout", "read", "retorno", str(file), str(records)])
    assert (read.exit_code, records.read_text().splitlines()[1:]) == (
        0,
        ["0000000042,2023-08-04", "0000000043,2023-12-31"],
    )
    rows[1][2] = "AAAAMMDD"
    newer = text_list(tmp_path / "novo.csv", ["Retorno"], titles, *rows)
    told = CliRunner().invoke(app, ["layout", "import", str(newer), "--against", "retorno", "--samples", str(tmp_path)])
    assert told.exit_code == 1
    assert (
        "retorno_20230804.txt: dt_pagto: DATA (esperado data AAAAMMDD; veio '99999999'): 2 rows, lines 1, 2"
        in told.output
    )


def test_a_document_whose_doubts_were_settled_is_compared_in_the_place_of_its_sheet(tmp_path: Path) -> None:
    path = tmp_path / "novo.yaml"
    text = (CATALOGUE.folder / "exclusao_retirada.yaml").read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    shown = CliRunner().invoke(
        app, ["layout", "import", str(path), "--against", "exclusao_retirada", "--samples", str(tmp_path)]
    )
    assert shown.exit_code == 0, shown.output
    assert "0 differences." in shown.output
    assert "no file of this layout to try" in shown.output
    refused = CliRunner().invoke(app, ["layout", "import", str(path)])
    assert "compare it with another one by --against" in str(refused.exception)


def test_the_command_says_which_findings_remain(tmp_path: Path) -> None:
    source = workbook(tmp_path / "x.xlsx", Plan1=[TITLES, ["a", 1, 5, 5, "X"], ["b", 4, 9, 6, "X"]])
    shown = CliRunner().invoke(app, ["layout", "import", str(source), "--out", str(tmp_path / "x.yaml")])
    assert shown.exit_code == 1
    assert "field b overlaps the one before it" in str(shown.exception)
    assert (tmp_path / "x.yaml").is_file()


def test_a_column_is_paired_with_the_field_of_its_title(tmp_path: Path) -> None:
    titles: Cells = ["Coluna", "Tipo"]
    text = layout_document(sheet_of(tmp_path, ["OperOriginal", "Texto"], ["Vl. Dívida", "Texto"], titles=titles))
    path = tmp_path / "lista.yaml"
    path.write_text(text.replace("name: oper_original", "name: contrato"), encoding="utf-8")
    version = load_layout(path).versions[0]
    after = sheet_of(tmp_path, ["VL_DIVIDA", "Texto"], ["OPERORIGINAL", "Texto"], titles=titles)
    assert [(one.field, one.what, one.layout, one.sheet) for one in differences(after, version)] == [
        ("contrato", "moved", "column 1", "column 2"),
        ("vl_divida", "moved", "column 2", "column 1"),
    ]
