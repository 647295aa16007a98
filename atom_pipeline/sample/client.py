"""What fields about the client mean: documents, names, addresses, phones, work; also of people around the client.

What belongs here: one entry per name that the bank's files use for a person. A field is looked up without its group and
number, and without the person it is of (``avalista_1_nome`` is a ``nome``).
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from atom_pipeline.layout.model import Rule
from atom_pipeline.sample.column import Column, Maker, always, amount, city, code, one_of, whole, yes
from atom_pipeline.sample.loans import dates, day_number
from atom_pipeline.sample.people import OCCUPATIONS, choose
from atom_pipeline.sample.values import blanked, keeps_wrong_ddd, with_wrong_ddds

RELATIONS = ("PAI", "MÃE", "IRMÃO", "IRMÃ", "CUNHADO", "AMIGO", "VIZINHA", "COLEGA DE TRABALHO")
EMPLOYERS = (
    "SUPERMERCADO AVENIDA",
    "PREFEITURA MUNICIPAL",
    "CONSTRUTORA ALIANÇA",
    "HOSPITAL SÃO LUCAS",
    "POSTO CENTRAL",
)


def _document(of: Column) -> pl.Series:
    """A CPF in 14 bytes comes with blanks on the right, sometimes with zeros on the left, where F or J stands by it."""
    if not of.field.person_type or (of.field.width or 0) < 14:
        return of.people.document
    zeros = of.draws.share(0.2, of.contracts, "document in zeros") & ~of.people.is_company
    return ("000" + of.people.document).zip_with(pl.Series(zeros), of.people.document)


def _ddd(of: Column) -> pl.Series:
    ddds = of.people.ddd(of.place)
    return pl.Series(
        with_wrong_ddds(ddds, of.contracts, of.draws, of.field.name) if keeps_wrong_ddd(of.field) else ddds
    )


def _phone(of: Column) -> pl.Series:
    """With DDD or without it, as the field is checked; a mobile where it must be one."""
    rules = {check.rule for check in of.field.checks}
    if Rule.MOBILE_WITH_DDD in rules:
        return of.people.mobile_with_ddd()
    if Rule.PHONE_WITH_DDD in rules:
        return of.people.phone_with_ddd(of.place)
    return pl.Series(of.people.phone(of.place))


def _phone_kind(of: Column) -> pl.Series:
    kinds = choose(pl.Series(["R", "C", "E"]), of.draws.weighted([6, 2, 1], of.contracts, "kind", of.place))
    mobile = pl.Series(of.people.is_mobile(of.place))
    return pl.repeat("M", len(of.rows), dtype=pl.String, eager=True).zip_with(mobile, kinds)


def _house_number(of: Column) -> pl.Series:
    """The number of a phone is a phone, that of an address a number or S/N."""
    if of.field.checks:
        return _phone(of)
    numbers = pl.Series(of.draws.between(1, 3999, of.people.index, "house", of.place)).cast(pl.String)
    without = pl.Series(of.draws.share(0.04, of.people.index, "without number", of.place))
    return pl.repeat("S/N", len(of.rows), dtype=pl.String, eager=True).zip_with(without, numbers)


def _complement(of: Column) -> pl.Series:
    flat = "AP " + pl.Series(of.draws.between(1, 199, of.people.index, "flat", of.place)).cast(pl.String)
    return blanked(flat, of.draws.share(0.6, of.people.index, "house", "flat", of.place))


def _born(of: Column) -> pl.Series:
    age = of.draws.between(20 * 365, 75 * 365, of.people.index, "age")
    return dates(day_number(date(2023, 1, 1)) - age)


CLIENT: dict[str, Maker] = {
    "tipo_pessoa": lambda of: choose(pl.Series(["F", "J"]), of.people.is_company.astype(np.int64)),
    "cpf_cnpj": _document,
    "cpf": lambda of: of.people.cpf,
    "nome": lambda of: of.people.name,
    "nome_mae": lambda of: of.people.named("mother"),
    "nome_pai": lambda of: of.people.named("father"),
    "data_nascimento": _born,
    "profissao": one_of(OCCUPATIONS, "occupation"),
    "nacionalidade": always("BRASILEIRA"),
    "naturalidade": city(0),
    "ddd": _ddd,
    "telefone": _phone,
    "numero": _house_number,
    "email": lambda of: of.people.email(of.place),
    "logradouro": lambda of: choose(
        of.people.pools.streets,
        of.draws.below(len(of.people.pools.streets), of.people.index * 64 + of.people.version, "street", of.place),
    ),
    "localizacao": lambda of: CLIENT["logradouro"](of) + ", " + city(0)(of),
    "complemento": _complement,
    "bairro": lambda of: choose(
        of.people.pools.districts,
        of.draws.below(len(of.people.pools.districts), of.people.index, "district", of.place),
    ),
    "cidade": city(0),
    "uf": city(1),
    "cep": lambda of: of.people.cep(of.place),
    "sexo": lambda of: choose(pl.Series(["M", "F"]), of.people.is_woman.astype(np.int64)),
    "estado_civil": one_of(("S", "C", "C", "D", "V", "U"), "marital"),
    "uf_naturalidade": city(1),
    "uf_emissor": city(1),
    "numero_documento": code(9),
    "orgao_emissor": always("SSP"),
    "quantidade_dependentes": whole(0, 4),
    "falecido": yes(0.004),
    "cod_cliente": code(10),
    "nome_social": lambda of: of.people.named("social"),
    "inscricao_estadual": code(12),
    "empresa": one_of(EMPLOYERS, "employer"),
    "cargo": one_of(OCCUPATIONS, "position"),
    "renda_mensal": amount(1_412, 12_000),
    "renda": amount(1_412, 9_000),
    "outras_rendas": amount(100, 2_500),
    "valor_patrimonio": amount(5_000, 300_000),
    "relacao": one_of(RELATIONS, "relation"),
    "correspondencia": yes(0.7),
    "autoriza_whatsapp": yes(0.8),
    "autoriza_sms": yes(0.9),
    "autoriza_email": yes(0.7),
}
IN_GROUPS: dict[tuple[str, str], Maker] = {
    ("telefone", "tipo"): _phone_kind,
    ("telefone", "numero"): _phone,
    ("telefone", "score"): lambda of: blanked(
        pl.Series(of.draws.below(101, of.contracts, "score", of.place)),
        of.draws.share(0.2, of.contracts, "no score", of.place),
    ),
    ("email", "endereco"): lambda of: of.people.email(of.place),
}
