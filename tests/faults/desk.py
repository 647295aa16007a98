"""The receiving desk: a file's bytes in the drop, collected, read and recorded as the product does.

What a file does to the base is seen on a second day: the first one, with forty contracts, is made here.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import polars as pl
from agency import ANA, BIA, CAIO, ZONE, Agency, agency, client

from assets.loading import LoadedDay, load_day
from assets.receive import write_day
from atom_pipeline.layout.schema import record_schema
from atom_pipeline.layout.writing import write_file
from resources.ledger_records import FileRecord, Load

NAMES = {
    "remessa_assessoria": "{day:%Y%m%d}_060000_remessa_528_out.528",
    "exclusao_retirada": "{day:%Y%m%d}_060000_baixa_528_out.528",
    "acordos_baixados": "AcordosBaixados_{day:%d%m%Y}_528.csv",
    "batimento": "bat_carteira_veic_{day:%d%m%Y}_528.csv",
    "refin": "refin_carteira_veic_{day:%d%m%y}060000.csv",
    "telefones": "telefones_carteira_veic_{day:%d%m%y}060000.csv",
}


@dataclass(frozen=True)
class Received:
    """What became of a file: its record, its load, its accepted rows and those that were refused."""

    file: FileRecord
    load: Load
    rows: pl.DataFrame
    refused: pl.DataFrame

    @property
    def reasons(self) -> dict[int, str]:
        """The reason of each refused line, by its number."""
        return dict(self.refused.select("linha", "motivo").iter_rows())


@dataclass
class Desk:
    """Each file is received on a working day of its own, so that no file meets another."""

    house: Agency
    days: Iterator[date]

    def written(self, layout: str, rows: Sequence[Mapping[str, Any]], day: date) -> bytes:
        """A file of the layout as its sender writes it."""
        spec = self.house.runtime.catalogue.layouts[layout]
        record = spec.version_on(day).details[0]
        known = record_schema(record)
        names = [name for name in known if any(name in row for row in rows)] or ["contrato"]
        target = io.BytesIO()
        write_file(
            spec, {record.name: pl.DataFrame(rows, schema={name: known[name] for name in names})}, target, day=day
        )
        return target.getvalue()

    def receive(self, layout: str, content: bytes, day: date | None = None) -> Received:
        """Drop the bytes under a name of the layout, collect, read and record them."""
        day = day or next(self.days)
        runtime = self.house.runtime
        self.house.put_bytes(NAMES[layout].format(day=day), content)
        report = self.house.collect()
        assert not report.errors and not report.unstable, report
        spec = runtime.catalogue.layouts[layout]
        loaded: LoadedDay = load_day(runtime, spec, day)
        write_day(runtime, spec, day, loaded)
        (one,) = runtime.ledger.loads(day, layout)
        rows, refused = (runtime.lake.read(f"{table}/{layout}", day) for table in ("recebido", "recusado"))
        assert one.load.rows_read == one.load.rows_accepted + one.load.rows_refused
        assert refused.height == one.load.rows_refused
        return Received(one.file, one.load, rows, refused)


@contextmanager
def desk(home: Path, postgres_url: str) -> Iterator[Desk]:
    """A desk of the portfolio that ships."""
    with agency(home, postgres_url) as house:
        calendar = house.runtime.calendar
        yield Desk(house, iter(calendar.days(date(2026, 1, 5), date(2026, 10, 30))))


MONDAY, TUESDAY = date(2026, 11, 9), date(2026, 11, 10)
CONTRATOS = tuple(f"00000001{number:02d}" for number in range(1, 41))


def remessa(*contratos: str, **values: Any) -> list[dict[str, Any]]:
    """Rows of the remessa."""
    return [client(one, (ANA, BIA, CAIO)[int(one) % 3], **values) for one in contratos]


def batimento(*contratos: str) -> list[dict[str, Any]]:
    """Rows of the batimento."""
    return [{"contrato": one, "carteira": "VEICULOS", "cod_assessoria": "528"} for one in contratos]


def make_monday(house: Agency) -> None:
    """A first day with forty contracts, all of them with Manager."""
    house.put("remessa_assessoria", NAMES["remessa_assessoria"].format(day=MONDAY), remessa(*CONTRATOS), day=MONDAY)
    house.put("acordos_baixados", NAMES["acordos_baixados"].format(day=MONDAY), [], day=MONDAY)
    house.put("batimento", NAMES["batimento"].format(day=MONDAY), batimento(*CONTRATOS), day=MONDAY)
    house.make(MONDAY)


def before_the_deadline(house: Agency, day: date) -> None:
    """Let it be five in the morning of the day, when nothing is sent for want of time."""
    house.stopped, house.clock[0] = True, datetime.combine(day, time(5), tzinfo=ZONE)


def situacoes(house: Agency, day: date) -> dict[str, int]:
    """How many contracts the base has in each situacao."""
    return dict(house.table("contratos", day).group_by("situacao").len().sort("situacao").iter_rows())
