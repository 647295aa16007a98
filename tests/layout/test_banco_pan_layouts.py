"""The documents of the portfolio that ships, against what the specification says of each file.

The facts are the bank's: counts, lengths, titles, names (R004 to R011, R016, R017, R023, R027, R031, UC002 to UC009).
What our documents add to them is tested as a property of every document: described, marked, whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import pytest
import yaml

from atom_pipeline.layout.catalogue import load_catalogue
from atom_pipeline.layout.model import (
    FixedFormat,
    Layout,
    Merge,
    Personal,
    Provenance,
    RecordRole,
    Rule,
    Severity,
    Stage,
)
from atom_pipeline.layout.names import match_layout

FOLDER = Path(__file__).parents[2] / "layouts" / "banco_pan_veiculos"
CATALOGUE = load_catalogue(FOLDER)
PORTFOLIO, LAYOUTS = CATALOGUE.portfolio, CATALOGUE.layouts

STAMP = datetime(2023, 8, 3, 21, 15, 30)
DAY = datetime(2023, 8, 4)


@dataclass(frozen=True)
class Facts:
    """What must hold of one document."""

    stage: Stage
    merge: Merge
    key: tuple[str, ...]
    records: dict[str, tuple[int, int | None]]  # detail record: count of fields, bytes
    names: dict[str, datetime | None]  # name: the moment it says (midnight when it says no hour); None: not its name
    fields: tuple[str, ...]  # canonical names the rules and models rely on
    cutover: bool = False
    direction: str = "in"


GROUP_PHONE = tuple(f"telefone_{n}_{field}" for n in range(1, 11) for field in ("ddd", "numero", "tipo", "score"))
ADDRESS = ("logradouro", "numero", "complemento", "bairro", "cidade", "uf", "cep", "tipo")

FACTS = {
    "remessa_assessoria": Facts(
        Stage.REMESSA,
        Merge.LATEST_PER_KEY,
        ("contrato",),
        {"detalhe": (280, 4800)},
        {
            "20230803_211530_remessa_528_out.528": STAMP,
            "20230803_211530_REMESSA_528_out.528.TXT": STAMP,
            "20230803_211530_remessa_528_out.527": None,
            "20230803_remessa_528_out.528": None,
            "20230230_211530_remessa_528_out.528": None,
        },
        (
            *("contrato", "cpf_cnpj", "nome", "carteira", "produto", "prazo", "parcelas_pagas", "a_vencer", "vencidas"),
            *("parcelas_vencidas", "valor_parcela", "dias_atraso", "marca", "modelo", "ano_fabricacao", "ano_modelo"),
            *GROUP_PHONE,
            *(f"endereco_{n}_{field}" for n in (1, 2, 3) for field in ADDRESS),
            *(f"email_{n}_endereco" for n in (1, 2, 3)),
            *PORTFOLIO.contratos_columns,
        ),
        cutover=True,
    ),
    "remessa_parcelas": Facts(
        Stage.PARCELAS,
        Merge.REPLACE_PER_KEY,
        ("contrato",),
        {"detalhe": (18, 250)},
        {"20230803_211530_parc_528_out.528": STAMP, "20230803_211530_parc_528_out.528.txt": STAMP},
        ("contrato", "parcela", "valor_parcela"),
        cutover=True,
    ),
    "remessa_garantias": Facts(
        Stage.GARANTIAS,
        Merge.REPLACE_PER_KEY,
        ("contrato",),
        {"bem": (20, 902), "gravame": (8, 199), "garantidor": (12, 362)},
        {"20230803_211530_garantias_528_out.528": STAMP, "20230803_211530_garantias_528_out.528.txt": STAMP},
        ("contrato",),
        cutover=True,
    ),
    "remessa_baixa": Facts(
        Stage.ACORDOS,
        Merge.UNION,
        ("contrato", "numero_acordo", "parcela"),
        {"detalhe": (23, 302)},
        {
            "20230803_211530_acordo_528_out.528.txt": STAMP,
            "20230803_211530_acordo_528_out.528": STAMP,
            "20230803_211530_acordo_528_out.528_new.txt": STAMP,
            "AcordosBaixados_04082023_528.csv": None,
        },
        ("contrato", "numero_acordo", "parcela", "motivo", "data_movimento", "valor"),
        cutover=True,
    ),
    "acordos_baixados": Facts(
        Stage.ACORDOS,
        Merge.UNION,
        ("contrato", "numero_acordo", "parcela"),
        {"acordo": (15, None)},
        {
            "AcordosBaixados_04082023_528.csv": DAY,
            "20230803_211530_acordo_528_out.528_new.txt": STAMP,
            "20230803_211530_acordo_528_out.528.txt": STAMP,
            "20230803_211530_acordo_528_out.528": STAMP,
            "AcordosBaixados_20230804_528.csv": None,
        },
        ("contrato", "numero_acordo", "parcela", "motivo", "data_movimento", "valor"),
    ),
    "exclusao_retirada": Facts(
        Stage.EXCLUSAO,
        Merge.UNION,
        ("contrato",),
        {"detalhe": (5, 63)},
        {"20230803_211530_baixa_528_out.528": STAMP, "20230803_211530_baixa_528_out.528.txt": STAMP},
        ("contrato",),
        cutover=True,
    ),
    "batimento": Facts(
        Stage.BATIMENTO,
        Merge.NEWEST_FILE,
        ("contrato",),
        {"contrato": (8, None)},
        {
            "bat_carteira_veic_04082023_528.csv": DAY,
            "bat_carteira_veic_04082023_528.csv.528": DAY,
            "bat_carteira_veic_04082023_528.csv.528.txt": DAY,
            "bat_carteira_veic_04082023_999.csv": None,
        },
        ("contrato", "carteira", "cod_assessoria"),
    ),
    "telefones": Facts(
        Stage.TELEFONES,
        Merge.APPEND,
        ("contrato",),
        {"telefones": (8, None)},
        {"telefones_carteira_veic_030823211530.csv": STAMP, "telefones_carteira_veic_310223211530.csv": None},
        ("cpf_cnpj", "contrato", *(f"telefone_{n}_{field}" for n in (1, 2, 3) for field in ("numero", "score"))),
    ),
    "refin": Facts(
        Stage.REFIN,
        Merge.LATEST_PER_KEY,
        ("contrato",),
        {"refin": (19, None)},
        {
            "refin_carteira_veic_030823211530.csv": STAMP,
            "Refin_carteira_veic_03082023211530.csv": STAMP,
            "Refin_carteira_veic_030823211530.xlsx": STAMP,
            "refin_carteira_veic_03082023211530.xlsx": STAMP,
            "refin_carteira_veic_0308202321153.csv": None,
        },
        ("contrato",),
    ),
    "massiva_whatsapp": Facts(
        Stage.MASSIVA,
        Merge.APPEND,
        (),
        {"mensagem": (4, None)},
        {"20230803_211530_massiva_whatsapp.csv": STAMP},
        ("contrato", "numero", "nome", "jornada"),
    ),
    "historico_email": Facts(
        Stage.HISTORICO,
        Merge.APPEND,
        (),
        {"envio": (4, None)},
        {"20230215_153000_massiva_email.csv": datetime(2023, 2, 15, 15, 30)},
        ("cpf_cnpj", "protocolo", "email", "data_envio"),
    ),
    "historico_sms": Facts(
        Stage.HISTORICO,
        Merge.APPEND,
        (),
        {"envio": (4, None)},
        {"20230215_164000_massiva_sms.csv": datetime(2023, 2, 15, 16, 40)},
        ("protocolo", "data_envio", "telefone", "mensagem"),
    ),
    "manager_mailing": Facts(
        Stage.MAILING,
        Merge.APPEND,
        ("contrato",),
        {"contrato": (64, None)},
        {"mailing_banco_pan_veiculos_20230804_01_carga.csv": DAY},
        (
            *("id_crm", "id_campanha", "contrato", "cpf_cnpj", "nome", "carteira", "produto", "dias_atraso"),
            *("faixa_atraso", "valor_parcela", "valor_vencido", "valor_total", "marca", "modelo", "ano_fabricacao"),
            *("ano_modelo", "placa", "acordo_outro_contrato", "refin_disponivel", *GROUP_PHONE),
        ),
        direction="out",
    ),
    "manager_baixa": Facts(
        Stage.BAIXA,
        Merge.APPEND,
        ("contrato",),
        {"contrato": (5, None)},
        {"baixa_banco_pan_veiculos_20230804_02.csv": DAY},
        ("contrato", "id_crm", "cpf_cnpj", "motivo", "data"),
        direction="out",
    ),
    "erros": Facts(
        Stage.ERROS,
        Merge.APPEND,
        (),
        {"erro": (8, None)},
        {},
        ("arquivo", "linha", "registro", "campo", "motivo", "detalhe", "original", "controle"),
        direction="out",
    ),
    "base_inicial": Facts(
        Stage.BASE,
        Merge.APPEND,
        ("contrato",),
        {"contrato": (99, None)},
        {"base_inicial_20230804.csv": DAY, "base_inicial.csv": None},
        (
            *("contrato", "cpf_cnpj", "nome", "situacao", "situacao_desde", "bloqueado_em", "motivo", "primeira_alta"),
            *("ultima_remessa", "no_manager", *GROUP_PHONE, *PORTFOLIO.contratos_columns),
            *(f"telefone_{n}_enriquecimento" for n in range(1, 11)),
            *(f"acordo_{n}_{field}" for n in range(1, 6) for field in ("numero", "parcela", "motivo", "data")),
        ),
        direction="import",
    ),
}

TITLES = {
    "acordos_baixados": (
        "Cobrador;NomeCobrador;NumAcordo;NumParcela;NossoNum;DtVcto;DtMovto;VlrMovt;TotDiv;Motivo;LocalRecebimento;"
        "NumCpfCgc;NomeCliente;OperOriginal;ParcNegociadas"
    ),
    "batimento": "CONTRATO;PRIMEIRA_PARC_AB;DATA_ENVIO;CARTEIRA;COD_ASSESSORIA;NOME_ASSESSORIA;PRODUTO;DIAS_ATRASO",
    "telefones": "CPF;CONTRATO;TELEFONE1;SCORE1;TELEFONE2;SCORE2;TELEFONE3;SCORE3",
    "refin": (
        "CONTRATO;FX_ATRASO;COLLECTION;QTD_PARCELAS_VENCIDAS;QTD_PARCELAS_VENCER;QTD_PARCELAS_ABERTO;PLANO ORIGINAL;"
        "PARCELA_ORIGINAL;ENTRADA_REFIN;PLANO_REFIN;QTD_PARC_REFIN;PARCELA_REFIN;TOTAL_REFINANCIADO;JURO_MENSAL;"
        "CET_ANUAL;VENC_PRIMEIRA_PARCELA;VENC_ULT_PARCELA;ESCOB;PRIORIDADE"
    ),
}

every_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


def fields_of(layout: Layout):
    return [(record, field) for record in layout.versions[0].records for field in record.fields]


def test_every_document_has_its_facts_and_every_fact_its_document():
    assert LAYOUTS.keys() == FACTS.keys()


@every_layout
def test_the_document_says_what_the_specification_says(layout: Layout):
    facts = FACTS[layout.layout]
    version = layout.versions[0]
    details = {record.name: (len(record.fields), record.length) for record in version.details}
    has = {field.name for record in version.details for field in record.fields}
    assert details == facts.records
    assert [name for name in facts.fields if name not in has] == []
    assert (layout.stage, layout.merge, layout.key) == (facts.stage, facts.merge, facts.key)
    assert (layout.cutover, layout.direction) == (facts.cutover, facts.direction)


@every_layout
def test_names_are_read_as_the_bank_writes_them(layout: Layout):
    read = {}
    for name in FACTS[layout.layout].names:
        match = match_layout(layout, PORTFOLIO.ascob, name)
        read[name] = match and (match.stamp or datetime.combine(match.day, datetime.min.time()))
    assert read == FACTS[layout.layout].names


@pytest.mark.parametrize("name", TITLES)
def test_columns_have_the_titles_of_the_bank_in_its_order(name: str):
    version = LAYOUTS[name].versions[0]
    titles = [field.title or field.name for field in version.details[0].fields]
    assert version.format.delimiter.join(titles) == TITLES[name]


@every_layout
def test_every_record_and_field_is_described_and_every_fact_marked_as_the_banks_or_ours(layout: Layout):
    bare = [record.name for record in layout.versions[0].records if not record.description]
    bare += [f"{record.name}.{field.name}" for record, field in fields_of(layout) if not field.description.strip()]
    written = yaml.safe_load((FOLDER / f"{layout.layout}.yaml").read_text(encoding="utf-8"))
    unmarked = [place["pattern"] for place in written["names"] if "source" not in place]
    unmarked += [
        record["name"] for version in written["versions"] for record in version["records"] if "source" not in record
    ]
    assert bare == []
    assert "source" in written
    assert unmarked == []
    assert layout.rules
    assert all(version.note for version in layout.versions)


def test_only_what_the_specification_names_is_marked_as_the_banks():
    marked = {
        name: sorted({field.name for record, field in fields_of(layout) if field.source is Provenance.SPEC})
        for name, layout in LAYOUTS.items()
    }
    every_column = {"acordos_baixados", "batimento", "telefones", "refin", "massiva_whatsapp"}
    every_column |= {"historico_email", "historico_sms"}
    for name in every_column:
        assert marked[name] == sorted(field.name for _, field in fields_of(LAYOUTS[name]))
    assert marked["remessa_baixa"] == marked["exclusao_retirada"] == ["contrato"]
    assert marked["manager_mailing"] == marked["manager_baixa"] == marked["erros"] == []
    assert len([name for name in marked["remessa_assessoria"] if not name.startswith("telefone_")]) < 30


@every_layout
def test_positional_files_have_a_header_of_the_agency_and_a_trailer_that_counts_every_detail(layout: Layout):
    version = layout.versions[0]
    if not isinstance(version.format, FixedFormat):
        assert version.header is None and version.trailer is None
        return
    assert (version.format.encoding, version.format.newline) == ("latin-1", "crlf")
    assert version.header.field("cod_assessoria").equals == PORTFOLIO.ascob
    assert {"data_geracao", "hora_geracao"} <= version.header.by_name.keys()
    counted = {name for total in version.trailer.totals for name in total.count}
    assert counted == {record.name for record in version.details}
    assert version.header.match.equals == "0"
    assert version.trailer.match.equals == "9"
    for record in version.records:
        assert record.field(record.match.field).equals == record.match.equals
    if len(version.details) == 1:
        assert {record.length for record in version.records} == {version.details[0].length}


@every_layout
def test_the_contract_is_ten_digits_wherever_it_stands(layout: Layout):
    contracts = [field for record, field in fields_of(layout) if field.name == "contrato"]
    for field in contracts:
        assert (field.type, field.zero_pad, field.required) == ("digits", PORTFOLIO.contrato_digits, True)
        assert field.type_severity is Severity.REFUSE
        assert field.width is None or field.width >= PORTFOLIO.contrato_digits
    assert contracts or layout.layout in {"historico_email", "historico_sms", "erros"}


REFUSING = {
    "remessa_assessoria": {"contrato", "cpf_cnpj"},
    "remessa_parcelas": {"contrato", "parcela"},
    "remessa_garantias": {"contrato"},
    "remessa_baixa": {"contrato", "numero_acordo"},
    "acordos_baixados": {"contrato", "numero_acordo"},
    "exclusao_retirada": {"contrato"},
    "batimento": {"contrato"},
    "telefones": {"contrato", "cpf_cnpj"},
    "refin": {"contrato"},
    "massiva_whatsapp": {"contrato", "numero", "nome", "jornada"},
    "historico_email": {"cpf_cnpj"},
    "historico_sms": {"telefone"},
}


@pytest.mark.parametrize("name", REFUSING)
def test_a_row_is_refused_only_over_who_it_is_about(name: str):
    """Whatever else is wrong with it, the row is kept and counted."""
    refusing = set()
    for record in LAYOUTS[name].versions[0].details:
        for field in record.fields:
            converts = field.type not in {"text"} and field.type_severity is Severity.REFUSE
            limits = field.domain is not None and field.domain_severity is Severity.REFUSE
            limits |= (field.minimum, field.maximum) != (None, None) and field.range_severity is Severity.REFUSE
            checked = any(check.severity is Severity.REFUSE for check in field.checks)
            if field.required or converts or limits or checked:
                refusing.add(field.name)
    assert refusing == REFUSING[name]


@every_layout
def test_documents_phones_and_emails_are_checked_and_marked_personal(layout: Layout):
    """A personal value that is not marked would be shown unmasked."""
    kinds = {
        Rule.CPF_CNPJ: Personal.DOCUMENT,
        Rule.CPF: Personal.DOCUMENT,
        Rule.DDD: Personal.PHONE,
        Rule.PHONE: Personal.PHONE,
        Rule.PHONE_WITH_DDD: Personal.PHONE,
        Rule.MOBILE_WITH_DDD: Personal.PHONE,
        Rule.EMAIL: Personal.EMAIL,
        Rule.CEP: Personal.ADDRESS,
    }
    unmarked = [
        field.name
        for _, field in fields_of(layout)
        for check in field.checks
        if field.personal is not kinds.get(check.rule, field.personal)
    ]
    people = ("nome", "nome_mae", "nome_pai", "nome_social", "conjuge_nome")
    unmarked += [
        field.name
        for _, field in fields_of(layout)
        if (
            field.name in people or (field.name.startswith(("avalista", "referencia")) and field.name.endswith("_nome"))
        )
        and field.personal is not Personal.NAME
    ]
    assert unmarked == []


def test_a_cpf_in_fourteen_bytes_has_a_field_that_tells_it_from_a_cnpj():
    """Zero-padded, 00000000191 is a valid CPF and, with three zeros before it, a valid CNPJ."""
    told = {
        (name, field.name): field.person_type
        for name, layout in LAYOUTS.items()
        if isinstance(layout.versions[0].format, FixedFormat)
        for record, field in fields_of(layout)
        if any(check.rule is Rule.CPF_CNPJ for check in field.checks) and record.role is RecordRole.DETAIL
    }
    # the bank gives exclusão five fields: no room for it, and there the document only confirms
    assert told.pop(("exclusao_retirada", "cpf_cnpj")) is None
    assert told == {
        ("remessa_assessoria", "cpf_cnpj"): "tipo_pessoa",
        **{("remessa_assessoria", f"avalista_{n}_cpf_cnpj"): f"avalista_{n}_tipo_pessoa" for n in (1, 2, 3)},
        ("remessa_garantias", "cpf_cnpj"): "tipo_pessoa",
        ("remessa_baixa", "cpf_cnpj"): "tipo_pessoa",
    }


def test_both_acordo_files_make_one_table():
    """DESIGN section 11: the content decides between them, so what they share has one type."""
    positional = LAYOUTS["remessa_baixa"].versions[0].details[0].by_name
    columns = LAYOUTS["acordos_baixados"].versions[0].details[0].by_name
    shared = positional.keys() & columns.keys()
    assert {"contrato", "numero_acordo", "parcela", "motivo", "data_movimento", "valor", "cpf_cnpj", "nome"} <= shared
    different = [name for name in shared if _kind(positional[name]) != _kind(columns[name])]
    assert different == []


def test_the_agencys_file_gives_what_contratos_carries_in_the_types_of_the_remessa():
    remessa = LAYOUTS["remessa_assessoria"].versions[0].details[0].by_name
    imported = LAYOUTS["base_inicial"].versions[0].details[0].by_name
    kinds = {name: (remessa[name].type, remessa[name].decimals) for name in PORTFOLIO.contratos_columns}
    assert {name: (imported[name].type, imported[name].decimals) for name in kinds} == kinds


def _kind(field):
    return field.type, field.decimals, field.zero_pad, field.strip_zeros


@pytest.mark.parametrize(
    ("field", "mark", "thousands", "suffix", "example"),
    [
        ("total_refinanciado", ",", ".", "", "23.814,80"),
        ("juro_mensal", ",", "", "%", "1,66%"),
        ("cet_anual", ",", "", "%", "22,18%"),
    ],
)
def test_refin_values_are_written_as_in_the_examples(field, mark, thousands, suffix, example):
    declared = LAYOUTS["refin"].versions[0].details[0].field(field)
    assert (declared.type, declared.decimals) == ("decimal", 2)
    assert (declared.decimal_mark, declared.thousands_mark, declared.suffix) == (mark, thousands, suffix)
    assert example in declared.description


def test_phones_of_the_mailing_are_as_many_as_the_portfolio_has_places():
    group = LAYOUTS["manager_mailing"].versions[0].details[0].groups["telefone"]
    assert group.times == PORTFOLIO.telefones.places


def test_the_error_file_keeps_lines_as_they_came_and_no_other_output_does():
    formulas = {
        name: LAYOUTS[name].versions[0].format.formulas for name in ("manager_mailing", "manager_baixa", "erros")
    }
    assert formulas == {"manager_mailing": "neutralize", "manager_baixa": "neutralize", "erros": "keep"}


def test_the_portfolio_expects_the_files_the_specification_says_come():
    expected = {expectation.name: expectation for expectation in PORTFOLIO.expects}
    assert expected["acordos"].any_of == ("acordos_baixados", "remessa_baixa")
    assert expected["refin"].weekdays == (2,)
    assert {name for name, one in expected.items() if not one.required_for_carga} == {"exclusao", "telefones"}
    assert {name for name, one in expected.items() if one.due_day == "before"} == {"remessa", "parcelas", "garantias"}
    assert {name: one.waived_by for name, one in expected.items() if one.waived_by} == {
        "remessa": "no-remessa",
        "acordos": "no-acordos",
    }
    assert PORTFOLIO.batimento.waits_for == ("remessa", "acordos")
    assert {layout for one in expected.values() for layout in one.any_of} <= LAYOUTS.keys()
    assert (PORTFOLIO.ascob, PORTFOLIO.prefix, PORTFOLIO.operation.start) == ("528", None, date(2023, 7, 3))
