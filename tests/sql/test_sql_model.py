"""A model's file, read and checked: everything wrong with it is said at once, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from atom_pipeline.errors import StructureError
from atom_pipeline.sql import load_model, load_models

HEADER = """/* ---
description: Contratos.
grain: Um contrato.
key: [contrato]
columns:
  contrato: Número.
--- */
"""
GOOD = HEADER + "SELECT contrato FROM contratos ORDER BY contrato\n"


def written(folder: Path, text: str, name: str = "modelo") -> Path:
    path = folder / f"{name}.sql"
    path.write_text(text, encoding="utf-8")
    return path


def findings(folder: Path, text: str, name: str = "modelo") -> list[str]:
    """``line: message`` of each finding of a file."""
    with pytest.raises(StructureError) as caught:
        load_model(written(folder, text, name))
    assert all(finding.file.endswith(f"{name}.sql") for finding in caught.value.findings)
    return [
        f"{finding.line}: {finding.path} {finding.message}".replace(":  ", ": ") for finding in caught.value.findings
    ]


def test_a_model_says_what_it_is_reads_and_needs(tmp_path: Path) -> None:
    text = """/* ---
description: Contratos do dia.
rules: [R012]
grain: Um contrato.
key: [contrato]
columns:
  contrato: Número.
  vezes: Quantas vezes.
--- */
WITH contratos AS (SELECT id AS contrato FROM base WHERE dia = $dia)

SELECT contratos.contrato, (SELECT count(*) AS n FROM acordos WHERE acordos.id = contratos.contrato) AS vezes
FROM contratos
ORDER BY contrato
"""
    model = load_model(written(tmp_path, text))
    assert (model.name, model.description, model.rules, model.key) == (
        "modelo",
        "Contratos do dia.",
        ("R012",),
        ("contrato",),
    )
    assert model.columns == {"contrato": "Número.", "vezes": "Quantas vezes."}
    assert model.dependencies == {"base", "acordos"}, "a name given by WITH is no table"
    assert model.parameters == {"dia"}


def test_columns_are_in_the_order_of_the_select(tmp_path: Path) -> None:
    text = HEADER.replace("  contrato", "  z: Zê.\n  contrato") + "SELECT contrato, z FROM contratos ORDER BY contrato"
    assert list(load_model(written(tmp_path, text)).columns) == ["contrato", "z"]


def test_a_range_in_a_name_describes_many_columns(tmp_path: Path) -> None:
    text = (
        HEADER.replace("--- */", "  telefone_<9..10>_ddd: DDD {n}.\n--- */")
        + "SELECT contrato, a AS telefone_9_ddd, b AS telefone_10_ddd FROM contratos ORDER BY contrato"
    )
    columns = load_model(written(tmp_path, text)).columns
    assert columns == {"contrato": "Número.", "telefone_9_ddd": "DDD 9.", "telefone_10_ddd": "DDD 10."}


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT contrato, b FROM t ORDER BY contrato", "1: column b is selected but not described"),
        ("SELECT b AS contrato, 1 AS contrato FROM t ORDER BY contrato", "1: column contrato is selected twice"),
        ("SELECT contrato, 1 + 1 FROM t ORDER BY contrato", "1: column 2 of the SELECT has no name: add AS"),
        ("SELECT * FROM t ORDER BY contrato", "1: a SELECT names its columns: no *"),
        (
            "WITH u AS (SELECT t.* FROM t) SELECT contrato FROM u ORDER BY contrato",
            "1: a SELECT names its columns: no *",
        ),
        ("SELECT contrato FROM t", "1: no ORDER BY: a re-run must give the same bytes"),
        ("SELECT contrato FROM t; SELECT 1", "1: a model is one SELECT, this file has 2 statements"),
        ("", "1: a model is one SELECT, this file has 0 statements"),
        ("DELETE FROM t", "1: a model is one SELECT, this is DELETE"),
        ("CREATE TABLE x AS SELECT contrato FROM t ORDER BY contrato", "1: a model is one SELECT, this is CREATE"),
        ("SELECT contrato FROM modelo ORDER BY contrato", "1: the model reads itself"),
    ],
)
def test_a_select_that_is_not_a_model_is_refused(tmp_path: Path, sql: str, said: str) -> None:
    assert said in findings(tmp_path, HEADER + sql)


@pytest.mark.parametrize("source", ["read_parquet('x.parquet')", "'x.parquet'", "other.contratos"])
def test_a_model_reads_nothing_but_tables_by_their_names(tmp_path: Path, source: str) -> None:
    (said,) = findings(tmp_path, HEADER + f"SELECT contrato FROM {source} ORDER BY contrato")
    assert said.endswith("a model reads tables of the lake and other models by their bare names")


def test_a_column_described_but_not_selected_is_refused(tmp_path: Path) -> None:
    text = HEADER + "SELECT 1 AS outra ORDER BY outra"
    assert set(findings(tmp_path, text)) == {
        "1: column contrato is described but not selected",
        "1: column outra is selected but not described",
        "1: key contrato is not selected",
        "1: ORDER BY lacks contrato of the key, so the order of equal rows is left to chance",
    }


def test_an_order_that_leaves_equal_rows_to_chance_is_refused(tmp_path: Path) -> None:
    header = HEADER.replace("[contrato]", "[contrato, parcela]").replace("--- */", "  parcela: P.\n--- */")
    said = findings(tmp_path, header + "SELECT contrato, parcela FROM t ORDER BY contrato")
    assert said == ["1: ORDER BY lacks parcela of the key, so the order of equal rows is left to chance"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("grain: Um contrato.", "grao: Um contrato."), {"2: grain Field required", "3: grao Extra inputs"}),
        (("key: [contrato]\n", ""), {"2: key Field required"}),
        (("contrato: Número.", "contrato: Número.\n  contrato: Outro."), {"7: not YAML: contrato stands twice"}),
        (("key: [contrato]", "key: [contrato"), {"5: not YAML"}),
        (("/* ---", "/*"), {"1: the file does not begin with"}),
        (("  contrato: Número.", "  Contrato: Número."), {"1: column Contrato: a name is lower case, digits and _"}),
        (
            ("  contrato: Número.", "  contrato: Número.\n  x_<1..2>: A.\n  x_2: B."),
            {"1: column x_2 is described twice"},
        ),
    ],
)
def test_a_header_with_a_mistake_is_refused_at_its_line(
    tmp_path: Path, change: tuple[str, str], said: set[str]
) -> None:
    found = findings(tmp_path, GOOD.replace(*change))
    for expected in said:
        assert any(message.startswith(expected) for message in found), found


def test_sql_that_cannot_be_read_is_refused_at_its_line(tmp_path: Path) -> None:
    (said,) = findings(tmp_path, HEADER + "SELECT contrato\nFROM t WHERE (\nORDER BY contrato")
    assert said.startswith("10: not SQL: ")


def test_everything_wrong_in_a_folder_is_said_at_once(tmp_path: Path) -> None:
    written(tmp_path, HEADER + "SELECT contrato FROM t", "um")
    written(tmp_path, "SELECT 1 AS a", "dois")
    with pytest.raises(StructureError) as caught:
        load_models(tmp_path)
    assert [Path(finding.file).stem for finding in caught.value.findings] == ["dois", "um"]


def test_models_come_after_those_they_read(tmp_path: Path) -> None:
    written(tmp_path, GOOD.replace("FROM contratos", "FROM meio"), "a_fim")
    written(tmp_path, GOOD.replace("FROM contratos", "FROM z_inicio"), "meio")
    written(tmp_path, GOOD, "z_inicio")
    assert [model.name for model in load_models(tmp_path)] == ["z_inicio", "meio", "a_fim"]


def test_models_that_read_each_other_in_a_circle_are_refused(tmp_path: Path) -> None:
    written(tmp_path, GOOD.replace("FROM contratos", "FROM b"), "a")
    written(tmp_path, GOOD.replace("FROM contratos", "FROM a"), "b")
    with pytest.raises(StructureError, match="in a circle"):
        load_models(tmp_path)
