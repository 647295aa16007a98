"""The words of field lists: what a column may be called, and what a field's own name says of it.

Only vocabulary belongs here, Portuguese and English, as ``plain`` leaves a text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum

from atom_pipeline.layout.model import FieldType


def plain(text: str) -> str:
    """A title or word without accents, punctuation and case: ``Pos. Início`` is ``pos inicio``; nº is ``numero``."""
    text = re.sub(r"\bn\.?\s*[º°]\.?|#", " numero ", text, flags=re.IGNORECASE)
    letters = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return " ".join(re.findall("[a-z0-9]+", letters))


class Column(StrEnum):
    """What a column of a field list says."""

    ORDER = "order"
    NAME = "name"
    START = "start"
    END = "end"
    WIDTH = "width"
    TYPE = "type"
    FORMAT = "format"
    DECIMALS = "decimals"
    REQUIRED = "required"
    CONSTANT = "constant"
    DOMAIN = "domain"
    CODE = "code"
    TIMES = "times"
    RECORD = "record"
    DESCRIPTION = "description"


_TITLES: Mapping[Column, str] = {
    Column.ORDER: "numero|n|no|nr|num|item|ordem|seq|sequencia|sequencial|numero campo|id",
    Column.NAME: "campo|campos|nome|nome campo|nome coluna|coluna|atributo|variavel|identificador|mnemonico|field|"
    "field name|name|column|column name|nome atributo|titulo|denominacao|titulo coluna|nome logico|nome fisico",
    Column.START: "inicio|posicao|posicoes|posicao inicial|pos inicial|pos inicio|pos ini|pos|de|inicial|posicao de|"
    "posicao inicio|start|from|begin|position|start position|coluna inicial|byte inicial|from to|"
    "start end|intervalo|faixa",
    Column.END: "fim|ate|posicao final|pos final|pos fim|posicao ate|posicao fim|final|termino|a|end|to|end position|"
    "coluna final|byte final",
    Column.WIDTH: "tamanho|tam|comprimento|comp|largura|bytes|caracteres|quantidade caracteres|qtd caracteres|qtde "
    "caracteres|digitos|tamanho maximo|tamanho bytes|tamanho total|qtd bytes|length|size|width|len",
    Column.TYPE: "tipo|tp|tipo dado|tipo dados|tipo campo|natureza|type|data type|datatype",
    Column.FORMAT: "formato|picture|pic|mascara|formato picture|picture formato|format|mask|tipo formato|formato campo",
    Column.DECIMALS: "decimais|casas decimais|casas|casas dec|decimal|dec|numero decimais|qtd decimais|qtde decimais|"
    "precisao|decimals|scale",
    Column.REQUIRED: "obrigatorio|obrigat|obrigatoriedade|obrig|obr|preenchimento obrigatorio|required|mandatory",
    Column.CONSTANT: "constante|valor fixo|fixo|conteudo fixo|constant",
    Column.DOMAIN: "dominio|dominios|valores|valores possiveis|valores validos|valores permitidos|conteudo|codigos|"
    "lista valores|valor|valor possivel|dominio valores|opcoes|domain|values|value|allowed values",
    Column.CODE: "codigo|cod|code",
    Column.TIMES: "ocorrencias|ocorrencia|occurs|repeticoes|repeticao|vezes",
    Column.RECORD: "registro|tipo registro|record|record type|segmento|bloco",
    Column.DESCRIPTION: "descricao|descritivo|observacao|observacoes|obs|comentario|comentarios|significado|detalhe|"
    "detalhes|detalhamento|regra|regras|description|comment|comments|notes",
}
_COLUMNS = {title: column for column, titles in _TITLES.items() for title in titles.split("|")}
_LINKING_WORDS = frozenset({"de", "do", "da", "dos", "das", "o"})
_FIRST = frozenset(["inicio", "ini", "inicial", "de", "start", "from"])
_LAST = frozenset(["ate", "fim", "final", "a", "to", "end"])
_OF_A_SPAN = _FIRST | _LAST | frozenset(["posicao", "posicoes", "pos", "e", "position"])


def column_of(title: str) -> Column | None:
    """What a column with this title says, or None when it is no title that is known."""
    for text in (title, re.sub(r"\([^)]*\)", " ", title)):
        words = plain(text)
        parts = set(words.split())
        if parts <= _OF_A_SPAN and parts & _FIRST and parts & _LAST:
            return Column.START  # "Posição (de/até)": both in one cell
        shorter = [word for word in words.split() if word not in _LINKING_WORDS]
        ways = [words, " ".join(shorter), " ".join(shorter[:-1]) if shorter[-1:] == ["campo"] else ""]
        for way in ways:
            if way in _COLUMNS:
                return _COLUMNS[way]
    return None


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


YES = _set("s sim y yes x true verdadeiro obrigatorio required mandatory 1 m")
TICKS = _set("✓ ✔ ☑")
NO = _set("n nao no false falso opcional optional facultativo 0 op f")
BLANKS = _set("branco brancos zero zeros espaco espacos")  # what a filler is said to hold

# What the words of a field's name say of a number without decimals.
IDENTIFIERS = _set(
    "contrato operacao codigo cod cd numero num nr cep telefone fone celular ddd ddi agencia conta banco ascob renavam "
    "protocolo registro reg tipo tp id identificador digito dv acordo boleto carteira lote cobrador ramal"
)
NUMBERING = _set("numero num nr")
QUANTITIES = _set(
    "quantidade qtd qtde qt dias atraso prioridade vencidas prazo parcela parcelas ano idade sequencia "
    "sequencial seq score total vezes"
)
AMOUNTS = _set("valor vlr vl saldo taxa juros multa desconto renda preco")
DATES = _set("data dt dat")
DOCUMENTS = _set("cpf cnpj")
FILLERS = _set("filler branco brancos reservado reserva uso_banco uso_reservado espacos livre sem_uso")

PERSONAL: Mapping[str, str] = {
    word: kind
    for kind, words in {
        "document": "cpf cnpj cgc rg documento",
        "name": "nome razao",
        "phone": "telefone fone celular ddd",
        "email": "email mail",
        "address": "logradouro endereco rua bairro complemento cep",
    }.items()
    for word in words.split()
}
NOT_OF_PEOPLE = _set(
    "arquivo banco assessoria produto carteira empresa agencia tipo cobrador loja fantasia marca modelo campo"
)

NUMBER = "number"  # a number that says nothing of its decimals
TYPES: Mapping[str, FieldType | str] = {
    word: kind
    for kind, words in {
        FieldType.TEXT: "x|a|an|a n|alfa numerico|alf|c|alfa|alfanumerico|alfanum|alfabetico|alphanumeric|alpha|texto|"
        "text|string|str|char|caracter|caractere|caracteres|varchar|varchar2|nvarchar",
        NUMBER: "n|9|num|numerico|numero|numeric|number|nro",
        FieldType.INTEGER: "inteiro|int|integer|bigint|smallint|long",
        FieldType.DECIMAL: "decimal|dec|valor|moeda|monetario|money|float|double|real",
        FieldType.DATE: "data|date|d|dt",
        FieldType.TIME: "hora|time|h|hr",
        FieldType.DATETIME: "data hora|data e hora|datahora|datetime|timestamp",
    }.items()
    for word in words.split("|")
}
