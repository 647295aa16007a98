"""What each column of the base means, in words, and which columns it is made of: what a person asks of a table.

Values only: what decides about a row (a file that names the contract) stands here for ``situacao`` and what follows
from it, since there it is the value. What the fields mean that a table carries from a layout is said in the layout.
Tests hold this to the tables' schemas, and to what the fold does with a field that changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import cache

from atom_pipeline.layout.model import Layout, Stage
from atom_pipeline.layout.schema import column_rows, polars_schema
from atom_pipeline.rules.shapes import STAGE_OF

Source = tuple[str, str]  # a table as the lake names it, a column


@dataclass(frozen=True)
class Column:
    """A column: its meaning, and what it is made of.

    ``made_of`` has ``table.column`` for tables of the base, and ``:stage.column`` for what the layouts of a stage
    received; a ``*`` stands for the numbers of a repeating group.
    """

    meaning: str
    made_of: tuple[str, ...] = ()


_FILE = "Arquivo de onde a linha veio."
_LINE = "Linha física no arquivo, a partir de 1."
_DAY = "Dia útil em que isto foi recebido."
_EVENTS = (":remessa.contrato", ":acordos.contrato", ":exclusao.contrato", ":batimento.contrato")


def _origin(*stages: Stage) -> dict[str, Column]:
    return {
        "arquivo": Column(_FILE, tuple(f":{stage.value}.arquivo" for stage in stages)),
        "linha": Column(_LINE, tuple(f":{stage.value}.linha" for stage in stages)),
    }


def _carried(stage: Stage, **others: Column) -> dict[str, Column]:
    """The columns of its own that a table has which carries a stage's fields."""
    return {"contrato": Column("Número do contrato, na forma canônica.", (f":{stage.value}.contrato",)), **others} | {
        **_origin(stage),
        "dia": Column(_DAY),
    }


COLUMNS: Mapping[str, Mapping[str, Column]] = {
    "contratos": {
        "contrato": Column("Número do contrato, na forma canônica.", (":remessa.contrato",)),
        "cpf_cnpj": Column("CPF ou CNPJ do cliente, só dígitos (e letras do CNPJ).", (":remessa.cpf_cnpj",)),
        "id_crm": Column("Ficha do cliente no CRM: derivado da carteira e do CPF/CNPJ.", (":remessa.cpf_cnpj",)),
        "situacao": Column("ATIVO, BLOQUEIO PARCIAL, RETIRADO ou BAIXADO (R019, R020, R022).", _EVENTS),
        "situacao_desde": Column("Dia em que entrou na situação.", _EVENTS),
        "bloqueado_em": Column(
            "Dia do último bloqueio, o que quer que tenha vindo depois (R015).", (":acordos.contrato",)
        ),
        "motivo": Column("Por que está na situação, em palavras.", _EVENTS),
        "numero_acordo": Column("Número do último acordo.", (":acordos.numero_acordo",)),
        "primeira_alta": Column("Dia da primeira entrada na base (UC001).", (":remessa.contrato",)),
        "ultima_remessa": Column("Dia da última remessa em que o contrato veio.", (":remessa.contrato",)),
    },
    "fichas": {
        "id_crm": Column("Ficha do cliente no CRM.", ("contratos.id_crm",)),
        "id_campanha": Column("Campanha no CRM, de portfolio.yaml."),
        "cpf_cnpj": Column("CPF ou CNPJ do cliente.", ("contratos.cpf_cnpj",)),
        "nome": Column("Nome na linha mais nova da remessa do cliente.", ("cadastro.nome",)),
        "status": Column(
            "ATIVA, BLOQUEIO PARCIAL ou TODOS CONTRATOS BAIXADOS, dos contratos (R019, UC006).", ("contratos.situacao",)
        ),
    },
    "cadastro": _carried(
        Stage.REMESSA,
        registro=Column("Tipo do registro no arquivo.", (":remessa.registro",)),
        carimbo=Column("Data e hora no nome do arquivo.", (":remessa.carimbo",)),
    ),
    "enderecos": {
        "contrato": Column("Número do contrato.", ("cadastro.contrato",)),
        "ordem": Column("Lugar na remessa, a partir de 1."),
        **{
            name: Column(meaning, (f"cadastro.endereco_*_{name}",))
            for name, meaning in {
                "tipo": "Tipo do endereço, por extenso.",
                "logradouro": "Rua ou avenida.",
                "numero": "Número na rua.",
                "complemento": "Complemento.",
                "bairro": "Bairro.",
                "cidade": "Cidade.",
                "uf": "Estado.",
                "cep": "CEP, 8 dígitos.",
            }.items()
        },
    },
    "telefones_contato": {
        "contrato": Column("Número do contrato.", ("cadastro.contrato", ":telefones.contrato")),
        "telefone": Column(
            "DDD e número, só dígitos.",
            ("cadastro.telefone_*_ddd", "cadastro.telefone_*_numero", ":telefones.telefone_*_numero"),
        ),
        "ddd": Column("DDD.", ("cadastro.telefone_*_ddd", ":telefones.telefone_*_numero")),
        "numero": Column("Número sem DDD.", ("cadastro.telefone_*_numero", ":telefones.telefone_*_numero")),
        "tipo": Column("Tipo da remessa por extenso, ou Enriquecimento n (R024).", ("cadastro.telefone_*_tipo",)),
        "score": Column(
            "A nota mais nova; em branco não apaga a que havia.",
            ("cadastro.telefone_*_score", ":telefones.telefone_*_score"),
        ),
        "origem": Column("REMESSA ou ENRIQUECIMENTO."),
        "ordem": Column("Lugar entre os telefones do contrato, a partir de 1 (R025)."),
        "enriquecimento": Column("O n de Enriquecimento n, que não muda; vazio para os da remessa."),
        "enriquecido_em": Column("Dia em que um arquivo de telefones o trouxe ou confirmou."),
        "desde": Column("Dia em que o contrato teve o telefone pela primeira vez."),
        **_origin(Stage.REMESSA, Stage.TELEFONES),
    },
    "parcelas_abertas": _carried(Stage.PARCELAS),
    "garantias": _carried(
        Stage.GARANTIAS, registro=Column("Tipo do registro da garantia (R007 a R009).", (":garantias.registro",))
    ),
    "refin_vigente": _carried(Stage.REFIN),
    "acordos": {
        "contrato": Column("Número do contrato, na forma canônica.", (":acordos.contrato",)),
        "numero_acordo": Column("Número do acordo.", (":acordos.numero_acordo",)),
        "parcela": Column("Parcela do acordo.", (":acordos.parcela",)),
        "motivo": Column("Motivo do movimento, como veio (R017).", (":acordos.motivo",)),
        "data_movimento": Column("Data do movimento.", (":acordos.data_movimento",)),
        "valor": Column("Valor do movimento, em R$.", (":acordos.valor",)),
        "bloqueia": Column("Se o motivo bloqueia o contrato, pelas listas de portfolio.yaml.", (":acordos.motivo",)),
        "primeiro_dia": Column("Dia em que foi visto pela primeira vez: só então bloqueia."),
        **_origin(Stage.ACORDOS),
    },
    "marcacoes": {
        "dia": Column(_DAY),
        "contrato": Column("Número do contrato.", ("contratos.contrato",)),
        "marcacao": Column("O que foi feito, como a especificação escreve (R033, R035, R036)."),
        "canal": Column("WhatsApp, e-mail ou SMS."),
        "enviada_em": Column("Data do envio.", (":historico.data_envio",)),
        "detalhe": Column("Protocolo do envio, ou a resposta do OMNE.", (":historico.protocolo",)),
        **_origin(Stage.HISTORICO),
    },
    "movimentos": {
        "dia": Column("Dia útil do movimento."),
        "contrato": Column("Número do contrato.", ("contratos.contrato",)),
        "movimento": Column("O que aconteceu: ALTA, BLOQUEIO, RETIRADA, BAIXA_BATIMENTO, …", _EVENTS),
        "situacao_antes": Column("Situação antes do movimento; vazia numa alta.", _EVENTS),
        "situacao_depois": Column("Situação depois do movimento.", _EVENTS),
        **_origin(Stage.REMESSA, Stage.ACORDOS, Stage.EXCLUSAO, Stage.BATIMENTO),
        "detalhe": Column("O que mais há a dizer, por exemplo o número do acordo.", (":acordos.numero_acordo",)),
    },
    "recusadas": {
        "dia": Column(_DAY),
        "layout": Column("Layout do arquivo."),
        "arquivo": Column(_FILE),
        "linha": Column(_LINE),
        "registro": Column("Tipo do registro, quando se sabe."),
        "campo": Column("Campo que causou a recusa; vazio quando é a linha toda."),
        "motivo": Column("Código do motivo da recusa."),
        "detalhe": Column("O que está errado, sem o valor."),
        "outros": Column("As outras faltas da mesma linha."),
        "original": Column("A linha como veio: dado pessoal, não é mostrada."),
    },
    "ignoradas": {
        "dia": Column(_DAY),
        "layout": Column("Layout do arquivo."),
        "arquivo": Column(_FILE),
        "linha": Column(_LINE),
        "contrato": Column("Número do contrato, quando a linha tem um."),
        "motivo": Column("Regra que pôs a linha de lado, por exemplo IGNORADO_BLOQUEIO (R020)."),
        "detalhe": Column("O que fazer, ou por quê."),
    },
    "sinalizadas": {
        "dia": Column(_DAY),
        "layout": Column("Layout do arquivo."),
        "arquivo": Column(_FILE),
        "linha": Column(_LINE),
        "campo": Column("Campo com o valor a conferir."),
        "motivo": Column("O que chamou a atenção."),
    },
    "cargas": {
        "dia": Column(_DAY),
        "layout": Column("Layout do arquivo."),
        "arquivo": Column("Nome do arquivo."),
        "versao": Column("Versão do arquivo: 1, ou mais quando o mesmo nome veio outra vez com outro conteúdo."),
        "tamanho": Column("Tamanho, em bytes."),
        "sha256": Column("Impressão do conteúdo."),
        "situacao": Column("Se foi carregado, recusado inteiro ou substituído por um mais novo."),
        "motivo": Column("Por que foi recusado."),
        "lidas": Column("Linhas lidas."),
        "aceitas": Column("Linhas aceitas."),
        "recusadas": Column("Linhas recusadas; aceitas + recusadas = lidas."),
        "substituidas": Column("Linhas aceitas que um arquivo mais novo do dia substituiu."),
    },
}


def column_meanings(table: str, layouts: Iterable[Layout]) -> dict[str, str]:
    """The meaning of each column of a table of the base: its own, then those of the fields it carries."""
    out = {name: column.meaning for name, column in COLUMNS[table].items()}
    for layout in layouts:
        if layout.stage is STAGE_OF.get(table) and layout.direction == "in":
            for row in column_rows(layout, layout.versions[-1]):
                if row.name not in out and row.description:
                    out[row.name] = row.description
    return out


def column_sources(table: str, columns: Iterable[str], layouts: Iterable[Layout]) -> dict[str, list[Source]]:
    """The columns that each column of a table of the base is made of, as far as the layouts have them.

    What a layout received is the table ``recebido/<layout>``.
    """
    received = [
        (layout, [*polars_schema(layout, layout.versions[-1]), "arquivo", "carimbo"])
        for layout in layouts
        if layout.direction == "in"
    ]
    own = COLUMNS[table]
    out: dict[str, list[Source]] = {}
    for name in columns:
        stage = STAGE_OF.get(table)
        made_of = own[name].made_of if name in own else (f":{stage.value}.{name}",) if stage else ()
        found = [source for text in made_of for source in _found(text, received)]
        out[name] = list(dict.fromkeys(found))
    return out


def _found(text: str, received: Sequence[tuple[Layout, list[str]]]) -> list[Source]:
    """The tables and columns that one source stands for."""
    table, _, pattern = text.partition(".")
    if not table.startswith(":") and "*" not in pattern:
        return [(table, pattern)]
    stage = table[1:] if table.startswith(":") else STAGE_OF[table]
    fits = _fits(pattern)
    return [
        (f"recebido/{layout.layout}" if table.startswith(":") else table, name)
        for layout, names in received
        if layout.stage == stage
        for name in names
        if fits(name)
    ]


@cache
def _fits(pattern: str) -> Callable[[str], object]:
    """Whether a name is one of the pattern's: true or something like it."""
    return re.compile(translate(pattern)).match if "*" in pattern else pattern.__eq__
