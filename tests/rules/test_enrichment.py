"""Tests of atom_pipeline.rules.enrichment and atom_pipeline.rules.groups."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atom_pipeline.layout.model import Version
from atom_pipeline.rules.enrichment import apply_garantias, apply_parcelas, apply_refin, enderecos
from atom_pipeline.rules.groups import meanings, unfold
from atom_pipeline.rules.state import Step

D1, D2 = date(2026, 2, 9), date(2026, 2, 10)
EVENING, NIGHT = datetime(2026, 2, 9, 20, 0), datetime(2026, 2, 10, 1, 0)
BASE = pl.DataFrame({"contrato": ["1", "2"]})
NOTHING = pl.DataFrame()


def received(
    *rows: dict[str, object], arquivo: str = "f", carimbo: datetime = EVENING, ordem: int = 1, registro: str = "r"
) -> pl.DataFrame:
    """Accepted rows of one file, on lines 1, 2, ..."""
    origin = {"registro": registro, "arquivo": arquivo, "carimbo": carimbo, "ordem": ordem}
    return pl.DataFrame(
        [{**row, **origin, "linha": line} for line, row in enumerate(rows, start=1)],
        schema_overrides={"linha": pl.UInt32, "carimbo": pl.Datetime("us")},
    )


def parcela(contrato: str, number: int) -> dict[str, object]:
    return {"contrato": contrato, "parcela": number}


def test_the_newest_parcelas_replace_the_contracts_whole_set() -> None:
    first = apply_parcelas(
        NOTHING, BASE, received(parcela("1", 1), parcela("1", 2), parcela("2", 1)), day=D1, layout_name="parcelas"
    ).tables["parcelas_abertas"]
    made = apply_parcelas(first, BASE, received(parcela("1", 3), arquivo="g"), day=D2, layout_name="parcelas")
    table = made.tables["parcelas_abertas"]
    assert table.columns == ["contrato", "parcela", "arquivo", "linha", "dia"]
    assert table.rows() == [("2", 1, "f", 3, D1), ("1", 3, "g", 1, D2)]
    assert made.before["parcelas_abertas"] is first
    assert made.ignoradas.is_empty()


def test_parcelas_of_a_contract_outside_the_base_are_set_aside_row_by_row() -> None:
    made = apply_parcelas(
        NOTHING, BASE, received(parcela("9", 2), parcela("1", 1), parcela("9", 1)), day=D1, layout_name="parcelas"
    )
    assert made.tables["parcelas_abertas"]["contrato"].to_list() == ["1"]
    assert made.ignoradas.select("dia", "layout", "arquivo", "linha", "contrato", "motivo").rows() == [
        (D1, "parcelas", "f", 1, "9", "CONTRATO_FORA_DA_BASE"),
        (D1, "parcelas", "f", 3, "9", "CONTRATO_FORA_DA_BASE"),
    ]


def test_without_a_file_a_table_stays_as_it_was() -> None:
    rows = received(parcela("1", 1))
    before = apply_parcelas(NOTHING, BASE, rows, day=D1, layout_name="p").tables["parcelas_abertas"]
    made = apply_parcelas(before, BASE, None, day=D2, layout_name="p")
    assert_frame_equal(made.tables["parcelas_abertas"], before)
    assert made.ignoradas.is_empty()


def test_a_file_without_rows_takes_nothing_away() -> None:
    rows = received(parcela("1", 1))
    before = apply_parcelas(NOTHING, BASE, rows, day=D1, layout_name="p").tables["parcelas_abertas"]
    made = apply_parcelas(before, BASE, rows.clear(), day=D2, layout_name="p")
    assert_frame_equal(made.tables["parcelas_abertas"], before)


def test_a_table_does_not_depend_on_the_order_of_the_rows_received() -> None:
    rows = received(*(parcela(contrato, number) for contrato in ("2", "1", "9") for number in range(5)))
    straight = apply_parcelas(NOTHING, BASE, rows, day=D1, layout_name="p")
    shuffled = apply_parcelas(
        NOTHING, BASE.reverse(), rows.sample(fraction=1, shuffle=True, seed=1), day=D1, layout_name="p"
    )
    assert_frame_equal(straight.tables["parcelas_abertas"], shuffled.tables["parcelas_abertas"])
    assert_frame_equal(straight.ignoradas, shuffled.ignoradas)


def test_the_record_types_of_garantias_are_one_set_per_contract() -> None:
    veiculo = received({"contrato": "1", "placa": "AAA0A00"}, {"contrato": "2", "placa": "BBB0B00"}, registro="veiculo")
    imovel = received({"contrato": "1", "matricula": "77"}, registro="imovel", arquivo="e")
    first = apply_garantias(
        NOTHING, BASE, pl.concat([veiculo, imovel], how="diagonal"), day=D1, layout_name="garantias"
    ).tables["garantias"]
    assert first.select("contrato", "registro", "placa", "matricula").rows() == [
        ("1", "imovel", None, "77"),
        ("1", "veiculo", "AAA0A00", None),
        ("2", "veiculo", "BBB0B00", None),
    ]
    other = received({"contrato": "1", "placa": "CCC0C00"}, registro="veiculo")
    second = apply_garantias(first, BASE, other, day=D2, layout_name="garantias").tables["garantias"]
    assert second.select("contrato", "registro", "placa", "matricula", "dia").rows() == [
        ("2", "veiculo", "BBB0B00", None, D1),
        ("1", "veiculo", "CCC0C00", None, D2),
    ]


def test_a_new_refin_replaces_the_contracts_old_one_whole_blanks_too() -> None:
    first = apply_refin(
        NOTHING, BASE, received({"contrato": "1", "valor": 10, "prazo": 12}), day=D1, layout_name="refin"
    ).tables["refin_vigente"]
    newer = received({"contrato": "1", "valor": 20, "prazo": None})
    second = apply_refin(first, BASE, newer, day=D2, layout_name="refin").tables["refin_vigente"]
    assert second.columns == ["contrato", "valor", "prazo", "arquivo", "linha", "dia"]
    assert second.rows() == [("1", 20, None, "f", 1, D2)]


def test_of_several_refin_rows_of_a_contract_the_newest_counts() -> None:
    late = received({"contrato": "1", "valor": 30}, {"contrato": "2", "valor": 31}, arquivo="a", carimbo=NIGHT, ordem=1)
    early = received({"contrato": "1", "valor": 10}, {"contrato": "1", "valor": 11}, arquivo="b", ordem=2)
    made = apply_refin(NOTHING, BASE, pl.concat([late, early]), day=D2, layout_name="refin").tables["refin_vigente"]
    assert made.select("contrato", "valor").rows() == [("1", 30), ("2", 31)]


@pytest.mark.parametrize("apply", [apply_parcelas, apply_garantias, apply_refin])
def test_a_number_with_other_zeros_on_its_left_finds_its_contract(apply: Callable[..., Step]) -> None:
    base = pl.DataFrame({"contrato": ["000001", "000002"]})
    first = apply(NOTHING, base, received({"contrato": "000001"}, {"contrato": "2"}), day=D1, layout_name="x", digits=6)
    (table,) = first.tables.values()
    assert table["contrato"].to_list() == ["000001", "000002"]
    second = apply(table, base, received({"contrato": " 01 "}, {"contrato": "3"}), day=D2, layout_name="x", digits=6)
    (table,) = second.tables.values()
    assert table.select("contrato", "dia").rows() == [("000002", D1), ("000001", D2)]
    assert second.ignoradas["contrato"].to_list() == ["000003"]


def test_two_forms_of_one_number_are_one_refin() -> None:
    base = pl.DataFrame({"contrato": ["000001"]})
    rows = received({"contrato": "1", "valor": 10}, {"contrato": "0001", "valor": 11})
    made = apply_refin(NOTHING, base, rows, day=D1, layout_name="refin", digits=6).tables["refin_vigente"]
    assert made.select("contrato", "valor").rows() == [("000001", 11)]


def test_a_new_version_of_a_layout_adds_a_column_and_old_rows_leave_it_blank() -> None:
    first = apply_refin(NOTHING, BASE, received({"contrato": "1", "valor": 1}), day=D1, layout_name="refin")
    wider = received({"contrato": "2", "valor": 2, "taxa": 3})
    second = apply_refin(first.tables["refin_vigente"], BASE, wider, day=D2, layout_name="refin")
    assert second.tables["refin_vigente"].select("contrato", "valor", "taxa").rows() == [("1", 1, None), ("2", 2, 3)]


def test_addresses_stand_as_in_the_last_remessa_row_without_blank_places() -> None:
    cadastro = pl.DataFrame(
        {
            "contrato": ["2", "1"],
            "endereco_1_logradouro": [None, "Rua B"],
            "endereco_1_tipo": ["R", "X"],
            "endereco_2_logradouro": ["Rua A", "Rua C"],
            "endereco_2_tipo": ["R", None],
            "endereco_10_cep": ["01001000", None],
        }
    )
    made = enderecos(cadastro, {"R": "Residencial"})
    assert made.select("contrato", "ordem", "tipo", "logradouro", "cep").rows() == [
        ("1", 1, "X", "Rua B", None),
        ("1", 2, None, "Rua C", None),
        ("2", 1, "Residencial", "Rua A", None),
        ("2", 2, None, None, "01001000"),
    ]
    assert_frame_equal(enderecos(cadastro.reverse(), {"R": "Residencial"}), made)


def test_a_row_without_the_group_has_no_repetition() -> None:
    frame = pl.DataFrame({"contrato": ["1"], "telefone": ["11911110001"]})
    made = unfold(frame, "telefone", {"ddd": pl.String()}, ["contrato"])
    assert made.schema == {"contrato": pl.String, "ddd": pl.String, "lugar": pl.Int64}
    assert made.is_empty()


def test_what_the_codes_of_a_group_mean_comes_from_the_layout() -> None:
    version = Version.model_validate(
        {
            "format": {"kind": "delimited"},
            "records": [
                {
                    "name": "r",
                    "fields": [
                        {"name": "contrato"},
                        {
                            "group": "telefone",
                            "times": 2,
                            "fields": [{"name": "numero"}, {"name": "tipo", "domain": {"C": "Celular"}}],
                        },
                    ],
                }
            ],
        }
    )
    assert meanings(version, "telefone", "tipo") == {"C": "Celular"}
    assert meanings(version, "telefone", "numero") == {}
    assert meanings(version, "endereco", "tipo") == {}
