"""The rows of each kind of file, chunk by chunk: what one stage's file says beyond what its fields mean.

What belongs here: from the day's events to frames by record type, at most some tens of thousands of rows at a time. A
column that only this kind of file knows (the number of an instalment, a motive) is given by name; the rest comes from
``fields``. Names and hours of files are in ``days``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl

from atom_pipeline.layout.model import Version
from atom_pipeline.layout.schema import LINE
from atom_pipeline.sample.column import reais
from atom_pipeline.sample.draws import Integers
from atom_pipeline.sample.events import Acordos, Events, Motive, Rows
from atom_pipeline.sample.fields import frame, lacks
from atom_pipeline.sample.loans import dates, day_number
from atom_pipeline.sample.people import People, choose, digits
from atom_pipeline.sample.rowset import Rowset, Source
from atom_pipeline.sample.world import OTHERS_FROM

CONTRACTS_AT_A_TIME = 20_000
CONTRACTS_OF_PARCELAS_AT_A_TIME = 4_000  # each has some seven instalments
FIRST_ACORDO = 1_000_000
UNKNOWN_MOTIVES = ("BOLETO AVULSO", "ACERTO EM LOJA")
MOTIVES_OF_EXCLUSAO = ("PAGAMENTO", "RETIRADA PELO BANCO", "ÓBITO", "AÇÃO JUDICIAL", "TROCA DE ASSESSORIA")
OTHER_CARTEIRA, OTHER_ASSESSORIA = "CONSIGNADO", "777"
MESSAGES = ("Regularize o seu financiamento. Fale com a AeC.", "Olá! Temos uma condição para o seu contrato.")
ENRICHED_VERSION = 50  # phones found by enrichment are not those of the registration

Chunk = dict[str, pl.DataFrame]
Chunks = Iterator[Chunk]
Maker = Callable[[Version], Chunks]


def chunked(source: Source, day: date, rows: Rows, size: int = CONTRACTS_AT_A_TIME) -> Iterator[Rowset]:
    """The rows, some contracts at a time."""
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        yield source.rows(rows.contracts[part], day, rows.versions[part])


def plain(source: Source, version: Version, day: date, rows: Rows) -> Chunks:
    """One row per contract in the first detail record, nothing given: refin, massivas, histories, a late remessa."""
    record = version.details[0]
    for rowset in chunked(source, day, rows):
        yield {record.name: frame(record, rowset)}


def remessa(source: Source, version: Version, events: Events) -> Chunks:
    """The evening's placement file, with wrong documents in the rows to be refused, and rows that come twice."""
    record = version.details[0]
    again = np.isin(events.remessa.contracts, events.repeated)
    rows = Rows(
        np.concatenate([events.remessa.contracts, events.repeated]),
        np.concatenate([events.remessa.versions, events.remessa.versions[again]]),
    )
    for rowset in chunked(source, events.day, rows):
        made = frame(record, rowset)
        wrong = pl.Series(np.isin(rowset.contracts, events.refused_document))
        yield {record.name: made.with_columns(wrong_digit(made["cpf_cnpj"]).zip_with(wrong, made["cpf_cnpj"]))}


def wrong_digit(documents: pl.Series) -> pl.Series:
    """The documents with a last check digit that cannot be."""
    last = (documents.str.tail(1).cast(pl.Int64) + 1) % 10
    return documents.str.head(-1) + last.cast(pl.String)


def parcelas(source: Source, version: Version, day: date, rows: Rows) -> Chunks:
    """One row per open instalment: those overdue, then those to come, as remessa counts them."""
    record = version.details[0]
    for contracts in chunked(source, day, rows, CONTRACTS_OF_PARCELAS_AT_A_TIME):
        counts = contracts.loans.open_at_placement
        offset = np.arange(counts.sum(), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
        rowset = source.rows(np.repeat(contracts.contracts, counts), day)
        loans = rowset.loans
        late = loans.today - loans.due(offset)
        interest = loans.instalment * loans.rate // 20_000 * loans.term // 10
        fine, mora = loans.fine(late), loans.interest(late)
        adjustment = np.where(offset == 0, loans.adjustment, 0)
        number = loans.paid + 1 + offset
        ticket = digits(loans.index % 10**9 * 100 + number, 11)
        given = {
            "parcela": pl.Series(number),
            "data_vencimento": dates(loans.due(offset)),
            "situacao": choose(pl.Series(["A VENCER", "VENCIDA"]), (offset < loans.overdue).astype(np.int64)),
            "dias_atraso": pl.Series(np.maximum(late, 0)),
            "valor_principal": reais(loans.instalment - interest),
            "valor_juros": reais(interest),
            "valor_multa": reais(fine),
            "valor_mora": reais(mora),
            "valor_ajuste": reais(adjustment).replace(0.0, None),
            "valor_comissao_permanencia": reais(np.zeros_like(number)),
            "valor_despesas": reais(np.zeros_like(number)),
            "valor_total": reais(loans.instalment + fine + mora + adjustment),
            "nosso_numero": ticket,
            "linha_digitavel": "62390" + ticket + ticket.str.reverse() + ticket + digits(loans.instalment, 9),
        }
        yield {record.name: frame(record, replace(rowset, given=given))}


def garantias(source: Source, version: Version, day: date, rows: Rows) -> Chunks:
    """The record types of a contract one after another; a record of a guarantor only where the contract has one."""
    for rowset in chunked(source, day, rows):
        guarantors = rowset.about(rowset.people.relative("avalista_1"))
        has_one = pl.Series(~lacks("avalista_1", 1, guarantors))
        chunk: Chunk = {}
        for place, record in enumerate(version.details):
            of_person = any(field.name == "cpf_cnpj" for field in record.fields)
            line = np.arange(len(rowset), dtype=np.uint32) * len(version.details) + place
            made = frame(record, guarantors if of_person else rowset).with_columns(pl.Series(LINE, line))
            chunk[record.name] = made.filter(has_one) if of_person else made
        yield chunk


def telefones(source: Source, version: Version, events: Events) -> Chunks:
    """New numbers for some contracts; a few under the CPF of somebody else, some that the contract already had."""
    record = version.details[0]
    known = np.zeros(len(events.telefones), dtype=np.int64)
    found = source.draws.share(0.8, events.telefones, "found", events.position)
    rows = Rows(events.telefones, np.where(found, ENRICHED_VERSION, known))
    for rowset in chunked(source, events.day, rows):
        people = rowset.people
        neighbour = People(people.index + 4, people.version, people.draws, people.pools)
        another = pl.Series(np.isin(rowset.contracts, events.telefones_of_another))
        document = neighbour.document.zip_with(another, people.document)
        yield {record.name: frame(record, replace(rowset, given={"cpf_cnpj": document}))}


def acordos(source: Source, version: Version, day: date, listed: Acordos) -> Chunks:
    """One row per contract, acordo and parcela, with the day it was made and its motive (R017)."""
    record = version.details[0]
    block = source.portfolio.block
    words = {
        Motive.KNOWN: list(block.motives_known) or ["ACORDO"],
        Motive.WITHOUT_BLOCK: list(block.motives_without_block) or ["QUEBRA"],
        Motive.UNKNOWN: list(UNKNOWN_MOTIVES),
    }
    for start in range(0, len(listed), CONTRACTS_AT_A_TIME):
        some = listed.at(slice(start, start + CONTRACTS_AT_A_TIME))
        rowset = source.rows(some.contracts, day)
        made = np.asarray([day_number(listed_day) for listed_day in source.days], dtype=np.int64)[some.since]
        motives = pl.Series([None] * len(rowset), dtype=pl.String)
        for kind, texts in words.items():
            chosen = choose(pl.Series(texts), source.draws.below(len(texts), some.numbers, "motive", kind))
            motives = chosen.zip_with(pl.Series(some.motives == kind), motives)
        value = rowset.loans.instalment * 95 // 100
        given = {
            "numero_acordo": pl.Series(FIRST_ACORDO + some.numbers),
            "parcela": pl.Series(some.parcelas),
            "quantidade_parcelas": pl.Series(np.full(len(rowset), 2)),
            "motivo": motives,
            "data_movimento": dates(made),
            "data_acordo": dates(made - 1),
            "data_vencimento": dates(made + 2 + 30 * (some.parcelas - 1)),
            "data_pagamento": dates(made),
            "valor": reais(value),
            "valor_principal": reais(value - value // 20),
            "valor_encargos": reais(value // 20),
            "valor_desconto": reais(value // 50),
            "local_recebimento": pl.repeat("BOLETO", len(rowset), dtype=pl.String, eager=True),
            "nosso_numero": digits(some.numbers, 12),
            "parcelas_negociadas": pl.Series(rowset.loans.paid + some.parcelas).cast(pl.String),
        }
        yield {record.name: frame(record, replace(rowset, given=given))}


def exclusao(source: Source, version: Version, day: date, contracts: Integers) -> Chunks:
    """The contracts that the bank takes back, and why."""
    record = version.details[0]
    for rowset in chunked(source, day, Rows(contracts, np.zeros_like(contracts))):
        kind = source.draws.below(len(MOTIVES_OF_EXCLUSAO), rowset.contracts, "motive of exclusao")
        given = {
            "data_exclusao": pl.repeat(day, len(rowset), dtype=pl.Date, eager=True),
            "motivo": choose(pl.Series(MOTIVES_OF_EXCLUSAO), kind),
        }
        yield {record.name: frame(record, replace(rowset, given=given))}


def batimento(source: Source, version: Version, events: Events) -> Chunks:
    """All that may be worked, with rows of another carteira or another assessoria among them (R016)."""
    record = version.details[0]
    contracts = np.concatenate([events.batimento, events.other_portfolios])
    order = np.argsort(source.draws.words(contracts, "order of batimento"), kind="stable")
    for rowset in chunked(source, events.day, Rows(contracts[order], np.zeros_like(contracts))):
        other = rowset.contracts >= OTHERS_FROM
        odd = rowset.contracts % 2 == 1
        own = frame(record, rowset)
        columns = {
            "primeira_parcela_aberta": dates(rowset.loans.due(0)).dt.strftime("%d/%m/%Y"),
            "carteira": _instead(own, "carteira", OTHER_CARTEIRA, other & odd),
            "cod_assessoria": _instead(own, "cod_assessoria", OTHER_ASSESSORIA, other & ~odd),
        }
        given = {name: values for name, values in columns.items() if values is not None}
        given["data_envio"] = dates(rowset.loans.placed_on)
        yield {record.name: frame(record, replace(rowset, given=given))}


def _instead(made: pl.DataFrame, name: str, value: str, where: np.ndarray) -> pl.Series | None:
    if name not in made.columns:
        return None
    others = pl.repeat(value, made.height, dtype=pl.String, eager=True)
    return others.zip_with(pl.Series(where), made[name])


def messages(source: Source, version: Version, day: date, rows: Rows) -> Chunks:
    """Bulk messages, to be sent or sent already: the protocol and the text are made up."""
    record = version.details[0]
    for rowset in chunked(source, day, rows):
        text = choose(pl.Series(MESSAGES), source.draws.below(len(MESSAGES), rowset.contracts, "text"))
        protocol = digits(day_number(day) * 10**7 + rowset.contracts % 10**7, 12)
        yield {record.name: frame(record, replace(rowset, given={"mensagem": text, "protocolo": protocol}))}
