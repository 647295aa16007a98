"""What is drawn from an index: the same in any chunk and order, and documents, phones and dates that hold together."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.br import cnpj, cpf

from atom_pipeline.layout.model import Record
from atom_pipeline.portfolio import Portfolio
from atom_pipeline.sample.draws import Draws
from atom_pipeline.sample.fields import frame
from atom_pipeline.sample.loans import day_number
from atom_pipeline.sample.rowset import Source

DAY = date(2026, 8, 4)  # a Tuesday
RECORD = Record.model_validate(
    {
        "name": "detalhe",
        "fields": [
            {"name": "contrato", "type": "digits", "zero_pad": 10, "required": True},
            {"name": "cpf_cnpj", "width": 14, "checks": ["cpf_cnpj"]},
            {"name": "nome", "width": 20},
            {"name": "parcelas_vencidas"},
            {"name": "valor_total", "type": "decimal", "decimals": 2, "width": 13},
            {"group": "telefone", "times": 2, "fields": [{"name": "ddd", "type": "digits"}, {"name": "numero"}]},
            {"name": "algo_que_ninguem_previu", "type": "decimal", "decimals": 4, "width": 7},
            {"name": "outra_data", "type": "date", "format": "AAAAMMDD"},
            {"name": "outro_momento", "type": "datetime", "format": "AAAAMMDDHHMMSS"},
            {"name": "outra_hora", "type": "time", "format": "HHMMSS"},
            {"name": "outro_codigo", "domain": {"A": "um", "B": "outro"}, "required": True},
            {"name": "outro_numero", "type": "integer", "minimum": 5, "maximum": 9, "required": True},
            {"name": "outra_placa", "checks": ["plate"]},
            {"name": "outro_cnpj", "checks": ["cnpj"]},
        ],
    }
)


def source() -> Source:
    portfolio = Portfolio.model_validate(
        {
            "portfolio": "teste",
            "title": "Teste",
            "description": "Carteira de teste",
            "creditor": "Banco",
            "ascob": "528",
            "campaign": {"id": 1, "name": "Teste"},
            "operation": {"start": date(2026, 8, 3)},
        }
    )
    return Source(portfolio, 11, (date(2026, 8, 3), DAY), 5_000, 100)


SOURCE = source()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 5_099), min_size=1, max_size=40), st.data())
def test_a_row_is_the_same_in_any_chunk_and_order(contracts: list[int], data: st.DataObject) -> None:
    indices = np.asarray(contracts, dtype=np.int64)
    order = np.asarray(data.draw(st.permutations(range(len(contracts)))))
    whole = frame(RECORD, SOURCE.rows(indices, DAY))
    one_by_one = pl.concat([frame(RECORD, SOURCE.rows(indices[[at]], DAY)) for at in order])
    assert one_by_one.equals(whole[order.tolist()])


def test_documents_have_valid_digits_and_belong_to_one_person_each() -> None:
    people = SOURCE.rows(np.arange(5_000, dtype=np.int64), DAY).people
    company = pl.Series(people.is_company)
    documents = people.document
    assert all(cnpj.is_valid(value) for value in documents.filter(company))
    assert all(cpf.is_valid(value) for value in documents.filter(~company))
    persons = pl.DataFrame({"person": people.index, "document": documents}).unique()
    assert persons["document"].n_unique() == persons.height
    assert persons.height < 5_000, "some people have several contracts"
    assert documents.filter(company).str.contains("[A-Z]").any(), "since July 2026 a CNPJ may have letters"
    assert 0.02 < company.mean() < 0.07  # type: ignore[operator]


def test_some_people_share_a_phone_with_somebody_else() -> None:
    people = SOURCE.rows(np.arange(5_000, dtype=np.int64), DAY).people
    phones = pl.DataFrame({"person": people.index, "phone": people.phone_with_ddd(1)}).unique()
    shared = phones.group_by("phone").len().filter(pl.col("len") > 1)
    assert shared.height > 10
    assert phones["phone"].str.contains(r"^[1-9][0-9](9[6-9][0-9]{7}|[2-5][0-9]{7})$").all()


def test_contract_numbers_are_distinct_and_some_start_with_zeros() -> None:
    numbers = SOURCE.numbers(np.arange(200_000, dtype=np.int64))
    assert numbers.n_unique() == 200_000
    assert set(numbers.str.len_chars()) == {10}
    assert 0.1 < numbers.str.starts_with("0").mean() < 0.25  # type: ignore[operator]


def test_a_document_tells_nothing_of_the_contract_number() -> None:
    rows = SOURCE.rows(np.arange(5_000, dtype=np.int64), DAY)
    same_start = (rows.people.cpf.str.head(2) == rows.number.str.tail(9).str.head(2)).mean()
    assert same_start < 0.03  # type: ignore[operator]


def test_an_instalment_falls_due_before_the_contract_is_placed_and_later_days_are_later() -> None:
    indices = np.arange(3_000, dtype=np.int64)
    first, later = (SOURCE.rows(indices, day).loans for day in (date(2026, 8, 3), date(2026, 9, 14)))
    assert (first.due(0) < first.placed_on).all()
    assert (first.days_late > 0).all()
    assert (later.days_late == first.days_late + (day_number(later.day) - first.today)).all()
    assert (later.overdue >= first.overdue).all()
    assert (first.paid >= 0).all() and (first.to_come >= 0).all()
    due_by_now = first.due(first.overdue - 1) < first.today
    assert due_by_now.all(), "every overdue instalment is due before the day"


def test_a_field_that_nobody_foresaw_is_filled_by_its_type_and_checks() -> None:
    made = frame(RECORD, SOURCE.rows(np.arange(400, dtype=np.int64), DAY))
    assert made["algo_que_ninguem_previu"].dtype == pl.Decimal(18, 4)
    assert made["algo_que_ninguem_previu"].null_count() in range(10, 120), "some blank numerics"
    assert made["outro_codigo"].is_in(["A", "B"]).all()
    assert made["outro_numero"].is_between(5, 9).all()
    assert made["outra_placa"].drop_nulls().str.contains("^[A-Z]{3}[0-9][A-Z0-9][0-9]{2}$").all()
    assert all(cnpj.is_valid(value) for value in made["outro_cnpj"].drop_nulls())
    types = (made["outra_data"].dtype, made["outro_momento"].dtype, made["outra_hora"].dtype)
    assert types == (pl.Date, pl.Datetime("us"), pl.Time)
    assert made["nome"].str.len_chars().max() <= 20  # type: ignore[operator]


@given(st.integers(0, 300), st.integers(0, 400), st.integers(0, 10))
def test_pick_takes_so_many_without_repetition(size: int, count: int, salt: int) -> None:
    candidates = np.arange(7, 7 + size, dtype=np.int64)
    chosen = Draws(3).pick(count, candidates, "test", salt)
    assert len(chosen) == min(count, size)
    assert np.isin(chosen, candidates).all()
    assert (np.diff(chosen) > 0).all()


def test_shares_and_weights_come_out_about_as_asked() -> None:
    indices = np.arange(100_000, dtype=np.int64)
    draws = Draws(5)
    assert abs(draws.share(0.03, indices, "x").mean() - 0.03) < 0.003
    assert not draws.share(0.0, indices, "x").any()
    counts = np.bincount(draws.weighted([1, 3, 6], indices, "y")) / len(indices)
    assert np.abs(counts - [0.1, 0.3, 0.6]).max() < 0.01
