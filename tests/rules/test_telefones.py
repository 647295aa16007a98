"""Tests of atom_pipeline.rules.telefones: each phone here is <DDD><number>, and every person is invented."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from atom_pipeline.errors import ProgramError
from atom_pipeline.rules.state import Step, empty, schema
from atom_pipeline.rules.telefones import apply_telefones

D1, D2, D3, D4 = (date(2026, 2, day) for day in (9, 10, 11, 12))
A, B, C, D, E = "11911110001", "11911110002", "1133330003", "21911110004", "21911110005"
CPF, OTHER_CPF = "52998224725", "11144477735"
NOBODY = empty("telefones_contato")
Phone = str | tuple[str, int | None]


def base(*contratos: str, cpf: str = CPF) -> pl.DataFrame:
    return pl.DataFrame({"contrato": list(contratos) or ["1"]}).with_columns(cpf_cnpj=pl.lit(cpf))


def cadastro(day: date, phones: Sequence[Phone | None], contrato: str = "1", tipo: str | None = "C") -> pl.DataFrame:
    """The last accepted remessa row of a contract, accepted on ``day``, with its phones in their places."""
    row: dict[str, object] = {"contrato": contrato, "arquivo": f"remessa_{day:%d}", "linha": 7, "dia": day}
    for place in range(1, 5):
        phone = phones[place - 1] if place <= len(phones) else None
        whole, score = phone if isinstance(phone, tuple) else (phone, None)
        row[f"telefone_{place}_ddd"] = whole[:2] if whole else None
        row[f"telefone_{place}_numero"] = whole[2:] if whole else None
        row[f"telefone_{place}_tipo"] = tipo if whole else None
        row[f"telefone_{place}_score"] = score
    text = {f"telefone_{place}_{name}": pl.String for place in range(1, 5) for name in ("ddd", "numero", "tipo")}
    scores = {f"telefone_{place}_score": pl.Int64 for place in range(1, 5)}
    return pl.DataFrame([row], schema_overrides=text | scores | {"linha": pl.UInt32})


def files(*rows: tuple[str, str, Sequence[Phone]], ordem: int = 1, arquivo: str = "telefones") -> pl.DataFrame:
    """Rows (contrato, CPF, up to three phones) of one file of telefones."""
    out = []
    for line, (contrato, cpf, phones) in enumerate(rows, start=2):
        row: dict[str, object] = {"cpf_cnpj": cpf, "contrato": contrato, "arquivo": arquivo, "linha": line}
        for place in range(1, 4):
            phone = phones[place - 1] if place <= len(phones) else None
            whole, score = phone if isinstance(phone, tuple) else (phone, None)
            row |= {f"telefone_{place}_numero": whole, f"telefone_{place}_score": score}
        out.append(row)
    text = {f"telefone_{place}_numero": pl.String for place in range(1, 4)}
    scores = {f"telefone_{place}_score": pl.Int64 for place in range(1, 4)}
    frame = pl.DataFrame(out, schema_overrides=text | scores | {"linha": pl.UInt32})
    stamp = datetime(2026, 2, 9, 9, 0)
    return frame.with_columns(
        registro=pl.lit("telefones"), carimbo=pl.lit(stamp, pl.Datetime("us")), ordem=pl.lit(ordem, pl.Int64)
    )


def step(
    previous: pl.DataFrame,
    row: pl.DataFrame,
    received: pl.DataFrame | None,
    day: date,
    contratos: pl.DataFrame | None = None,
    types: dict[str, str] | None = None,
) -> Step:
    known = base() if contratos is None else contratos
    return apply_telefones(previous, known, row, received, day=day, layout_name="telefones", types=types)


def table(made: Step) -> pl.DataFrame:
    return made.tables["telefones_contato"]


def listed(made: Step) -> list[tuple[str, str, int | None]]:
    return table(made).select("telefone", "tipo", "score").rows()


def test_the_remessa_gives_its_phones_in_its_order_then_the_files_in_order_of_arrival() -> None:
    made = step(NOBODY, cadastro(D1, [(B, 50), None, A]), files(("1", CPF, [(D, 90), C])), D1)
    assert listed(made) == [(B, "C", 50), (A, "C", None), (D, "Enriquecimento 1", 90), (C, "Enriquecimento 2", None)]
    assert table(made).select("ordem", "origem", "enriquecimento", "ddd", "numero", "arquivo", "linha").rows() == [
        (1, "REMESSA", None, "11", "911110002", "remessa_09", 7),
        (2, "REMESSA", None, "11", "911110001", "remessa_09", 7),
        (3, "ENRIQUECIMENTO", 1, "21", "911110004", "telefones", 2),
        (4, "ENRIQUECIMENTO", 2, "11", "33330003", "telefones", 2),
    ]
    assert dict(table(made).schema) == schema("telefones_contato")


def test_a_type_is_carried_by_its_meaning_and_an_unknown_code_by_itself() -> None:
    row = cadastro(D1, [A, B]).with_columns(telefone_2_tipo=pl.lit("X"))
    assert table(step(NOBODY, row, None, D1, types={"C": "Celular"}))["tipo"].to_list() == ["Celular", "X"]


def test_a_number_keeps_its_n_when_more_come_and_an_n_goes_on_from_the_last() -> None:
    first = step(NOBODY, cadastro(D1, []), files(("1", CPF, [B])), D1)
    second = step(table(first), cadastro(D2, []), files(("1", CPF, [A, B])), D2)
    assert listed(second) == [(B, "Enriquecimento 1", None), (A, "Enriquecimento 2", None)]
    assert table(second)["desde"].to_list() == [D1, D2]


def test_files_of_one_day_count_in_order_of_arrival_and_the_last_score_stays() -> None:
    late = files(("1", CPF, [(A, 10), (B, 20)]), ordem=2, arquivo="a_second")
    early = files(("1", CPF, [(C, 30), (A, 99)]), ordem=1, arquivo="z_first")
    made = step(NOBODY, cadastro(D1, []), pl.concat([late, early]), D1)
    assert listed(made) == [(C, "Enriquecimento 1", 30), (A, "Enriquecimento 2", 10), (B, "Enriquecimento 3", 20)]
    assert table(made).filter(telefone=A)["arquivo"].to_list() == ["z_first"]


def test_a_number_of_the_remessa_that_a_file_brings_stays_in_its_place_with_the_newest_score() -> None:
    made = step(NOBODY, cadastro(D1, [(A, 10), B]), files(("1", CPF, [D, (A, 80)])), D1)
    assert listed(made) == [(A, "C", 80), (B, "C", None), (D, "Enriquecimento 1", None)]


def test_a_number_that_a_file_brought_first_stays_enrichment_when_the_remessa_brings_it_too() -> None:
    first = step(NOBODY, cadastro(D1, [A]), files(("1", CPF, [(B, 10)])), D1)
    second = step(table(first), cadastro(D2, [(B, 70), A]), None, D2)
    assert listed(second) == [(A, "C", None), (B, "Enriquecimento 1", 70)]
    third = step(table(second), cadastro(D3, [A]), None, D3)
    assert listed(third) == listed(second)


def test_the_list_follows_the_remessa_and_a_dropped_number_leaves() -> None:
    first = step(NOBODY, cadastro(D1, [A, B]), None, D1)
    second = step(table(first), cadastro(D2, [C, B]), None, D2)
    assert listed(second) == [(C, "C", None), (B, "C", None)]
    assert table(second)["desde"].to_list() == [D2, D1]


def test_a_number_the_remessa_drops_goes_on_as_enrichment_when_a_file_had_confirmed_it() -> None:
    first = step(NOBODY, cadastro(D1, [A, B]), files(("1", CPF, [(A, 60), D])), D1)
    second = step(table(first), cadastro(D2, [B]), files(("1", CPF, [E])), D2)
    assert listed(second) == [
        (B, "C", None),
        (D, "Enriquecimento 1", None),
        (A, "Enriquecimento 2", 60),
        (E, "Enriquecimento 3", None),
    ]
    third = step(table(second), cadastro(D3, [A, B]), None, D3)
    assert table(third).select("telefone", "tipo").rows() == table(second).select("telefone", "tipo").rows()


def test_only_a_row_accepted_today_speaks_for_the_remessa() -> None:
    first = step(NOBODY, cadastro(D1, [(A, 10)]), None, D1)
    scored = step(table(first), cadastro(D1, [(A, 10)]), files(("1", CPF, [(A, 90)])), D2)
    assert listed(scored) == [(A, "C", 90)]
    # The row of D1 is still the last accepted one on D3: ignored by a block, or no remessa came.
    assert listed(step(table(scored), cadastro(D1, [(A, 10)]), None, D3)) == [(A, "C", 90)]
    assert listed(step(table(scored), cadastro(D4, [(A, 20)]), None, D4)) == [(A, "C", 20)]


def test_a_blank_score_does_not_erase_one() -> None:
    first = step(NOBODY, cadastro(D1, [(A, 10)]), files(("1", CPF, [(D, 20)])), D1)
    second = step(table(first), cadastro(D2, [A]), files(("1", CPF, [D])), D2)
    assert listed(second) == [(A, "C", 10), (D, "Enriquecimento 1", 20)]


def test_phones_stay_when_a_contract_leaves_and_returns() -> None:
    there = step(NOBODY, cadastro(D1, [A]), files(("1", CPF, [D])), D1)
    gone = step(table(there), cadastro(D1, [A]), None, D2)
    assert_frame_equal(table(gone), table(there))
    back = step(table(gone), cadastro(D3, [B, A]), None, D3)
    assert listed(back) == [(B, "C", None), (A, "C", None), (D, "Enriquecimento 1", None)]


@pytest.mark.parametrize(
    "phone",
    ["20911110001", "10911110001", "113333000", "1191111000011", "11811110001", "1111", "0", ""],
    ids=["DDD 20", "DDD 10", "7 digits", "11 digits", "9 digits starting with 8", "short", "zero", "blank"],
)
def test_a_number_that_cannot_be_dialled_is_left_out(phone: str) -> None:
    made = step(NOBODY, cadastro(D1, [phone, A]), files(("1", CPF, [phone, D])), D1)
    assert table(made)["telefone"].to_list() == [A, D]
    assert made.ignoradas.is_empty()


def test_padding_zeros_and_punctuation_do_not_make_another_number() -> None:
    row = cadastro(D1, [A]).with_columns(telefone_1_ddd=pl.lit("011"), telefone_2_ddd=pl.lit("11"))
    row = row.with_columns(telefone_2_numero=pl.lit("033330003"))
    made = step(NOBODY, row, files(("1", CPF, ["0(11) 91111-0001", "11 3333-0003"])), D1)
    assert table(made)["telefone"].to_list() == [A, C]


def test_a_number_twice_in_a_row_stands_at_its_first_place() -> None:
    made = step(NOBODY, cadastro(D1, [A, B, A]), files(("1", CPF, [D, D]), ("1", CPF, [D])), D1)
    assert table(made)["telefone"].to_list() == [A, B, D]


def test_one_number_may_belong_to_several_contracts() -> None:
    rows = pl.concat([cadastro(D1, [A], "1"), cadastro(D1, [A], "2")])
    made = step(NOBODY, rows, files(("1", CPF, [D]), ("2", CPF, [D])), D1, base("1", "2"))
    assert table(made).select("contrato", "telefone", "enriquecimento").rows() == [
        ("1", A, None),
        ("1", D, 1),
        ("2", A, None),
        ("2", D, 1),
    ]


def test_a_row_of_another_persons_cpf_is_refused_whole() -> None:
    made = step(NOBODY, cadastro(D1, []), files(("1", OTHER_CPF, [A]), ("1", CPF, [B])), D1)
    assert table(made)["telefone"].to_list() == [B]
    assert made.ignoradas.select("dia", "layout", "arquivo", "linha", "contrato", "motivo").rows() == [
        (D1, "telefones", "telefones", 2, "1", "CPF_DIVERGENTE")
    ]


def test_a_cpf_without_its_zeros_on_the_left_is_the_same_person() -> None:
    made = step(NOBODY, cadastro(D1, []), files(("1", "1234567890", [A])), D1, base("1", cpf="01234567890"))
    assert table(made)["telefone"].to_list() == [A]


def test_a_row_of_a_contract_outside_the_base_is_set_aside() -> None:
    made = step(NOBODY, cadastro(D1, []), files(("9", CPF, [A])), D1)
    assert table(made).is_empty()
    assert made.ignoradas.select("linha", "contrato", "motivo").rows() == [(2, "9", "CONTRATO_FORA_DA_BASE")]


def test_without_files_and_remessa_the_phones_stay_as_they_were() -> None:
    before = table(step(NOBODY, cadastro(D1, [A]), files(("1", CPF, [D])), D1))
    after = step(before, cadastro(D1, [A]), None, D2)
    assert_frame_equal(table(after), before)
    assert after.ignoradas.is_empty()
    assert after.before["telefones_contato"] is before


def test_a_layout_without_scores_gives_none() -> None:
    row = cadastro(D1, [A]).select(pl.exclude("^telefone_._score$"))
    assert listed(step(NOBODY, row, None, D1)) == [(A, "C", None)]


PHONE = st.tuples(st.sampled_from([A, B, C, D, E]), st.none() | st.integers(0, 9))
FILE_ROW = st.tuples(st.just("1"), st.just(CPF), st.lists(PHONE, max_size=3))
DAY = st.tuples(st.none() | st.lists(PHONE, max_size=4), st.none() | st.lists(FILE_ROW, min_size=1, max_size=3))


class Expected:
    """The rules of one contract's phones again, one number at a time."""

    def __init__(self) -> None:
        self.remessa: list[str] = []
        self.n: dict[str, int] = {}
        self.scores: dict[str, int] = {}
        self.confirmed: set[str] = set()

    def remessa_row(self, phones: Sequence[tuple[str, int | None]]) -> None:
        first = dict(reversed(phones))
        dropped = [number for number in self.remessa if number not in first]
        self.remessa = [number for number in dict(phones) if number not in self.n]
        for number in dropped:
            if number in self.confirmed:
                self.n[number] = len(self.n) + 1
            else:
                del self.scores[number]
        for number, score in first.items():
            self.score(number, score)

    def file_row(self, phones: Sequence[tuple[str, int | None]]) -> None:
        for number, score in phones:
            if number not in self.remessa and number not in self.n:
                self.n[number] = len(self.n) + 1
            self.confirmed.add(number)
            self.score(number, score)

    def score(self, number: str, score: int | None) -> None:
        self.scores[number] = score if score is not None else self.scores.get(number)  # type: ignore[assignment]

    def listed(self) -> list[tuple[str, str, int | None]]:
        enriched = [(number, f"Enriquecimento {n}") for number, n in self.n.items()]
        return [(number, tipo, self.scores[number]) for number, tipo in [(r, "C") for r in self.remessa] + enriched]


@settings(max_examples=80, deadline=None)
@given(days=st.lists(DAY, max_size=6), seed=st.integers(0, 99))
def test_any_days_give_the_phones_that_the_rules_give_one_by_one(
    days: list[tuple[list[tuple[str, int | None]] | None, list[tuple[str, str, list[Phone]]] | None]], seed: int
) -> None:
    expected, current, row = Expected(), NOBODY, cadastro(D1, [])
    for number, (phones, rows) in enumerate(days):
        day = date(2026, 3, 1 + number)
        if phones is not None:
            row = cadastro(day, phones)
            expected.remessa_row(phones)
        received = files(*rows).sample(fraction=1, shuffle=True, seed=seed) if rows else None
        for _, _, enrichment in rows or []:
            expected.file_row(enrichment)  # type: ignore[arg-type]
        made = step(current.sample(fraction=1, shuffle=True, seed=seed), row, received, day)
        assert listed(made) == expected.listed()
        assert table(made)["ordem"].to_list() == list(range(1, len(expected.listed()) + 1))
        current = table(made)


def test_a_file_with_other_zeros_on_the_left_of_a_number_enriches_its_contract() -> None:
    known = base("000001", "000002")
    rows = files(("1", CPF, [A]), ("0001", CPF, [B]), ("000002", OTHER_CPF, [C]), ("3", CPF, [D]))
    nobody = cadastro(D1, [], contrato="000009").clear()
    made = apply_telefones(NOBODY, known, nobody, rows, day=D1, layout_name="telefones", digits=6)
    assert table(made).select("contrato", "telefone").rows() == [("000001", A), ("000001", B)]
    assert made.ignoradas.select("contrato", "motivo").rows() == [
        ("000002", "CPF_DIVERGENTE"),
        ("000003", "CONTRATO_FORA_DA_BASE"),
    ]


def test_a_table_with_a_number_that_no_phone_has_stops_the_day() -> None:
    previous = pl.concat([NOBODY, pl.DataFrame({"contrato": ["1"], "telefone": ["119999900001"]})], how="diagonal")
    with pytest.raises(ProgramError, match="12 digits"):
        apply_telefones(previous, base(), cadastro(D1, [A]), None, day=D1, layout_name="telefones")
