"""Nothing that identifies a person stays readable in samples and messages."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from textwrap import dedent

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atom_pipeline.layout.document import load_layout
from atom_pipeline.layout.model import Personal
from atom_pipeline.masking import (
    MASKS,
    mask_document,
    mask_email,
    mask_frame,
    mask_name,
    mask_phone,
    personal_columns,
    scrub,
)


def test_a_document_or_a_phone_keeps_its_last_two_characters() -> None:
    assert mask_document("12345678909") == "*********09"
    assert mask_document("12ABC34501DE35") == "************35"
    assert mask_phone("11912345678") == "*********78"
    assert mask_phone("1234") == "****"  # two of four would be half of it
    assert mask_document("") == ""


def test_the_url_of_a_server_stays_readable_and_its_password_does_not() -> None:
    said = "sftp://evo@ftp.banco.com.br/saida: não responde; ftps://evo:***@127.0.0.1:990/: 421"
    assert scrub(said) == said
    assert "segredo" not in scrub("sftp://evo:segredo@ftp.banco.com.br/saida")
    assert scrub("pergunte a maria@ftp.banco.com.br") == "pergunte a m***@***"


def test_a_name_keeps_its_initials_and_an_address_of_email_its_first_letter() -> None:
    assert mask_name("Maria  da Silva") == "M*** d*** S***"
    assert mask_name("Ângela") == "Â***"
    assert mask_email("maria.silva@example.com") == "m***@***"
    assert mask_email("no address") == "***"


@settings(max_examples=50, deadline=None)
@given(kind=st.sampled_from(Personal), value=st.text(min_size=5, max_size=40).filter(lambda text: text.strip() == text))
def test_no_mask_gives_the_value_itself(kind: Personal, value: str) -> None:
    masked = MASKS[kind](value)
    assert masked != value or set(value) <= {"*", " ", "@"}
    if kind in {Personal.DOCUMENT, Personal.PHONE}:
        assert masked.count("*") >= len(value) - 2


def test_a_sample_is_masked_by_its_layout(tmp_path: Path) -> None:
    path = tmp_path / "amostra.yaml"
    path.write_text(
        dedent("""\
            layout: amostra
            title: Amostra
            description: Pessoas
            stage: erros
            direction: out
            names: [a.csv]
            versions:
              - format: {kind: delimited}
                records:
                  - name: detalhe
                    fields:
                      - {name: contrato}
                      - {name: nome, personal: name}
                      - {group: fone, times: 2, fields: [{name: numero, personal: phone}]}
                      - {name: nascimento, type: date, format: AAAAMMDD, personal: document}
              - since: 2024-01-01
                format: {kind: delimited}
                records:
                  - {name: detalhe, fields: [{name: contrato}, {name: rua, personal: address}]}
            """)
    )
    layout = load_layout(path)
    assert personal_columns(layout) == {
        "nome": Personal.NAME,
        "fone_1_numero": Personal.PHONE,
        "fone_2_numero": Personal.PHONE,
        "nascimento": Personal.DOCUMENT,
        "rua": Personal.ADDRESS,
    }
    frame = pl.DataFrame(
        {
            "contrato": ["00001234"],
            "nome": ["Maria Silva"],
            "fone_1_numero": ["11912345678"],
            "fone_2_numero": pl.Series([None], dtype=pl.String),
            "nascimento": [date(1980, 1, 31)],
        }
    )
    assert mask_frame(frame, layout).to_dicts() == [
        {
            "contrato": "00001234",
            "nome": "M*** S***",
            "fone_1_numero": "*********78",
            "fone_2_numero": None,
            "nascimento": "********31",
        }
    ]


def test_columns_are_masked_by_name_in_any_frame() -> None:
    frame = pl.DataFrame({"linha": [7], "original": ["0000123412345678909MARIA"]})
    masked = mask_frame(frame, {"original": Personal.ADDRESS, "absent": Personal.NAME})
    assert masked.to_dicts() == [{"linha": 7, "original": "***"}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CPF 123.456.789-09 no arquivo", "CPF ************09 no arquivo"),
        ("cpf=12345678909", "cpf=*********09"),
        ("cpf:123.456.789-09;", "cpf:************09;"),
        ("cliente_12345678909.", "cliente_*********09."),
        ("12.345.678/0001-95", "****************95"),
        ("(12345678000195)", "(************95)"),
        ("12.ABC.345/01DE-35", "****************35"),
        ("CNPJ 12ABC34501DE35", "CNPJ ************35"),
        ("ligar (11) 91234-5678 já", "ligar *************78 já"),
        ("ligar 11 91234-5678", "ligar ***********78"),
        ("ligar 11 912345678", "ligar **********78"),
        ("tel.+55 11 91234-5678", "tel.***************78"),
        ("tel +5511912345678", "tel ************78"),
        ("5511912345678", "***********78"),
        ("11912345678", "*********78"),
        ("1131234567", "********67"),
        ("912345678", "*******78"),
        ("3123-4567", "*******67"),
        ("31234567", "******67"),
        ("a maria.silva@example.com.br b", "a m***@*** b"),
        ("linha 000123456789012345678", "linha *******************78"),
    ],
)
def test_free_text_loses_what_looks_like_a_document_a_phone_or_an_address(text: str, expected: str) -> None:
    assert scrub(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "20230804_190000_remessa_528_out.528.txt",
        "AcordosBaixados_04082023_528.csv",
        "Refin_carteira_veic_04082023101500.csv",
        "telefones_carteira_veic_040823101500.csv",
        "2023-08-04 19:00:01.123456",
        "linha 123456 de 1000000",
        "REMESSA1234",
        "ABCDEFGH1234567",
        "0.12345678 e 0,31234567",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "layouts/remessa.yaml:17: versions[0]",
    ],
)
def test_what_an_engineer_needs_of_a_message_stays(text: str) -> None:
    assert scrub(text) == text


@settings(max_examples=50, deadline=None)
@given(
    digits=st.from_regex(r"[1-9][1-9]9[0-9]{8}", fullmatch=True), before=st.sampled_from(["", " ", "_", "=", ": ", "("])
)
def test_no_mobile_phone_survives_in_any_usual_form(digits: str, before: str) -> None:
    ddd, first, last = digits[:2], digits[2:7], digits[7:]  # the last four lose two of them
    for form in (digits, f"({ddd}) {first}-{last}", f"({ddd}){first}{last}", f"{ddd} {first}-{last}", f"+55{digits}"):
        assert last not in scrub(f"{before}{form}.")
