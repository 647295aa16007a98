"""Which contracts a history file or an answer marks, and how long marks are kept (R035, R036, UC014, UC015)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl

from atom_pipeline.massiva.marks import RESPOSTAS, marcacoes_of_day, set_aside_histories
from atom_pipeline.rules.state import TABLES, empty

DAY = date(2026, 11, 24)
ANA, BIA = "52998224725", "11144477735"
CONTRATOS = pl.concat(
    [
        empty("contratos"),
        pl.DataFrame(
            [
                {"contrato": "1", "cpf_cnpj": ANA, "situacao": "ATIVO"},
                {"contrato": "2", "cpf_cnpj": ANA, "situacao": "BAIXADO"},
                {"contrato": "3", "cpf_cnpj": BIA, "situacao": "ATIVO"},
            ]
        ),
    ],
    how="diagonal",
)
TELEFONES = pl.concat(
    [
        empty("telefones_contato"),
        pl.DataFrame([{"contrato": "1", "telefone": "31987654321"}, {"contrato": "3", "telefone": "31987654321"}]),
    ],
    how="diagonal",
)
ORIGIN = {"arquivo": pl.String, "linha": pl.UInt32}


def emails(*documents: str) -> pl.DataFrame:
    rows = [
        {"cpf_cnpj": document, "protocolo": f"P{line}", "email": "a@b.c", "data_envio": date(2026, 11, 20),
         "arquivo": "email.csv", "linha": line}
        for line, document in enumerate(documents, start=2)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema={"cpf_cnpj": pl.String, "protocolo": pl.String, "email": pl.String,
                                      "data_envio": pl.Date, **ORIGIN})  # fmt: skip


def sms(*phones: str) -> pl.DataFrame:
    rows = [
        {
            "protocolo": None,
            "data_envio": None,
            "telefone": phone,
            "mensagem": "oi",
            "arquivo": "sms.csv",
            "linha": line,
        }
        for line, phone in enumerate(phones, start=2)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema={"protocolo": pl.String, "data_envio": pl.Date, "telefone": pl.String,
                                      "mensagem": pl.String, **ORIGIN})  # fmt: skip


def marks(previous: pl.DataFrame | None = None, answers: list[dict[str, Any]] | None = None, **histories: Any) -> Any:
    return marcacoes_of_day(
        empty("marcacoes") if previous is None else previous,
        histories,
        CONTRATOS,
        TELEFONES,
        pl.DataFrame(answers or [], schema=RESPOSTAS),
        day=DAY,
        history_days=30,
    )


def answer(contrato: str, status: str, words: str, line: int) -> dict[str, Any]:
    return {"dia": DAY, "contrato": contrato, "status": status, "enviada_em": DAY, "detalhe": words,
            "arquivo": "w.csv", "linha": line}  # fmt: skip


def test_an_email_marks_every_contract_of_its_client_with_file_and_line() -> None:
    found = marks(historico_email=emails("529.982.247-25", "99999999999"))
    assert found.columns == list(TABLES["marcacoes"])
    assert found.rows() == [
        (DAY, "1", "Ação Massiva – Email", "EMAIL", date(2026, 11, 20), "protocolo P2", "email.csv", 2),
        (DAY, "2", "Ação Massiva – Email", "EMAIL", date(2026, 11, 20), "protocolo P2", "email.csv", 2),
    ]


def test_an_sms_marks_every_contract_that_has_its_phone() -> None:
    found = marks(historico_sms=sms("31987654321", "031987654321", "31911111111"))
    assert found.select("contrato", "marcacao", "canal", "enviada_em", "linha").rows() == [
        ("1", "Ação Massiva – SMS", "SMS", DAY, 2),
        ("1", "Ação Massiva – SMS", "SMS", DAY, 3),
        ("3", "Ação Massiva – SMS", "SMS", DAY, 2),
        ("3", "Ação Massiva – SMS", "SMS", DAY, 3),
    ]


def test_rows_about_nobody_of_the_base_are_set_aside() -> None:
    histories = {"historico_email": emails(ANA, "99999999999"), "historico_sms": sms("31911111111")}
    aside = set_aside_histories(histories, CONTRATOS, TELEFONES, day=DAY)
    assert aside.select("layout", "arquivo", "linha", "motivo").rows() == [
        ("historico_email", "email.csv", 3, "CLIENTE_FORA_DA_BASE"),
        ("historico_sms", "sms.csv", 2, "TELEFONE_FORA_DA_BASE"),
    ]


def test_an_answer_of_omne_marks_its_contract_in_omnes_words() -> None:
    found = marks(answers=[answer("1", "aceito", "200 enfileirado", 2), answer("3", "recusado", "400 sem WhatsApp", 3)])
    assert found.select("contrato", "marcacao", "canal", "detalhe", "arquivo", "linha").rows() == [
        ("1", "Massiva WhatsApp enviada com sucesso", "WHATSAPP", "200 enfileirado", "w.csv", 2),
        ("3", "Massiva WhatsApp enviada sem sucesso", "WHATSAPP", "400 sem WhatsApp", "w.csv", 3),
    ]


def test_marks_are_kept_from_day_to_day_and_a_replay_gives_the_same() -> None:
    def of(day: date, contrato: str) -> dict[str, Any]:
        return {"dia": day, "contrato": contrato, "marcacao": "m", "canal": "SMS", "enviada_em": day, "arquivo": "f",
                "linha": 1}  # fmt: skip

    old, recent = DAY - timedelta(days=31), DAY - timedelta(days=30)
    days = [of(old, "1"), of(recent, "2"), of(DAY, "3")]
    previous = pl.concat(
        [empty("marcacoes"), pl.DataFrame(days, schema_overrides={"linha": pl.UInt32})], how="diagonal"
    )
    first = marks(previous, historico_email=emails(BIA))
    assert first.select("dia", "contrato", "canal").rows() == [(recent, "2", "SMS"), (DAY, "3", "EMAIL")]
    assert marks(previous.sample(fraction=1, shuffle=True, seed=3), historico_email=emails(BIA)).equals(first)
