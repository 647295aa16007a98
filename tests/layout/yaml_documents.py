"""Small documents for the tests of layouts: a portfolio, a fixed-width and a delimited layout, written to a folder."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

PORTFOLIO = dedent("""\
    portfolio: carteira_teste
    title: Carteira de teste
    description: Uma carteira pequena
    creditor: Banco Teste
    ascob: "528"
    campaign: {id: 1, name: Teste}
    operation: {start: 2023-08-01, cutover: 12:00}
    contrato_digits: 8
    expects:
      - {name: exclusao, any_of: [exclusao]}
      - {name: refin, any_of: [refin]}
    batimento: {waits_for: [exclusao]}
    """)

FIXED = dedent("""\
    layout: exclusao
    title: Exclusão
    description: Contratos que o banco retira
    stage: exclusao
    names: ["<AAAAMMDD>_<HHMMSS>_baixa_<ASCOB>_out.<ASCOB>[.txt]"]
    cutover: true
    merge: union
    key: [contrato]
    versions:
      - format: {kind: fixed}
        records:
          - name: detalhe
            length: 12
            fields:
              - {name: contrato, width: 8, type: digits, zero_pad: 8, required: true}
              - {name: motivo, width: 4}
    """)

DELIMITED = dedent("""\
    layout: refin
    title: Refin
    description: Ofertas de refinanciamento
    stage: refin
    names:
      - refin_carteira_veic_<DDMMAAHHMISS>.csv
      - refin_carteira_veic_<DDMMAAAAHHMISS>.csv
      - {pattern: refin_carteira_veic_<DDMMAAHHMISS>.xlsx, excel: true}
    versions:
      - format: {kind: delimited}
        records:
          - name: detalhe
            fields:
              - {name: contrato, type: digits, zero_pad: 8, required: true}
              - {name: taxa, type: decimal, decimals: 2, decimal_mark: ","}
    """)


def write(path: Path, text: str) -> Path:
    """Write a document, its folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_folder(folder: Path, *layouts: str, portfolio: str = PORTFOLIO) -> Path:
    """A portfolio's folder; each layout's file is named as its first line says."""
    write(folder / "portfolio.yaml", portfolio)
    for text in layouts or (FIXED, DELIMITED):
        name = text.partition("\n")[0].removeprefix("layout: ")
        write(folder / f"{name}.yaml", text)
    return folder
