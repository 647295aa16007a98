"""What fields about the contract mean: the placement, its dates, counts and values, the delay, the vehicle.

What belongs here: one entry per name that the bank's files use for a loan. Counts and values agree with the rows of
parcelas, which are made from the same ``Loans``.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from atom_pipeline.layout.model import FieldType
from atom_pipeline.portfolio import Portfolio
from atom_pipeline.sample.column import Column, Maker, always, amount, city, code, one_of, reais, whole, yes
from atom_pipeline.sample.draws import Integers
from atom_pipeline.sample.loans import COLOURS, FUELS, VEHICLES, dates
from atom_pipeline.sample.people import choose, digits
from atom_pipeline.sample.values import blanked

PRODUCTS = ("CDC VEÍCULOS LEVES", "CDC VEÍCULOS LEVES", "CDC MOTOS", "CDC VEÍCULOS PESADOS", "REFIN VEÍCULOS")
AGENCY = "AEC CENTRO DE CONTATOS"
SHOPS = ("AUTO CENTER SÃO JOSÉ", "BRASIL VEÍCULOS", "CONCESSIONÁRIA AVENIDA", "MOTOS & CIA", "JOÃO MULTIMARCAS")
PHASES = ("AMIGÁVEL", "AMIGÁVEL", "PRÉ-JURÍDICO", "JURÍDICO")
CONTACTS = ("SEM CONTATO", "RECADO", "PROMESSA DE PAGAMENTO", "NÚMERO ERRADO", "CLIENTE NÃO RECONHECE A DÍVIDA")
REGIONS = ("SUDESTE", "SUL", "NORDESTE", "CENTRO-OESTE", "NORTE")
SCORES = ("01, Melhor", "02, Bom", "03, Médio", "04, Pior")
BANDS = (("a) até 30", 30), ("b) 31 a 60", 60), ("c) 61 a 90", 90), ("d) 91 a 120", 120), ("e) 121 a 180", 180))
LAST_BAND = "f) acima de 180"
NUMBERS_LISTED = 20
REFIN_TERMS = np.asarray([36, 48, 58, 60], dtype=np.int64)


def own_carteira(portfolio: Portfolio) -> str:
    """The name that this portfolio's contracts have in CARTEIRA."""
    return portfolio.batimento.carteiras[0] if portfolio.batimento.carteiras else "VEICULOS"


def refin_term(of: Column) -> Integers:
    """Instalments of the refinancing offer, its first payment included."""
    return REFIN_TERMS[of.draws.below(len(REFIN_TERMS), of.contracts, "refin term")]


def refin_instalment(of: Column) -> Integers:
    """About seven tenths of the original instalment, in whole reais."""
    return of.loans.instalment * 7 // 1000 * 100


def refin_first_due(of: Column) -> Integers:
    return of.loans.today + of.draws.between(5, 15, of.contracts, "refin due")


def _vehicle(part: int) -> Maker:
    pool = pl.Series([vehicle[part] for vehicle in VEHICLES])
    return lambda of: choose(pool, of.loans.vehicle)


def _overdue(of: Column) -> pl.Series:
    """How many instalments are overdue, or their numbers: 12,13,14."""
    if of.field.type is FieldType.INTEGER:
        return pl.Series(of.loans.overdue)
    first = of.loans.paid + 1
    last = first + np.minimum(of.loans.overdue, NUMBERS_LISTED)
    frame = pl.DataFrame({"first": first, "last": last})
    numbers = pl.int_ranges("first", "last").cast(pl.List(pl.String)).list.join(",")
    return frame.select(numbers.alias(of.field.name)).to_series()


def _next_due(of: Column) -> pl.Series:
    return blanked(dates(of.loans.due(of.loans.overdue)), of.loans.to_come == 0)


def _band(of: Column) -> pl.Series:
    limits = np.asarray([limit for _, limit in BANDS], dtype=np.int64)
    names = pl.Series([name for name, _ in BANDS] + [LAST_BAND])
    return choose(names, np.searchsorted(limits, of.loans.days_late).astype(np.int64))


def _total_due(of: Column) -> Integers:
    fines, interest = of.loans.charges
    return of.loans.overdue_value + fines + interest + of.loans.adjustment


def _year_of_make(of: Column) -> Integers:
    return of.loans.model_year - of.draws.below(2, of.contracts, "make")


CONTRACT: dict[str, Maker] = {
    "contrato": lambda of: of.rows.number,
    "carteira": lambda of: always(own_carteira(of.rows.portfolio))(of),
    "produto": one_of(PRODUCTS, "product"),
    "cod_assessoria": lambda of: always(of.rows.portfolio.ascob)(of),
    "nome_assessoria": always(AGENCY),
    "escob": always("AeC"),
    "cobrador": lambda of: always(of.rows.portfolio.ascob)(of),
    "nome_cobrador": always(AGENCY),
    "data_remessa": lambda of: pl.repeat(of.rows.day, len(of.rows), dtype=pl.Date, eager=True),
    "data_envio": lambda of: pl.repeat(of.rows.day, len(of.rows), dtype=pl.Date, eager=True),
    "tipo_movimento": lambda of: choose(pl.Series(["A", "I"]), (of.loans.placed_on == of.loans.today).astype(np.int64)),
    "municipio_licenciamento": city(0),
    "uf_licenciamento": city(1),
    # how much
    "prazo": lambda of: pl.Series(of.loans.term),
    "plano_original": lambda of: pl.Series(of.loans.term),
    "parcelas_pagas": lambda of: pl.Series(of.loans.paid),
    "vencidas": lambda of: pl.Series(of.loans.overdue),
    "a_vencer": lambda of: pl.Series(of.loans.to_come),
    "parcelas_a_vencer": lambda of: pl.Series(of.loans.to_come),
    "parcelas_aberto": lambda of: pl.Series(of.loans.open_at_placement),
    "parcelas_vencidas": _overdue,
    "valor_parcela": lambda of: reais(of.loans.instalment),
    "parcela_original": lambda of: reais(of.loans.instalment),
    "valor_vencido": lambda of: reais(of.loans.overdue_value),
    "valor_a_vencer": lambda of: reais(of.loans.instalment * of.loans.to_come),
    "valor_multa": lambda of: reais(of.loans.charges[0]),
    "valor_mora": lambda of: reais(of.loans.charges[1]),
    "valor_ajuste": lambda of: blanked(reais(of.loans.adjustment), of.loans.adjustment == 0),
    "valor_total": lambda of: reais(_total_due(of)),
    "valor_divida": lambda of: reais(_total_due(of)),
    "valor_quitacao": lambda of: reais(of.loans.balance * 85 // 100),
    "saldo_devedor": lambda of: reais(of.loans.balance),
    "saldo_contabil": lambda of: reais(
        np.where(of.draws.share(0.02, of.contracts, "credit"), -of.loans.adjustment - 1, of.loans.balance)
    ),
    "valor_financiado": lambda of: reais(of.loans.financed),
    "valor_bem": lambda of: reais(of.loans.financed * 130 // 100),
    "valor_entrada": lambda of: reais(of.loans.financed * 30 // 100),
    "valor_mercado": lambda of: reais(of.loans.financed * 95 // 100),
    "taxa_juros_mensal": lambda of: pl.Series(of.loans.rate / 100),
    "taxa_juros_anual": lambda of: pl.Series(((1 + of.loans.rate / 10_000) ** 12 - 1) * 100),
    "percentual_multa": lambda of: pl.repeat(2.0, len(of.rows), dtype=pl.Float64, eager=True),
    # when
    "dias_atraso": lambda of: pl.Series(of.loans.days_late),
    "maior_atraso": lambda of: pl.Series(of.loans.days_late),
    "faixa_atraso": _band,
    "data_contrato": lambda of: dates(of.loans.signed_on),
    "data_liberacao": lambda of: dates(of.loans.signed_on + 1),
    "data_primeiro_vencimento": lambda of: dates(of.loans.due(-of.loans.paid)),
    "data_ultimo_vencimento": lambda of: dates(of.loans.due(of.loans.open_at_placement - 1)),
    "data_vencimento_mais_antigo": lambda of: dates(of.loans.due(0)),
    "data_proximo_vencimento": _next_due,
    "data_ultimo_pagamento": lambda of: dates(of.loans.due(-1) + 2),
    "valor_ultimo_pagamento": lambda of: reais(of.loans.instalment),
    "data_entrada_cobranca": lambda of: dates(of.loans.due(0) + 5),
    "data_entrada_assessoria": lambda of: dates(of.loans.placed_on),
    # on what
    "marca": _vehicle(0),
    "modelo": _vehicle(1),
    "tipo_bem": _vehicle(2),
    "descricao": lambda of: _vehicle(0)(of) + " " + _vehicle(1)(of),
    "ano_fabricacao": lambda of: pl.Series(_year_of_make(of)),
    "ano_modelo": lambda of: pl.Series(of.loans.model_year),
    "cor": one_of(COLOURS, "colour"),
    "combustivel": one_of(FUELS, "fuel"),
    "placa": lambda of: of.loans.plate(),
    "chassi": lambda of: of.loans.chassis(),
    "renavam": lambda of: of.loans.renavam(),
    "numero_gravame": lambda of: digits(of.contracts % 10**8, 8),
    # the rest of what a placement says
    "operacao_origem": code(12),
    "cod_produto": code(4),
    "numero_proposta": code(12),
    "cod_filial": code(4),
    "cod_loja": code(6),
    "cod_fipe": code(7),
    "regional": one_of(REGIONS, "region"),
    "nome_loja": one_of(SHOPS, "shop"),
    "cidade_loja": city(0),
    "uf_loja": city(1),
    "valor_iof": amount(100, 1_500),
    "valor_tarifas": amount(300, 1_200),
    "valor_seguro": amount(0, 2_500),
    "cet_mensal": amount(1, 4),
    "taxa_mora": always("1.0"),
    "banco_debito": always("623"),
    "agencia_debito": code(4),
    "conta_debito": code(9),
    "percentual_desconto_maximo": whole(0, 60),
    "fase_cobranca": one_of(PHASES, "phase"),
    "quantidade_acordos": whole(0, 4),
    "quantidade_renegociacoes": whole(0, 2),
    "resultado_ultimo_contato": one_of(CONTACTS, "contact"),
    "observacao": one_of(CONTACTS, "remark"),
    "ajuizado": yes(0.03),
    "numero_processo": code(15),
    "comarca": city(0),
    "busca_apreensao": yes(0.02),
    "negativado": yes(0.6),
    "protestado": yes(0.03),
    "prejuizo": yes(0.05),
    "elegivel_refin": yes(0.4),
    "elegivel_entrega_amigavel": yes(0.3),
    "zero_quilometro": yes(0.3),
    "bem_localizado": yes(0.4),
    "sequencia": whole(1, 1),
    "orgao_registro": lambda of: "DETRAN " + city(1)(of),
    "data_gravame": lambda of: dates(of.loans.signed_on + 3),
    "data_avaliacao": lambda of: dates(of.loans.placed_on - 10),
    # refinancing offer
    "collection": one_of(SCORES, "collection"),
    "plano_refin": lambda of: pl.Series(refin_term(of)),
    "quantidade_parcelas_refin": lambda of: pl.Series(refin_term(of) - 1),
    "entrada_refin": lambda of: reais(refin_instalment(of)),
    "parcela_refin": lambda of: reais(refin_instalment(of)),
    "total_refinanciado": lambda of: reais(refin_instalment(of) * refin_term(of)),
    "juro_mensal": amount(1, 3),
    "cet_anual": amount(15, 45),
    "vencimento_primeira_parcela": lambda of: dates(refin_first_due(of)),
    "vencimento_ultima_parcela": lambda of: dates(refin_first_due(of) + (refin_term(of) - 1) * 30),
    "prioridade": whole(1, 5),
}
