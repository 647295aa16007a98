"""Days in small: rows of each kind of file, and a base that is folded day after day, for the tests of the rules."""

from __future__ import annotations

from datetime import date, datetime, time
from functools import cache

import polars as pl

from atom_pipeline.layout.model import Layout, Stage
from atom_pipeline.portfolio import Portfolio
from atom_pipeline.rules.fold import FoldedDay, fold_day
from atom_pipeline.rules.state import empty

# Valid check digits, invented people.
ANA, BRUNO, CARLA = "52998224725", "11144477735", "39053344705"

MOVIMENTO = ("movimento", "situacao_antes", "situacao_depois")
FIELDS = [{"name": "contrato"}, {"name": "cpf_cnpj"}, {"name": "nome"}, {"name": "valor", "type": "integer"}]


def portfolio(**settings: object) -> Portfolio:
    """A portfolio as small as can be: contracts of 6 digits, guards that only an empty batimento wakes."""
    return Portfolio.model_validate(
        {
            "portfolio": "teste",
            "title": "Teste",
            "description": "Carteira de teste",
            "creditor": "Banco",
            "ascob": "528",
            "campaign": {"id": 7, "name": "Teste"},
            "operation": {"start": date(2026, 1, 2)},
            "contrato_digits": 6,
            "contratos_columns": ["valor"],
            "guards": {"smallest_base": 1000},
            "batimento": {"carteiras": ["VEICULOS"], "cod_assessoria": ["528"]},
            **settings,
        }
    )


@cache
def layouts() -> dict[str, Layout]:
    """One layout per stage under the stage's name, and a second one of acordos."""
    stages = {stage.value: stage for stage in (Stage.REMESSA, Stage.ACORDOS, Stage.EXCLUSAO, Stage.BATIMENTO)}
    return {
        name: Layout.model_validate(
            {
                "layout": name,
                "title": name,
                "description": name,
                "stage": stage,
                "names": [f"<AAAAMMDD>_{name}.csv"],
                "versions": [
                    {
                        "format": {"kind": "delimited"},
                        "records": [{"name": "linha", "fields": FIELDS if stage is Stage.REMESSA else FIELDS[:1]}],
                    }
                ],
            }
        )
        for name, stage in {**stages, "acordos_posicional": Stage.ACORDOS}.items()
    }


def file(name: str, rows: list[dict[str, object]], schema: dict[str, pl.DataType], hour: int = 20) -> pl.DataFrame:
    """Accepted rows as a file brings them, on lines 1, 2, ..."""
    return pl.DataFrame(rows, schema=schema).with_columns(
        registro=pl.lit("linha"),
        arquivo=pl.lit(name),
        linha=pl.int_range(1, pl.len() + 1, dtype=pl.UInt32),
        carimbo=pl.lit(datetime.combine(date(2026, 1, 2), time(hour)), pl.Datetime("us")),
        ordem=pl.lit(1, pl.Int64),
    )


def remessa(*rows: dict[str, object], name: str = "remessa.txt", hour: int = 20) -> pl.DataFrame:
    """A remessa; a row says what differs from contrato 1 of Ana."""
    usual = {"contrato": "1", "cpf_cnpj": ANA, "nome": "ANA", "valor": 100}
    schema = {"contrato": pl.String(), "cpf_cnpj": pl.String(), "nome": pl.String(), "valor": pl.Int64()}
    return file(name, [usual | row for row in rows], schema, hour)


def acordos(*rows: dict[str, object], name: str = "acordos.csv", hour: int = 2) -> pl.DataFrame:
    usual = {"contrato": "1", "numero_acordo": "900", "parcela": 1, "motivo": "ACORDO", "data_movimento": None}
    schema = {
        "contrato": pl.String(),
        "numero_acordo": pl.String(),
        "parcela": pl.Int64(),
        "motivo": pl.String(),
        "data_movimento": pl.Date(),
    }
    return file(name, [usual | row for row in rows], schema, hour)


def exclusao(*contratos: str, name: str = "exclusao.txt") -> pl.DataFrame:
    return file(name, [{"contrato": contrato} for contrato in contratos], {"contrato": pl.String()})


def batimento(*contratos: str, name: str = "batimento.csv", **columns: str | None) -> pl.DataFrame:
    usual = {"carteira": "VEICULOS", "cod_assessoria": "528"} | columns
    schema = {"contrato": pl.String(), "carteira": pl.String(), "cod_assessoria": pl.String()}
    return file(name, [{"contrato": contrato, **usual} for contrato in contratos], schema)


def contrato(situacao: str, *, numero: str = "000001", bloqueado_em: date | None = None) -> pl.DataFrame:
    """A base of one contract of Ana, in this situacao since long ago."""
    row = {
        "contrato": numero,
        "cpf_cnpj": ANA,
        "id_crm": "IDDEANA",
        "situacao": situacao,
        "situacao_desde": date(2026, 1, 2),
        "bloqueado_em": bloqueado_em,
        "motivo": "Antes",
        "primeira_alta": date(2026, 1, 2),
        "ultima_remessa": date(2026, 1, 2),
        "valor": 100,
    }
    base = empty("contratos", {"valor": pl.Int64})
    return pl.concat([base, pl.DataFrame([row], schema_overrides=base.schema)], how="diagonal")


class Base:
    """A base that lives through days; ``day`` folds one and keeps what it made."""

    def __init__(self, contratos: pl.DataFrame | None = None, **settings: object) -> None:
        self.portfolio = portfolio(**settings)
        self.tables: dict[str, pl.DataFrame] = {} if contratos is None else {"contratos": contratos}
        self.last: FoldedDay | None = None

    def day(self, day: date, *, decisions: tuple[str, ...] = (), **received: pl.DataFrame | None) -> FoldedDay:
        """Fold a day from the files given by stage."""
        self.last = fold_day(
            self.tables, received, day=day, portfolio=self.portfolio, layouts=layouts(), decisions=decisions
        )
        self.tables = self.last.tables
        return self.last

    def __getitem__(self, numero: str) -> dict[str, object]:
        """A contract as it stands, by its canonical number."""
        return self.tables["contratos"].row(by_predicate=pl.col("contrato") == numero, named=True)

    def events(self, numero: str = "000001") -> list[tuple[str, str | None, str | None]]:
        """The last day's movimentos of a contract: (movimento, situacao before, after)."""
        return self.tables["movimentos"].filter(pl.col("contrato") == numero).select(MOVIMENTO).rows()

    def set_aside(self) -> list[tuple[str, str, str]]:
        """The last day's ignoradas: (layout, contrato, motivo)."""
        return self.tables["ignoradas"].select("layout", "contrato", "motivo").rows()
