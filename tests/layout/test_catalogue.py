"""The documents of a portfolio, checked against each other, in one report."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from yaml_documents import DELIMITED, FIXED, PORTFOLIO, write, write_folder

from atom_pipeline.errors import StructureError
from atom_pipeline.layout.catalogue import load_catalogue, load_catalogues
from atom_pipeline.layout.model import Stage

REMESSA = """\
layout: remessa
title: Remessa
description: Contratos
stage: remessa
names: ["<AAAAMMDD>_remessa.csv"]
versions:
  - format: {kind: delimited}
    records:
      - name: detalhe
        fields:
          - {name: contrato, type: digits, zero_pad: 8}
          - {name: cpf_cnpj}
          - {name: nome}
          - {name: valor}
          - {group: telefone, times: 2, fields: [{name: ddd}, {name: numero}, {name: tipo}]}
          - group: endereco
            times: 1
            fields: [{name: logradouro}, {name: numero}, {name: complemento}, {name: bairro}, {name: cidade},
                     {name: uf}, {name: cep}, {name: tipo}]
"""


def findings(folder: Path) -> list[str]:
    with pytest.raises(StructureError) as raised:
        load_catalogue(folder)
    return [str(finding).removeprefix(f"{folder}/") for finding in raised.value.findings]


def test_a_folder_becomes_a_catalogue(tmp_path: Path) -> None:
    catalogue = load_catalogue(write_folder(tmp_path))
    assert catalogue.portfolio.portfolio == "carteira_teste"
    assert list(catalogue.layouts) == ["exclusao", "refin"]
    assert [layout.layout for layout in catalogue.of_stage(Stage.REFIN)] == ["refin"]
    assert catalogue.folder == tmp_path


def test_the_fingerprint_changes_with_any_byte_of_any_document_and_with_nothing_else(tmp_path: Path) -> None:
    first = load_catalogue(write_folder(tmp_path / "a")).fingerprint()
    assert load_catalogue(write_folder(tmp_path / "b")).fingerprint() == first
    commented = write_folder(tmp_path / "c")
    write(commented / "refin.yaml", f"{DELIMITED}# a remark\n")
    assert load_catalogue(commented).fingerprint() != first


def test_the_findings_of_all_documents_come_in_one_report(tmp_path: Path) -> None:
    folder = write_folder(
        tmp_path,
        FIXED.replace("width: 4", "width: 5"),
        DELIMITED.replace("stage: refin", "stage: refim"),
        portfolio=PORTFOLIO.replace("creditor", "credor"),
    )
    write(folder / "outro.yml", "")
    assert [finding.partition(": ")[0] for finding in findings(folder)] == [
        "exclusao.yaml:13",
        "outro.yml:1",
        "portfolio.yaml:1",
        "portfolio.yaml:4",
        "refin.yaml:4",
    ]


def test_a_layout_that_cannot_be_read_is_no_reason_to_blame_the_portfolio_that_names_it(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, FIXED, DELIMITED.replace("stage: refin", "stage: refim"))
    assert [finding.partition(":")[0] for finding in findings(folder)] == ["refin.yaml"]


def test_a_folder_without_portfolio_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "refin.yaml", DELIMITED)
    assert findings(tmp_path) == ["portfolio.yaml:1: cannot be read: No such file or directory"]


def test_a_document_is_called_as_its_layout(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    write(folder / "outra.yaml", DELIMITED.replace("refin_carteira", "outra"))
    assert findings(folder) == [
        "outra.yaml:1: layout: the document is outra.yaml: call the file refin.yaml, or change the name"
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            "any_of: [exclusao]",
            "any_of: [exclusão_retirada]",
            "portfolio.yaml:10: expects[exclusao].any_of[0]: `exclusão_retirada` is not a name: lower-case letters, "
            "digits and _, beginning with a letter",
        ),
        (
            "any_of: [exclusao]",
            "any_of: [exclusoes]",
            "portfolio.yaml:10: expects[exclusao].any_of[0]: no layout exclusoes here; there are exclusao, refin",
        ),
        (
            "name: refin, any_of",
            "name: exclusao, any_of",
            "portfolio.yaml:11: expects[exclusao].name: two expectations have this name",
        ),
        (
            "waits_for: [exclusao]",
            "waits_for: [exclusao, remessa]",
            "portfolio.yaml:12: batimento.waits_for[1]: no expectation remessa: write one of exclusao, refin",
        ),
        (
            "contrato_digits: 8",
            "contrato_digits: 9",
            "exclusao.yaml:15: versions[0].records[detalhe].fields[contrato]: contrato is digits with `zero_pad: 9` "
            "here (`contrato_digits` of the portfolio)",
        ),
    ],
)
def test_the_portfolio_names_what_exists(tmp_path: Path, before: str, after: str, expected: str) -> None:
    assert expected in findings(write_folder(tmp_path, portfolio=PORTFOLIO.replace(before, after)))


def test_a_day_does_not_expect_a_file_that_we_write(tmp_path: Path) -> None:
    written = DELIMITED.replace("stage: refin", "stage: mailing\ndirection: out")
    assert findings(write_folder(tmp_path, FIXED, written)) == [
        "portfolio.yaml:11: expects[refin].any_of[0]: refin is a file that we write: a day expects files that are read"
    ]


def test_a_day_does_not_expect_a_file_that_a_command_imports(tmp_path: Path) -> None:
    imported = DELIMITED.replace("stage: refin", "stage: refin\ndirection: import")
    assert findings(write_folder(tmp_path, FIXED, imported)) == [
        "portfolio.yaml:11: expects[refin].any_of[0]: refin is read by a command, once: a day expects files that come"
    ]


def test_columns_of_contratos_are_fields_of_every_version_of_the_remessa(tmp_path: Path) -> None:
    portfolio = f"{PORTFOLIO}contratos_columns: [nome, valor]\n"
    assert load_catalogue(write_folder(tmp_path / "a", FIXED, DELIMITED, REMESSA, portfolio=portfolio))
    older = REMESSA.partition("versions:\n")[2].replace("  - format", "  - since: 1999-01-01\n    format")
    folder = write_folder(
        tmp_path / "b", FIXED, DELIMITED, REMESSA + older.replace("{name: valor}", "{name: saldo}"), portfolio=portfolio
    )
    assert findings(folder) == [
        "portfolio.yaml:13: contratos_columns[1]: valor is no field of remessa (version since 1999-01-01)"
    ]


def test_a_stage_has_the_fields_that_its_rules_rely_on(tmp_path: Path) -> None:
    without = REMESSA.replace("name: nome", "name: cliente").replace("{name: ddd}, ", "").replace("telefone", "fone")
    without = without.replace("{name: uf}, ", "")
    assert findings(write_folder(tmp_path, FIXED, DELIMITED, without)) == [
        "remessa.yaml:7: versions[0]: stage remessa needs a group endereco with the fields uf",
        "remessa.yaml:7: versions[0]: stage remessa needs a group telefone with the fields ddd, numero, tipo",
        "remessa.yaml:7: versions[0]: stage remessa needs the fields nome: add them, or rename some",
    ]


def test_every_detail_record_of_a_stage_by_contract_has_the_contract(tmp_path: Path) -> None:
    records = """\
      - {name: outro, length: 12, match: {field: x, equals: 2}, fields: [{name: x, width: 1}, {name: y, width: 11}]}
"""
    text = FIXED.replace("length: 12", "length: 12\n        match: {field: motivo, equals: abcd}") + records
    text = text.replace("key: [contrato]\n", "")
    assert findings(write_folder(tmp_path, text, DELIMITED)) == [
        "exclusao.yaml:17: versions[0].records[outro]: this record needs the field contrato too"
    ]


def test_a_history_is_of_email_or_of_sms(tmp_path: Path) -> None:
    def history(*fields: str) -> str:
        items = "".join(f"          - {{name: {name}}}\n" for name in fields)
        head = DELIMITED.partition("          - {name: contrato")[0].replace("carteira_veic", "historico")
        return head.replace("layout: refin", "layout: historico").replace("stage: refin", "stage: historico") + items

    sms = history("protocolo", "data_envio", "telefone", "mensagem")
    assert load_catalogue(write_folder(tmp_path / "a", FIXED, DELIMITED, sms))
    neither = history("protocolo", "data_envio", "telefone", "texto")
    assert findings(write_folder(tmp_path / "b", FIXED, DELIMITED, neither)) == [
        "historico.yaml:10: versions[0]: stage historico needs the fields mensagem: add them, or rename some"
    ]


OTHER = DELIMITED.replace("layout: refin", "layout: outro")
COLUMN = "{name: taxa"


@pytest.mark.parametrize(
    ("other", "clashes"),
    [
        (OTHER, 3),
        (OTHER.replace("names:\n", "names:\n  - REFIN_CARTEIRA_VEIC_<DDMMAAHHMISS>[x].csv\n"), 4),
        (OTHER.replace(COLUMN, "{name: outra"), 0),
        (OTHER.replace("kind: delimited", "kind: delimited, delimiter: ','"), 1),  # a workbook has no delimiter
        (OTHER.replace("kind: delimited", "kind: delimited, header: false"), 1),
        (OTHER.replace("refin_carteira", "outro_carteira"), 0),
        (OTHER.replace("stage: refin", "stage: mailing\ndirection: out"), 0),
    ],
)  # fmt: skip
def test_two_layouts_that_take_one_name_are_told_apart_by_content_or_refused(
    tmp_path: Path, other: str, clashes: int
) -> None:
    folder = write_folder(tmp_path, FIXED, DELIMITED, other)
    if not clashes:
        assert len(load_catalogue(folder).layouts) == 3
        return
    found = findings(folder)
    assert len(found) == clashes
    assert all("takes such names too" in finding for finding in found)


@pytest.mark.parametrize(
    ("before", "after", "clash"),
    [
        ("layout: exclusao", "layout: outro", True),
        ("width: 4", "width: 5", False),
        ("length: 12", "length: 12\n        match: {field: motivo, equals: B}", True),
        ("kind: fixed", "kind: delimited", False),
    ],
)
def test_fixed_records_are_told_apart_by_length_and_constants(
    tmp_path: Path, before: str, after: str, clash: bool
) -> None:
    other = FIXED.replace("layout: exclusao", "layout: outro").replace(before, after)
    other = other.replace("length: 12", "length: 13") if "width: 5" in other else other
    folder = write_folder(tmp_path, FIXED, DELIMITED, other)
    if clash:
        assert [finding.partition(":")[0] for finding in findings(folder)] == ["outro.yaml"]
    else:
        assert len(load_catalogue(folder).layouts) == 3


def test_constants_in_one_place_tell_two_fixed_layouts_apart(tmp_path: Path) -> None:
    def layout(name: str, constant: str) -> str:
        text = FIXED.replace("layout: exclusao", f"layout: {name}")
        return text.replace("length: 12", f"length: 12\n        match: {{field: motivo, equals: {constant}}}")

    assert load_catalogue(write_folder(tmp_path / "a", layout("exclusao", "A"), DELIMITED, layout("outro", "B")))
    assert findings(write_folder(tmp_path / "b", layout("exclusao", "A"), DELIMITED, layout("outro", "A")))


def test_portfolios_share_no_name_and_no_folder_of_the_lake(tmp_path: Path) -> None:
    write_folder(tmp_path / "a")
    write_folder(tmp_path / "b")
    with pytest.raises(StructureError) as raised:
        load_catalogues(tmp_path)
    assert [str(finding).removeprefix(f"{tmp_path}/") for finding in raised.value.findings] == [
        f"b/portfolio.yaml:1: portfolio: {tmp_path}/a/portfolio.yaml has this name too: one portfolio, one folder",
        f"b/portfolio.yaml:1: prefix: {tmp_path}/a/portfolio.yaml has the same: give one of both a `prefix` of its own "
        "(a folder of lake and archive)",
    ]


def test_every_folder_with_a_portfolio_is_a_catalogue_and_no_other(tmp_path: Path) -> None:
    write_folder(tmp_path / "b")
    write_folder(tmp_path / "a", portfolio=PORTFOLIO.replace("carteira_teste", "outra\nprefix: outra"))
    write(tmp_path / "notes" / "remark.yaml", "a: 1")
    assert [catalogue.portfolio.portfolio for catalogue in load_catalogues(tmp_path)] == ["outra", "carteira_teste"]


def test_no_portfolio_at_all_is_said(tmp_path: Path) -> None:
    with pytest.raises(StructureError, match=r"no folder with a portfolio\.yaml"):
        load_catalogues(tmp_path / "nowhere")


def test_the_mailing_has_the_places_that_the_portfolio_says(tmp_path: Path) -> None:
    mailing = """\
layout: mailing
title: Mailing
description: Contratos a discar
stage: mailing
direction: out
names: ["mailing_<DIA>_<ONDA>_<TIPO>.csv"]
versions:
  - format: {kind: delimited}
    records:
      - name: contrato
        fields: [{name: contrato, type: digits, zero_pad: 8}, {group: telefone, times: 4, fields: [{name: ddd}]}]
"""
    portfolio = f"{PORTFOLIO}telefones: {{places: 6, kept_for_enrichment: 2}}\n"
    folder = write_folder(tmp_path, portfolio=portfolio)
    write(folder / "mailing.yaml", mailing)
    assert any("6 places, and mailing has its group telefone 4 times" in line for line in findings(folder))


def test_an_expectation_is_waived_by_a_decision_that_exists(tmp_path: Path) -> None:
    waived = PORTFOLIO.replace("any_of: [refin]}", "any_of: [refin], waived_by: no-refin}")
    folder = write_folder(tmp_path, portfolio=waived)
    assert any("waived_by" in line and "no-acordos" in line for line in findings(folder))


def test_documents_are_checked_again_when_they_changed_and_only_then(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a")
    (first,) = load_catalogues(tmp_path)
    (again,) = load_catalogues(tmp_path)
    assert again is first
    document = folder / "portfolio.yaml"
    stamps = document.stat()
    document.write_text(document.read_text(encoding="utf-8").replace("title: ", "title: X"), encoding="utf-8")
    os.utime(document, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))  # a copied folder keeps its times
    (changed,) = load_catalogues(tmp_path)
    assert changed.portfolio.title == f"X{first.portfolio.title}"
    document.write_text("portfolio: [", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(StructureError):
            load_catalogues(tmp_path)
