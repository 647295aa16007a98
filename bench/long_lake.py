"""A lake of years of days of a large portfolio, as far as `atom explain` and `atom diff` read it, with its ledger.

Every day has its movimentos (each contract of a remessa changes every day), rows set aside, a carga of all and a wave
of baixas; the base and the mailing are made for the days that are read whole. Some days are written and the others
copied from them, and from a number on linked, so that years fit on a disk: a copy's rows have the day of the one they
were copied from. The contracts are the numbers from 0; line n + 1 of the newest remessa is of contract n.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from atom_pipeline.day import decisions_fingerprint, fold_fingerprint
from atom_pipeline.layout.schema import polars_schema
from atom_pipeline.rules.state import MONEY, empty
from atom_pipeline.waves import ROWS, Operation
from bench.inputs import SEED, make_input
from resources.ledger_records import Base, Load, NewFile, WaveKind
from resources.manager import MAILING, ORIGIN, origin_table
from resources.runtime import PortfolioRuntime

REMESSA = "remessa_assessoria"
SHARE_MOVED = 0.9  # of the contracts: those whose row in the day's remessa differs from the last one
PHONES = 3  # a contract
LAST = "marcacoes"  # the last table that is written


@dataclass(frozen=True)
class LongLake:
    """``written`` days have files of their own, ``copied`` a copy of one of those, the rest a link to it."""

    contracts: int
    days: int
    written: int
    copied: int
    remessa_megabytes: float


def make(runtime: PortfolioRuntime, shape: LongLake) -> list[date]:
    """Write lake, archive and ledger; returns the days. What is there of an earlier making is left."""
    days = last_days(runtime, shape.days)
    made = _Making(runtime, shape)
    made.tables_of_days(days)
    for number, day in enumerate((days[-1], days[-2], days[0])):
        if not runtime.lake.exists(origin_table(MAILING), day) or not runtime.lake.exists(LAST, days[-1]):
            made.base(day, number)
    made.ledger(days)
    return days


def last_days(runtime: PortfolioRuntime, count: int) -> list[date]:
    """So many working days, up to the one at hand."""
    day = runtime.calendar.roll_forward(runtime.now().date())
    days = [day]
    while len(days) < count:
        days.append(runtime.calendar.previous(days[-1]))
    return days[::-1]


def contrato(number: int) -> str:
    return f"{number:010d}"


class _Making:
    def __init__(self, runtime: PortfolioRuntime, shape: LongLake) -> None:
        self.runtime, self.lake, self.shape = runtime, runtime.lake, shape
        self.draw = np.random.default_rng(SEED)
        self.contratos = pl.int_range(shape.contracts, eager=True).cast(pl.String).str.zfill(10).alias("contrato")

    def some(self, share: float) -> pl.Series:
        """The numbers of a share of the contracts, in order."""
        size = self.shape.contracts
        return pl.Series("number", np.sort(self.draw.choice(size, int(size * share), replace=False)))

    def digits(self, length: int, rows: int) -> pl.Series:
        halves = self.draw.integers(0, 10**9, size=(rows, 4)).astype(str)
        joined = pl.DataFrame(halves).select(pl.concat_str(pl.all().str.zfill(9)))
        return joined.to_series().str.slice(0, length)

    def tables_of_days(self, days: list[date]) -> None:
        """movimentos, ignoradas and the waves' rows of every day."""
        for place, day in enumerate(days):
            if self.lake.has(self.lake.wave_path(day, 2)):
                continue
            if place < self.shape.written or day == days[-1]:
                self.lake.write("movimentos", day, self.movimentos(day))
                self.lake.write("ignoradas", day, self.ignoradas(day))
                self.lake.write_wave_rows(day, 1, self.wave(Operation.CARGA, 0.8))
                self.lake.write_wave_rows(day, 2, self.wave(Operation.BAIXA, 0.02))
                continue
            source = days[place % self.shape.written]
            put = shutil.copyfile if place < self.shape.written + self.shape.copied else os.link
            for table in ("movimentos", "ignoradas"):
                put(self.lake.path(table, source), self.lake.path(table, day))
            for number in (1, 2):
                root = self.runtime.lake.base
                put(f"{root}/{self.lake.wave_path(source, number)}", f"{root}/{self.lake.wave_path(day, number)}")

    def movimentos(self, day: date) -> pl.DataFrame:
        numbers = self.some(SHARE_MOVED)
        kinds = pl.Series(self.draw.choice(1000, numbers.len()))
        rows = pl.DataFrame({"number": numbers, "kind": kinds, "contrato": self.contratos.gather(numbers)})
        blocked, closed = pl.col("kind") < 15, pl.col("kind").is_between(15, 30)
        after = pl.when(blocked).then(pl.lit("BLOQUEIO PARCIAL")).when(closed).then(pl.lit("BAIXADO"))
        kind = pl.when(blocked).then(pl.lit("BLOQUEIO")).when(closed).then(pl.lit("BAIXA_BATIMENTO"))
        return rows.select(
            dia=pl.lit(day),
            contrato="contrato",
            movimento=kind.otherwise(pl.lit("ATUALIZACAO")),
            situacao_antes=pl.lit("ATIVO"),
            situacao_depois=after.otherwise(pl.lit("ATIVO")),
            arquivo=pl.lit(remessa_of(day)),
            linha=(pl.col("number") + 1).cast(pl.UInt32),
            detalhe=pl.lit("dias_atraso, valor_total"),
        )

    def ignoradas(self, day: date) -> pl.DataFrame:
        numbers = self.some(0.02)
        return pl.DataFrame({"contrato": self.contratos.gather(numbers), "number": numbers}).select(
            dia=pl.lit(day),
            layout=pl.lit(REMESSA),
            arquivo=pl.lit(remessa_of(day)),
            linha=(pl.col("number") + 1).cast(pl.UInt32),
            contrato="contrato",
            motivo=pl.lit("CONTRATO_FORA_DA_BASE"),
            detalhe=pl.lit(None, pl.String),
        )

    def wave(self, operation: Operation, share: float) -> pl.DataFrame:
        numbers = self.some(share)
        rows = pl.DataFrame({"contrato": self.contratos.gather(numbers)})
        return rows.with_columns(
            id_crm=self.digits(16, numbers.len()),
            conteudo=self.digits(32, numbers.len()),
            operacao=pl.lit(operation.value),
        ).select(list(ROWS))

    def base(self, day: date, number: int) -> None:
        """The tables of a day that are read whole; those of each day differ in a part of the contracts."""
        size = self.shape.contracts
        layout = self.runtime.catalogue.layouts[REMESSA]
        fields = polars_schema(layout, layout.version_on(day))
        carried = {name: fields[name] for name in self.runtime.portfolio.contratos_columns if name in fields}
        situacao = pl.Series(self.draw.choice(["ATIVO", "BLOQUEIO PARCIAL", "BAIXADO"], size, p=[0.9, 0.05, 0.05]))
        known = pl.DataFrame(
            {"contrato": self.contratos, "cpf_cnpj": self.contratos.str.zfill(11), "situacao": situacao}
        ).with_columns(
            id_crm=pl.col("cpf_cnpj"),
            situacao_desde=pl.lit(day),
            motivo=pl.col("situacao"),
            primeira_alta=pl.lit(day),
            ultima_remessa=pl.lit(day),
            **{name: self.drawn(dtype, size) for name, dtype in carried.items()},
        )
        contratos = pl.concat([empty("contratos", carried), known], how="diagonal")
        self.lake.write("contratos", day, contratos)
        mailing = self.mailing(contratos.filter(pl.col("situacao") == "ATIVO"))
        self.lake.write(MAILING, day, mailing)
        for model in (MAILING, "telefones_posicionados"):
            self.lake.write(origin_table(model), day, pl.DataFrame({"base": [hash_of(day)]}, schema=ORIGIN))
        if number:
            return
        phones = self.phones(day)
        self.lake.write("telefones_contato", day, phones)
        placed = phones.join(known.filter(situacao="ATIVO"), on="contrato", how="semi", maintain_order="left")
        self.lake.write("telefones_posicionados", day, placed.with_columns(lugar=pl.col("ordem")))
        acordos = {"contrato": self.contratos.gather(self.some(0.2)), "numero_acordo": "1", "bloqueia": True}
        rows = pl.DataFrame(acordos).with_columns(primeiro_dia=pl.lit(day))
        self.lake.write("acordos", day, pl.concat([empty("acordos"), rows], how="diagonal"))
        self.lake.write("recusadas", day, empty("recusadas"))
        self.lake.write("marcacoes", day, empty("marcacoes"))

    def drawn(self, dtype: pl.DataType, size: int) -> pl.Series:
        numbers = pl.Series(self.draw.integers(1, 400, size))
        if dtype == pl.Date:
            return (numbers.cast(pl.Int32) + 20_000).cast(pl.Date)
        return numbers.cast(MONEY) if isinstance(dtype, pl.Decimal) else numbers.cast(dtype)

    def mailing(self, active: pl.DataFrame) -> pl.DataFrame:
        """Rows of the mailing's width: what the contracts carry, and ten phones of which three are there."""
        telephones: dict[str, pl.Expr | pl.Series] = {}
        for place in range(1, 11):
            there = place <= PHONES
            telephones |= {
                f"telefone_{place}_ddd": pl.lit("31" if there else None, pl.String),
                f"telefone_{place}_numero": self.digits(9, active.height) if there else pl.lit(None, pl.String),
                f"telefone_{place}_tipo": pl.lit("celular" if there else None, pl.String),
                f"telefone_{place}_score": pl.Series(self.draw.integers(0, 100, active.height))
                if there
                else pl.lit(None),
            }
        return active.drop("motivo", "situacao", "situacao_desde", "bloqueado_em", "numero_acordo").with_columns(
            nome=pl.format("CLIENTE {}", "contrato"), **telephones
        )

    def phones(self, day: date) -> pl.DataFrame:
        rows = pl.DataFrame({"contrato": self.contratos}).join(
            pl.DataFrame({"ordem": range(1, PHONES + 1)}, schema={"ordem": pl.Int64}),
            how="cross",
            maintain_order="left",
        )
        numbers = self.digits(9, rows.height)
        rows = rows.with_columns(
            telefone="31" + numbers, ddd=pl.lit("31"), numero=numbers, tipo=pl.lit("celular"),
            score=pl.lit(50, pl.Int64), origem=pl.lit("REMESSA"), desde=pl.lit(day), arquivo=pl.lit(remessa_of(day)),
        )  # fmt: skip
        return pl.concat([empty("telefones_contato"), rows], how="diagonal")

    def ledger(self, days: list[date]) -> None:
        """Files, bases and sent waves of every day; the remessa of the newest one is in the archive."""
        ledger, lake = self.runtime.ledger, self.lake
        before: str | None = None
        known = {base.day for base in ledger.bases()}
        for day in days:
            if day in known:
                before = hash_of(day)
                continue
            sha256, size, rows_read = f"{day:%Y%m%d}".ljust(64, "0"), 0, 0
            path = f"{day}/{REMESSA}/{remessa_of(day)}"
            if day == days[-1]:
                size, rows_read = self.archive(self.runtime.archive / path)
            file = NewFile(remessa_of(day), REMESSA, day, sha256, size, path)
            recorded = ledger.record_file(file).file
            ledger.record_load(Load(recorded.id, "loaded", rows_read=rows_read, rows_accepted=rows_read))
            inputs = fold_fingerprint([(REMESSA, file.name, sha256)], decisions_fingerprint([]), before)
            tables = dict.fromkeys(("contratos", "movimentos", "ignoradas"), sha256)
            previous = None if before is None else days[days.index(day) - 1]
            for number, kind in ((1, WaveKind.CARGA), (2, WaveKind.BAIXA)):
                if ledger.wave(day, number):
                    continue
                with ledger.wave_slot(day) as slot:
                    rows = lake.wave_path(day, number)
                    wave = ledger.plan_wave(slot, kind, files=(), rows_path=rows, rows_sha256="0" * 64)
                ledger.mark_wave_sent(wave)
            ledger.record_base(Base(day, hash_of(day), tables, inputs, previous, before, True, {}))
            before = hash_of(day)

    def archive(self, path: Path) -> tuple[int, int]:
        """Bytes and lines of the remessa put into the archive."""
        made = make_input(
            "280 fields",
            accents=False,
            megabytes=self.shape.remessa_megabytes,
            folder=self.runtime.settings.home / "input",
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        os.link(made.path, path)
        return made.bytes, made.rows


def remessa_of(day: date) -> str:
    return f"{day:%Y%m%d}_080000_remessa_528_out.528"


def hash_of(day: date) -> str:
    return f"{day:%Y%m%d}".rjust(64, "0")


def files_of(runtime: PortfolioRuntime) -> Iterator[Path]:
    """Every file of the lake."""
    for path, _ in runtime.lake.files():
        yield Path(runtime.lake.base) / path
