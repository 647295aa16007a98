"""Tests of atom_pipeline.identity."""

from __future__ import annotations

import polars as pl

from atom_pipeline.identity import canonical_contrato, canonical_document, id_crm, same_document


def test_an_id_is_the_same_on_every_machine_and_replay() -> None:
    # The literal is the proof: it changes only if every id already at the CRM changes.
    assert id_crm("banco_pan_veiculos", pl.Series(["52998224725"])).to_list() == ["H5KRGF34ZFVG654I"]


def test_ids_follow_the_rows_and_null_stays_null() -> None:
    ids = id_crm("p", pl.Series(["52998224725", None, "11144477735", "52998224725"]))
    assert ids.name == "id_crm"
    assert ids[0] == ids[3] != ids[2]
    assert ids[1] is None


def test_one_person_has_one_id_however_the_document_is_written() -> None:
    ids = id_crm("p", pl.Series(["529.982.247-25", "52998224725", "00529982247", "529982247", "12abc34501de35"]))
    assert ids[0] == ids[1]
    assert ids[2] == ids[3]
    assert ids[4] == id_crm("p", pl.Series(["12.ABC.345/01DE-35"]))[0]
    assert ids.n_unique() == 3


def test_a_portfolio_has_ids_of_its_own() -> None:
    document = pl.Series(["52998224725"])
    assert id_crm("a", document)[0] != id_crm("b", document)[0]


def test_no_two_of_many_clients_share_an_id() -> None:
    documents = pl.Series([f"{n:011d}" for n in range(100_000)])
    assert id_crm("p", documents).n_unique() == 100_000


def test_an_empty_base_has_no_ids() -> None:
    ids = id_crm("p", pl.Series([], dtype=pl.String))
    assert ids.dtype == pl.String
    assert ids.len() == 0


def test_documents_are_compared_without_punctuation_and_zeros_on_the_left() -> None:
    frame = pl.DataFrame(
        {
            "ours": ["01234567890", "12ABC34501DE35", "52998224725", None, "52998224725"],
            "theirs": ["1234567890", "12.abc.345/01de-35", "11144477735", "52998224725", None],
        }
    )
    assert frame.select(same_document(pl.col("ours"), pl.col("theirs"))).to_series().to_list() == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_a_document_regains_the_zeros_a_spreadsheet_ate() -> None:
    frame = pl.DataFrame({"d": ["1234567890", "1.910.000/0000-19", "", " ", None]})
    assert frame.select(canonical_document(pl.col("d"))).to_series().to_list() == [
        "01234567890",
        "01910000000019",
        None,
        None,
        None,
    ]


def test_contract_numbers_have_one_form() -> None:
    frame = pl.DataFrame({"c": [" 123 ", "000123", "12345678", "000", "", None]})
    assert frame.select(canonical_contrato(pl.col("c"), 6)).to_series().to_list() == [
        "000123",
        "000123",
        "12345678",
        "000000",
        None,
        None,
    ]
    assert frame.select(canonical_contrato(pl.col("c"))).to_series().to_list() == [
        "123",
        "000123",
        "12345678",
        "000",
        None,
        None,
    ]
