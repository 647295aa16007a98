"""A portfolio whose day is made, with massive files read: what sending stands on, without a run of Dagster's.

The base is written as a day's run leaves it; files go through the real drop, collection and reading.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import yaml

from assets.loading import load_day
from assets.receive import write_day
from atom_pipeline.day import decisions_fingerprint, fold_fingerprint
from atom_pipeline.layout.model import Stage
from atom_pipeline.layout.schema import record_schema
from atom_pipeline.layout.writing import write_file
from atom_pipeline.rules.state import empty
from resources.collect import collect
from resources.ledger_records import Base
from resources.massiva_sending import Progress, send_massivas
from resources.omne_settings import OmneAccess
from resources.runtime import PortfolioRuntime, open_portfolios
from resources.settings import PROJECT_ROOT, Settings, file_url

ZONE = ZoneInfo("America/Sao_Paulo")
DAY = date(2026, 11, 24)  # a Tuesday
MORNING = datetime(2026, 11, 24, 10, 0, tzinfo=ZONE)
FAST: dict[str, Any] = {
    "concurrency": 4,
    "rate_per_second": 1_000_000,
    "timeout_seconds": 1.0,
    "slice_minutes": 1,
    "retry": {"attempts": 3, "first_wait_seconds": 0.02, "longest_wait_seconds": 0.1},
    "breaker": {"window": 20, "at_least": 5, "failures": 0.5, "pause_seconds": 0.2, "openings": 3},
}


class Clock:
    """The present moment: it begins at one and goes on as time does."""

    def __init__(self, at: datetime) -> None:
        self._at, self._since = at, time.monotonic()

    def __call__(self) -> datetime:
        return self._at + timedelta(seconds=time.monotonic() - self._since)

    def set(self, at: datetime) -> None:
        self._at, self._since = at, time.monotonic()


class House:
    """A portfolio's runtime and its clock."""

    def __init__(self, runtime: PortfolioRuntime, clock: Clock) -> None:
        self.runtime, self.clock = runtime, clock

    @property
    def drop(self) -> Path:
        return Path(self.runtime.settings.drop_url.removeprefix("file://"))

    def put(self, name: str, rows: Sequence[Mapping[str, Any]], layout: str = "massiva_whatsapp") -> Path:
        """Write a file of a layout to the drop."""
        spec = self.runtime.catalogue.layouts[layout]
        record = spec.version_on(DAY).details[0]
        frame = pl.DataFrame(list(rows), schema=record_schema(record))
        write_file(spec, {record.name: frame}, self.drop / name, day=DAY)
        return self.drop / name

    def read(self, day: date = DAY) -> None:
        """Collect the drop, and read the day's massive and history files as a day's run does."""
        runtime = self.runtime
        report = collect(runtime.drop, runtime.catalogue, runtime.ledger, runtime.archive, runtime.calendar, pause=0)
        assert not report.errors and not report.unstable, report
        for layout in runtime.layouts(Stage.MASSIVA, Stage.HISTORICO):
            write_day(runtime, layout, day, load_day(runtime, layout, day))

    def base(self, contratos: Mapping[str, str], *, ufs: Mapping[str, str] | None = None, day: date = DAY) -> Base:
        """Make the day's base: these contracts with their situacao. What the day has of files is in it."""
        rows = [{"contrato": contrato, "situacao": situacao} for contrato, situacao in sorted(contratos.items())]
        frame = pl.DataFrame(rows, schema={"contrato": pl.String, "situacao": pl.String})
        homes = [{"contrato": contrato, "ordem": 1, "uf": uf} for contrato, uf in sorted((ufs or {}).items())]
        runtime = self.runtime
        tables = {
            "contratos": pl.concat([empty("contratos"), frame], how="diagonal"),
            "enderecos": pl.concat(
                [empty("enderecos"), pl.DataFrame(homes, schema={"contrato": pl.String, "ordem": pl.Int64,
                                                                  "uf": pl.String})],
                how="diagonal",
            ),
        }  # fmt: skip
        hashes = {name: runtime.lake.write(name, day, table).sha256 for name, table in tables.items()}
        digest = hashlib.sha256("".join(sorted(hashes.values())).encode()).hexdigest()
        files = runtime.ledger.identities().get(day, [])
        before = [base for base in runtime.ledger.bases() if base.day < day]
        previous = before[-1] if before else None
        inputs = fold_fingerprint(files, decisions_fingerprint(runtime.taken(day)), previous.hash if previous else None)
        return runtime.ledger.record_base(
            Base(
                day=day, hash=digest, tables=hashes, inputs=inputs,
                previous_day=previous.day if previous else None, previous_hash=previous.hash if previous else None,
                complete=True, waiting={},
            )
        )  # fmt: skip

    def send(self, **how: Any) -> Progress:
        return send_massivas(self.runtime, DAY, **how)

    def statuses(self) -> dict[str, int]:
        return {status.value: count for status, count in self.runtime.ledger.message_counts(DAY).items()}


def messages(count: int, *, first: int = 1, jornada: str = "jornada1", ddd: str = "31") -> list[dict[str, Any]]:
    """So many rows, each of a contract and a number of its own."""
    return [
        {
            "contrato": f"{number:010d}",
            "numero": f"{ddd}9{number:08d}",
            "nome": f"PESSOA {number}",
            "jornada": jornada,
        }
        for number in range(first, first + count)
    ]


def active(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {row["contrato"]: "ATIVO" for row in rows}


def layouts_for_tests(target: Path, massivas: Mapping[str, Any] | None = None, **portfolio: Any) -> Path:
    """The bank's layouts with other values under `massivas` and at the top of portfolio.yaml."""
    folder = target / "banco_pan_veiculos"
    shutil.copytree(PROJECT_ROOT / "layouts" / "banco_pan_veiculos", folder)
    document = folder / "portfolio.yaml"
    content = yaml.safe_load(document.read_text(encoding="utf-8"))
    content["massivas"] |= FAST | dict(massivas or {})
    # Of these days nothing is expected but the messages.
    content |= {"expects": [], "batimento": {}} | portfolio
    document.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return target


@contextmanager
def massiva_house(
    home: Path,
    postgres_url: str,
    omne_url: str,
    token: str,
    *,
    massivas: Mapping[str, Any] | None = None,
    now: datetime = MORNING,
    change: Callable[[Settings], Settings] | None = None,
) -> Iterator[House]:
    """A house with an empty drop and no base."""
    layouts = home / "layouts"
    if not layouts.exists():
        layouts_for_tests(layouts, massivas)
    settings = Settings(
        home=home,
        drop_url=file_url(home / "drop"),
        manager_url=file_url(home / "manager"),
        layouts=layouts,
        postgres_url=postgres_url,
        omne=OmneAccess(omne_url, token),
    )
    settings = change(settings) if change else settings
    clock = Clock(now)
    with open_portfolios(settings, clock=clock) as portfolios:
        (runtime,) = portfolios.values()
        yield House(runtime, clock)


def with_access(url: str | None, token: str | None) -> Callable[[Settings], Settings]:
    return lambda settings: replace(settings, omne=OmneAccess(url, token))
