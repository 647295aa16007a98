"""What Manager should have for a day, what it has, and so what it is owed.

Questions only: nothing is planned or sent here, which is in ``publish``. The assets, the day's panel and ``--dry-run``
ask here, so that all of them give the same numbers.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from datetime import date

import polars as pl

from atom_pipeline.ahead import made_ahead
from atom_pipeline.day import SENDING, Decision, Sending
from atom_pipeline.portfolio import Guards
from atom_pipeline.rules.state import Situacao
from atom_pipeline.waves import (
    DESIRED,
    HELD,
    Operation,
    full_rows,
    incremental_rows,
    removal_rows,
    removals,
    spoken_of,
)
from resources.ledger_records import RESETS, Wave, WaveKind, WaveStatus
from resources.publish import manager_state
from resources.runtime import PortfolioRuntime

MAILING = "manager_mailing"
HASHED_ROWS = 32_768  # at a time: the next ones are made text meanwhile
BETWEEN, NOTHING = "\x1f", "\x00"  # of the values of a row that is hashed
WRITTEN_AS_CAST = (pl.String, pl.Date, pl.Decimal)  # types whose values Polars writes as it casts them to text
ORIGIN = pl.Schema({"base": pl.String})  # the hash of the base that a model was made from
NO_BASE = "o dia não tem base: rode o dia"
IMPORTED = "a base do dia foi importada: o Manager já tem o que ela diz"
CHANGED = "o que se deve ao Manager mudou depois de planejada"
OTHER_BASE = "o mailing não é da base que há agora: materialize manager_mailing"


@dataclass(frozen=True)
class Doubt:
    """Baixas that nothing in the base explains: the contract is ATIVO and has no phone, or the base does not know it.

    ``contratos`` would go now. ``count`` has in it those that went earlier on the day, ``of`` all that Manager had.
    """

    contratos: tuple[str, ...]
    count: int
    of: int
    limits: Guards
    released: bool  # by the operator's send-now

    @property
    def share(self) -> float:
        return self.count / self.of if self.of else 0.0

    @property
    def held(self) -> bool:
        too_many = self.share > self.limits.max_baixa_sem_telefone and self.of >= self.limits.smallest_base
        return too_many and bool(self.contratos) and not self.released

    @property
    def kept(self) -> tuple[str, ...]:
        """Contracts that stay at Manager until an operator decides."""
        return self.contratos if self.held else ()

    @property
    def numbers(self) -> dict[str, int | float]:
        return {
            "sem telefone ou fora da base": self.count,
            "contratos no Manager": self.of,
            "parte": round(self.share, 4),
            "limite": self.limits.max_baixa_sem_telefone,
            "retidas": len(self.kept),
        }

    @property
    def message(self) -> str:
        text = (
            f"{self.count} de {self.of} contratos do Manager ({self.share:.1%}) sairiam por SEM TELEFONE ou FORA DA "
            f"BASE; o limite é {self.limits.max_baixa_sem_telefone:.0%}"
        )
        if self.held:
            return f"{text}: essas {len(self.kept)} baixas estão retidas; confira a remessa, ou decida send-now"
        return f"{text}, liberado por send-now" if self.released else text


@dataclass(frozen=True)
class Due:
    """A wave that would go now. ``rows`` (atom_pipeline.waves.ROWS) were made against ``held``, what Manager has."""

    kind: WaveKind
    sending: Sending
    rows: pl.DataFrame
    held: pl.DataFrame
    doubt: Doubt | None = None  # when something may be sent at all

    @property
    def spoken(self) -> pl.DataFrame:
        """The rows that its files hold; without any there is nothing to send."""
        return spoken_of(self.rows)

    @property
    def by_operation(self) -> dict[str, int]:
        counted = self.spoken.group_by("operacao").len().sort("operacao")
        return {str(operation): int(count) for operation, count in counted.iter_rows()}


def manager_before(runtime: PortfolioRuntime, day: date) -> pl.DataFrame:
    """What Manager had when the day began: the fold of the waves of earlier days.

    The same on every replay, once none of those days' waves is on its way.
    """
    earlier = [wave for wave in runtime.ledger.waves(status=WaveStatus.SENT) if wave.day < day]
    return manager_state(runtime.ledger, runtime.lake, up_to=earlier[-1]) if earlier else HELD.to_frame()


def desired(runtime: PortfolioRuntime, day: date) -> pl.DataFrame:
    """What Manager should have (atom_pipeline.waves.DESIRED): the day's mailing, each row with its hash.

    A day asks several times, and a million hashes take seconds: those of the last mailing are kept.
    """
    sha256 = runtime.lake.sha256(MAILING, day)
    if runtime.desired is None or runtime.desired[0] != sha256:
        mailing = runtime.lake.read(MAILING, day)
        rows = mailing.select("contrato", "id_crm", conteudo=content_hash(mailing)).cast(DESIRED)
        runtime.desired = (sha256, rows)
    return runtime.desired[1]


def content_hash(frame: pl.DataFrame) -> pl.Series:
    """SHA-256 of each row's values, the same on every machine and version: it is compared with what was sent."""
    hashes: list[str] = []
    for rows in made_ahead(rows_as_text, frame.iter_slices(HASHED_ROWS), workers=2):
        hashes += [hashlib.sha256(row).hexdigest()[:32] for row in rows]
    return pl.Series(hashes, dtype=pl.String)


def rows_as_text(frame: pl.DataFrame) -> list[bytes]:
    """Each row's values as text, which is what Polars casts them to, one after another."""
    others = [name for name, dtype in frame.schema.items() if not (dtype.is_integer() or dtype in WRITTEN_AS_CAST)]
    cells = frame.with_columns(pl.col(others).cast(pl.String))
    written = io.BytesIO()
    cells.write_csv(written, include_header=False, separator=BETWEEN, quote_style="never", null_value=NOTHING)
    rows = written.getvalue().split(b"\n")
    if len(rows) == frame.height + 1:  # no value has a line break
        return rows[:-1]
    text = pl.concat_str(pl.all().cast(pl.String).fill_null(NOTHING), separator=BETWEEN)
    return frame.select(text.cast(pl.Binary)).to_series().to_list()


def origin_table(model: str) -> str:
    """The lake's table that says which base a model was made from (ORIGIN)."""
    return f"etapas/modelo_{model}"


def origin(runtime: PortfolioRuntime, model: str, day: date) -> str | None:
    """Hash of the base that a model was made from; None when it was not made, or not to its end."""
    table = origin_table(model)
    said = runtime.lake.read(table, day)["base"].to_list() if runtime.lake.exists(table, day) else []
    return said[0] if said else None


def may_send(runtime: PortfolioRuntime, day: date) -> Sending:
    """What may be sent for a day now: as the day's rules say, and from a mailing that was made of its base."""
    sending = runtime.sending(day)
    base = runtime.ledger.base(day)
    if base is None:
        return Sending(False, False, sending.reasons or (NO_BASE,))
    if base.imported:
        return Sending(False, False, (IMPORTED,))
    if (sending.carga or sending.baixa) and origin(runtime, MAILING, day) != base.hash:
        return Sending(False, False, (OTHER_BASE, *sending.reasons))
    return sending


def refusal(runtime: PortfolioRuntime, wave: Wave) -> str | None:
    """Why a planned wave may no longer go, by what is known now of its own day; None when it may.

    One that was planned from a base that has changed since says what is no longer so, e.g. that a client with an acordo
    may be called: it is not delivered to be mended by the next one.
    """
    if wave.kind is WaveKind.IMPORTACAO:
        return None
    sending = runtime.sending(wave.day)
    if not (sending.baixa if wave.kind is WaveKind.BAIXA else sending.carga):
        return "; ".join(sending.reasons)
    now = baixas_due(runtime, wave.day) if wave.kind is WaveKind.BAIXA else mailing_due(runtime, wave.day)
    planned = runtime.lake.read_wave_rows(wave.rows_path, wave.rows_sha256)
    return None if now.kind is wave.kind and now.rows.equals(planned) else CHANGED


def baixas_due(runtime: PortfolioRuntime, day: date) -> Due:
    """The baixas of what Manager has and should no longer have (UC007), but those that are held."""
    sending = may_send(runtime, day)
    held = manager_state(runtime.ledger, runtime.lake)
    if not sending.baixa:
        return Due(WaveKind.BAIXA, sending, _nothing(), held)
    wanted = desired(runtime, day)
    doubt = _doubt(runtime, day, wanted, held, _gone(runtime, day))
    return Due(WaveKind.BAIXA, sending, removal_rows(wanted, held, doubt.kept), held, doubt)


def mailing_due(runtime: PortfolioRuntime, day: date, *, after: pl.DataFrame | None = None) -> Due:
    """The day's carga, or after it what is new or changed (R012, UC003), with the baixas of what left in between.

    ``after`` has the rows of the baixas that go before it and have not gone yet.
    """
    sending = may_send(runtime, day)
    held = manager_state(runtime.ledger, runtime.lake)
    gone = _gone(runtime, day)
    if after is not None:
        held = held.join(after, on="contrato", how="anti").sort("contrato")
        gone = pl.concat([gone, after["contrato"]]).unique()
    sent = any(wave.kind in RESETS for wave in runtime.ledger.waves(day, WaveStatus.SENT))
    kind = WaveKind.INCREMENTAL if sent else WaveKind.CARGA
    if not sending.carga:
        return Due(kind, sending, _nothing(), held)
    wanted = desired(runtime, day)
    doubt = _doubt(runtime, day, wanted, held, gone)
    rows = (incremental_rows if sent else full_rows)(wanted, held, doubt.kept)
    return Due(kind, sending, rows, held, doubt)


def due(runtime: PortfolioRuntime, day: date) -> Due:
    """All that would go for a day now; a mailing wave has the baixas in it."""
    return mailing_due(runtime, day) if may_send(runtime, day).carga else baixas_due(runtime, day)


def _nothing() -> pl.DataFrame:
    return removal_rows(DESIRED.to_frame(), HELD.to_frame())


def _gone(runtime: PortfolioRuntime, day: date) -> pl.Series:
    """Contracts that the day's waves took away."""
    waves = runtime.ledger.waves(day, WaveStatus.SENT)
    rows = [runtime.lake.read_wave_rows(wave.rows_path, wave.rows_sha256) for wave in waves]
    taken = [frame.filter(pl.col("operacao") == Operation.BAIXA.value)["contrato"] for frame in rows]
    return pl.concat([pl.Series("contrato", [], dtype=pl.String), *taken]).unique()


def _doubt(runtime: PortfolioRuntime, day: date, wanted: pl.DataFrame, held: pl.DataFrame, gone: pl.Series) -> Doubt:
    """Judge the baixas of a wave, together with those that went before it on the day."""
    situacoes = runtime.lake.scan("contratos", day).select("contrato", "situacao").collect()
    taken = gone.to_frame().join(held, on="contrato", how="anti")

    def unexplained(contratos: pl.DataFrame) -> pl.DataFrame:
        known = contratos.select("contrato").join(situacoes, on="contrato", how="left")
        return known.filter(pl.col("situacao").is_null() | (pl.col("situacao") == Situacao.ATIVO.value))

    now = unexplained(removals(wanted, held))
    earlier = unexplained(taken.join(wanted, on="contrato", how="anti"))
    words = [decision.what for decision in runtime.taken(day) if decision.what in SENDING]
    return Doubt(
        contratos=tuple(sorted(now["contrato"])),
        count=now.height + earlier.height,
        of=held.height + taken.height,
        limits=runtime.portfolio.guards,
        released=words[-1:] == [Decision.SEND_NOW],  # the last word counts
    )
