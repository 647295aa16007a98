"""Small layouts of other creditors' shapes: lots with rows of several lines, a numbered file, a delimited one.

They are CNAB 240 and CNAB 400 in all but width, so that a file can be read in a test.
"""

from __future__ import annotations

from typing import Any

from atom_pipeline.layout.model import Layout
from tests.layout.small_layouts import layout_of


def lots(newline: str = "lf", **facts: Any) -> Layout:
    """As CNAB 240: lot at 1, type at 5, number in the lot at 6, segment at 9. ``t``, ``u`` and perhaps ``r`` are a row.

    0000 file header (agencia), 1 lot header (carteira), 3 T and U and R, 5 lot trailer, 9 file trailer; 30 bytes each.
    """

    def start(kind: str, *rest: dict[str, Any]) -> list[dict[str, Any]]:
        return [_lot(kind), {"name": "tipo", "width": 1, "equals": kind}, *rest]

    def _lot(kind: str) -> dict[str, Any]:
        if kind in "09":
            return {"name": "lote", "width": 4, "equals": "0000" if kind == "0" else "9999"}
        return {"name": "lote", "width": 4, "type": "integer", "sequence": "lots"}

    def segment(*rest: dict[str, Any]) -> list[dict[str, Any]]:
        number = {"name": "sequencia", "width": 3, "type": "integer", "sequence": "lines_of_lot"}
        return start("3", number, {"name": "segmento", "width": 1}, *rest)

    def match(kind: str, letter: str = "") -> dict[str, Any]:
        more = {"and": [{"field": "segmento", "equals": letter}]} if letter else {}
        return {"field": "tipo", "equals": kind, **more}

    movimento = {"name": "movimento", "width": 2, "type": "digits", "required": True}
    value = {"name": "valor", "width": 8, "type": "decimal", "decimals": 2, "required": True}
    records = [
        {
            "name": "arquivo",
            "role": "header",
            "match": match("0"),
            "gives": ["agencia"],
            "fields": start("0", {"name": "agencia", "width": 5, "required": True}, {"name": "x0", "width": 20}),
        },
        {
            "name": "lote_inicio",
            "role": "lot_header",
            "match": match("1"),
            "gives": ["carteira"],
            "fields": start(
                "1",
                {"name": "carteira", "width": 3, "required": True},
                {"name": "servico", "width": 2, "default": "01"},
                {"name": "x1", "width": 20},
            ),
        },
        {
            "name": "t",
            "match": match("3", "T"),
            "fields": segment(
                movimento,
                {"name": "contrato", "width": 8, "type": "digits", "zero_pad": 8, "required": True},
                value,
                {"name": "especie", "width": 1, "required": True},
                {"name": "xt", "width": 2},
            ),
        },
        {
            "name": "u",
            "joins": "t",
            "match": match("3", "U"),
            "fields": segment(
                movimento,
                {"name": "pago", "width": 8, "type": "decimal", "decimals": 2, "required": True},
                {"name": "dia", "width": 8, "type": "date", "format": "DDMMAAAA"},
                {"name": "xu", "width": 3},
            ),
        },
        {
            "name": "r",
            "joins": "t",
            "required": False,
            "match": match("3", "R"),
            "fields": segment({"name": "codigo", "width": 2, "default": "03"}, {"name": "aviso", "width": 19}),
        },
        {
            "name": "lote_fim",
            "role": "lot_trailer",
            "match": match("5"),
            "totals": [
                {"field": "linhas", "count": ["*"]},
                {"field": "pago_total", "sum_of": "u.pago"},
                {"field": "simples", "count": ["t"], "where": {"field": "especie", "equals": "1"}},
                {"field": "simples_valor", "sum_of": "t.valor", "where": {"field": "especie", "equals": "1"}},
            ],
            "fields": start(
                "5",
                {"name": "linhas", "width": 3, "type": "integer"},
                {"name": "pago_total", "width": 9, "type": "decimal", "decimals": 2},
                {"name": "simples", "width": 3, "type": "digits"},
                {"name": "simples_valor", "width": 9, "type": "decimal", "decimals": 2},
                {"name": "x5", "width": 1},
            ),
        },
        {
            "name": "arquivo_fim",
            "role": "trailer",
            "match": match("9"),
            "totals": [{"field": "lotes", "count": ["lote_inicio"]}, {"field": "registros", "count": ["*"]}],
            "fields": start(
                "9",
                {"name": "lotes", "width": 6, "type": "integer"},
                {"name": "registros", "width": 6, "type": "integer"},
                {"name": "x9", "width": 13},
            ),
        },
    ]
    for record in records:
        record["length"] = 30
    return layout_of({"kind": "fixed", "newline": newline}, records, **facts)


def numbered(newline: str = "crlf", **facts: Any) -> Layout:
    """As CNAB 400: the type first, the line's number in the last six bytes; 30 bytes each."""
    number = {"name": "sequencia", "width": 6, "type": "integer", "sequence": "lines"}
    kind = {"name": "tipo", "width": 1}
    day = {"name": "geracao", "width": 6, "type": "date", "format": "DDMMAA", "required": True}
    value = {"name": "valor", "width": 10, "type": "decimal", "decimals": 2, "required": True}
    contrato = {"name": "contrato", "width": 8, "type": "digits", "zero_pad": 8, "required": True}
    records: list[dict[str, Any]] = [
        {"name": "inicio", "role": "header", "fields": [kind, day, {"name": "x0", "width": 17}, number]},
        {"name": "titulo", "fields": [kind, contrato, value, {"name": "x1", "width": 5}, number]},
        {
            "name": "fim",
            "role": "trailer",
            "totals": [{"field": "quantos", "count": ["titulo"]}, {"field": "soma", "sum_of": "titulo.valor"}],
            "fields": [
                kind,
                {"name": "quantos", "width": 8, "type": "integer"},
                {"name": "soma", "width": 14, "type": "decimal", "decimals": 2},
                {"name": "x9", "width": 1},
                number,
            ],
        },
    ]
    for record, code in zip(records, "019", strict=True):
        record |= {"length": 30, "match": {"field": "tipo", "equals": code}}
    return layout_of({"kind": "fixed", "newline": newline}, records, **facts)


def of_many_types(*, header: bool = False, **facts: Any) -> Layout:
    """Delimited: H, C (a contract) with its P (a phone, may be left out), T; as many columns as each needs."""
    kind = {"name": "tipo"}
    records: list[dict[str, Any]] = [
        {"name": "abertura", "role": "header", "fields": [kind, {"name": "agencia"}], "gives": ["agencia"]},
        {
            "name": "contrato",
            "fields": [
                kind,
                {"name": "contrato", "type": "digits", "zero_pad": 8, "required": True},
                {"name": "valor", "type": "decimal", "decimals": 2, "decimal_mark": ","},
                {"name": "nome"},
            ],
        },
        {
            "name": "telefone",
            "joins": "contrato",
            "required": False,
            "fields": [kind, {"name": "contrato", "type": "digits", "zero_pad": 8, "required": True}, {"name": "fone"}],
        },
        {
            "name": "fecho",
            "role": "trailer",
            "totals": [{"field": "contratos", "count": ["contrato"]}, {"field": "linhas", "count": ["*"]}],
            "fields": [kind, {"name": "contratos", "type": "integer"}, {"name": "linhas", "type": "integer"}],
        },
    ]
    for record, code in zip(records, "HCPT", strict=True):
        record["match"] = {"field": "tipo", "equals": code}
    return layout_of({"kind": "delimited", "header": header, "newline": "lf"}, records, **facts)
