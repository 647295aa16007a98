"""The rules of single values, against python-stdnum and against what each rule is for."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.br import cnpj, cpf

from atom_pipeline.layout.checks import DDDS, UFS, rule_expression
from atom_pipeline.layout.documents import canonical_documents
from atom_pipeline.layout.model import Rule

_CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def follows(rule: Rule, *values: str | None) -> list[bool | None]:
    frame = pl.DataFrame({"value": list(values)}, schema={"value": pl.String})
    return frame.select(rule_expression(rule, pl.col("value"))).to_series().to_list()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text("0123456789", min_size=9, max_size=9), st.integers(-3, 3)), min_size=1, max_size=50))
def test_cpf_agrees_with_stdnum_on_valid_and_nearly_valid_numbers(numbers: list[tuple[str, int]]) -> None:
    values = [f"{int(base + cpf._calc_check_digits(base)) + shift:011d}"[-11:] for base, shift in numbers]
    same_digits = {digit * 11 for digit in "0123456789"}
    expected = [value not in same_digits and cpf.is_valid(value) for value in values]
    assert follows(Rule.CPF, *values) == expected
    assert follows(Rule.CPF_CNPJ, *values) == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text(_CHARACTERS, min_size=12, max_size=12), st.booleans()), min_size=1, max_size=50))
def test_cnpj_agrees_with_stdnum_with_letters_too(numbers: list[tuple[str, bool]]) -> None:
    values = [base + (cnpj.calc_check_digits(base) if good else "00") for base, good in numbers]
    expected = [cnpj.is_valid(value) for value in values]
    assert follows(Rule.CNPJ, *values) == expected
    assert follows(Rule.CPF_CNPJ, *values) == expected


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=16))
def test_no_text_but_a_valid_document_passes(value: str) -> None:
    is_document = (len(value) == 11 and value.isascii() and value.isdigit() and cpf.is_valid(value)) or (
        len(value) == 14 and value.isascii() and value.isalnum() and value == value.upper() and cnpj.is_valid(value)
    )
    assert follows(Rule.CPF_CNPJ, value) == [is_document and len(set(value)) > 1]


def test_the_published_alphanumeric_cnpj_passes_and_its_neighbours_do_not() -> None:
    assert follows(Rule.CNPJ, "12ABC34501DE35", "12ABC34501DE36", "12abc34501de35", "12ABC34501DEA5") == [
        True,
        False,
        False,
        False,
    ]


def test_cpfs_of_one_digit_are_refused_though_their_check_digits_are_right() -> None:
    assert follows(Rule.CPF, *(digit * 11 for digit in "0123456789")) == [False] * 10


def test_a_null_is_neither_good_nor_bad_under_every_rule() -> None:
    assert [follows(rule, None) for rule in Rule] == [[None]] * len(Rule)


def test_area_codes_and_states_are_the_real_ones() -> None:
    assert len(DDDS) == len(set(DDDS)) == 67
    assert len(UFS) == len(set(UFS)) == 27
    assert follows(Rule.DDD, "11", "20", "23", "52", "99", "00", "1") == [True, False, False, False, True, False, False]
    assert follows(Rule.UF, "SP", "sp", "XX", "TO") == [True, False, False, True]


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (Rule.PHONE, ["987654321", "32654321"], ["887654321", "0265432", "12654321", "9876543210", "98765-4321"]),
        (
            Rule.PHONE_WITH_DDD,
            ["11987654321", "1132654321"],
            ["10987654321", "987654321", "1112654321"],
        ),
        (Rule.MOBILE_WITH_DDD, ["11987654321"], ["1132654321", "11887654321", "20987654321"]),
        (
            Rule.EMAIL,
            ["a@b.com", "a.b+c@d-e.com.br"],
            [
                "a@b",
                "a b@c.com",
                "a..b@c.com",
                ".a@b.com",
                "a@b..com",
                "a@-b.com",
                "@b.com",
                "a@b.c",
                "a@b.com;c@d.com",
            ],
        ),
        (Rule.CEP, ["01310100", "01310-100"], ["00000000", "0131010", "01310 100", "013101000"]),
        (Rule.PLATE, ["ABC1234", "ABC1D23", "ABC-1234"], ["AB12345", "ABC12D3", "abc1234", "ABCD123"]),
        (Rule.CHASSIS, ["9BWZZZ377VT004251"], ["9BWZZZ377VT00425", "9BWZZZ377VTO04251", "9BWZZZ377VT0042511"]),
    ],
)
def test_shapes_are_told_apart(rule: Rule, good: list[str], bad: list[str]) -> None:
    assert follows(rule, *good) == [True] * len(good)
    assert follows(rule, *bad) == [False] * len(bad)


def documents(rule: Rule, values: list[str | None], persons: list[str | None] | None = None) -> list[str | None]:
    told = pl.Series(persons, dtype=pl.String) if persons else None
    return canonical_documents(pl.Series(values, dtype=pl.String), rule, told).to_list()


def test_documents_lose_their_punctuation_and_get_lost_zeros_back() -> None:
    given_ = ["390.533.447-05", "16.727.230/0001-97", "12.abc.345/01de-35", "1234567", "123456789012", None]
    expected = ["39053344705", "16727230000197", "12ABC34501DE35", "00001234567", "00123456789012", None]
    assert documents(Rule.CPF_CNPJ, given_) == expected


def test_a_document_of_zeros_is_none() -> None:
    assert documents(Rule.CPF_CNPJ, ["0", "00000000000", "00000000000000", "000.000.000-00"]) == [None] * 4
    assert documents(Rule.CPF, ["00000000000"]) == [None]


def test_a_cpf_in_fourteen_digits_is_told_from_a_cnpj_by_the_kind_of_person() -> None:
    both = "00000000000191"  # valid as Banco do Brasil's CNPJ and, without the padding, as a CPF
    assert documents(Rule.CPF_CNPJ, [both, both, both], ["F", "J", None]) == ["00000000191", both, both]
    assert documents(Rule.CPF_CNPJ, ["00039053344705"]) == ["39053344705"]
    assert documents(Rule.CPF_CNPJ, ["16727230000197"], ["F"]) == ["16727230000197"]


def test_a_field_for_one_kind_of_document_pads_and_unpads_to_its_size() -> None:
    assert documents(Rule.CPF, ["00039053344705", "53344705", "39053344705"]) == [
        "39053344705",
        "00053344705",
        "39053344705",
    ]
    assert documents(Rule.CNPJ, ["191", "16727230000197"]) == ["00000000000191", "16727230000197"]
