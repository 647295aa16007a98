"""The small second portfolio at work: its files in a few words, and all that a day leaves behind, to be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from agency import AFTER_THE_DEADLINE, ANA, BIA, CAIO, DORA, ZONE, Agency, agency
from killing import Work
from sqlalchemy import select

from resources.ledger_tables import metadata
from resources.runtime import PortfolioRuntime, open_portfolios
from resources.settings import Settings, file_url

LAYOUTS = Path(__file__).parents[1] / "portfolios"
NAME = "aurora_motos"
FRI, SAT, MON = date(2026, 11, 13), date(2026, 11, 14), date(2026, 11, 16)
PEOPLE = (ANA, BIA, CAIO, DORA)
# What the ledger's tables hold that is another on every run: when, and how long it took.
_OF_THE_MOMENT = {
    "id", "at", "collected_at", "loaded_at", "built_at", "planned_at", "sent_at", "first_seen_at", "verified_at",
    "mtime", "seconds",
}  # fmt: skip
_TABLES = ("files", "loads", "verdicts", "decisions", "bases", "waves", "outputs", "sightings", "unknown_files")


NewDatabase = Callable[..., str]  # makes a database with the ledger's tables, empty or a copy of another one's


class Place(NamedTuple):
    """Where a portfolio lives: its home and its database."""

    home: Path
    postgres_url: str


def aurora(home: Path, postgres_url: str, *, now: datetime | None = None) -> AbstractContextManager[Agency]:
    """The portfolio in a home of its own."""
    return agency(home, postgres_url, layouts=LAYOUTS, portfolio=NAME, now=now)


@contextmanager
def opened(place: Place) -> Iterator[PortfolioRuntime]:
    """The portfolio's ledger, lake and files, to be looked at."""
    settings = Settings(
        home=place.home,
        drop_url=file_url(place.home / "drop"),
        manager_url=file_url(place.home / "manager"),
        layouts=LAYOUTS,
        postgres_url=place.postgres_url,
    )
    with open_portfolios(settings) as portfolios:
        yield portfolios[NAME]


def work(task: str, place: Place, day: date, **more: Any) -> Work:
    """Work on the portfolio for a child, on the morning of the day."""
    now = datetime.combine(day, AFTER_THE_DEADLINE, tzinfo=ZONE).isoformat()
    return Work(task, str(place.home), str(LAYOUTS), NAME, place.postgres_url, now, f"{day:%Y-%m-%d}", **more)


def contract(number: int, **values: Any) -> dict[str, Any]:
    """A row of the remessa."""
    contrato = f"{number:08d}"
    return {
        "contrato": contrato,
        "cpf_cnpj": PEOPLE[number % len(PEOPLE)],
        "nome": "CLIENTE DE TESTE",
        "carteira": "MOTOS",
        "dias_atraso": 20,
        "telefone_1_ddd": "11",
        "telefone_1_numero": "9" + contrato,
        "telefone_1_tipo": "C",
    } | values


def put_remessa(house: Agency, day: date, *rows: Mapping[str, Any], stamp: str = "") -> Path:
    stamp = stamp or f"{day:%Y%m%d}-060000"
    return house.put("remessa", f"aurora.71.contratos.{stamp}.txt", rows, day=day)


def put_acordos(house: Agency, day: date, *contratos: str) -> Path:
    rows = [
        {"numero_acordo": f"9{one[-3:]}", "contrato": one, "parcela": 1, "motivo": "PAGO", "data_movimento": FRI}
        for one in contratos
    ]
    return house.put("acordos", f"aurora.71.acordos.{day:%d%m%Y}.csv", rows, day=day)


def put_batimento(house: Agency, day: date, *contratos: str) -> Path:
    rows = [{"contrato": one, "carteira": "MOTOS", "cod_assessoria": "71"} for one in contratos]
    return house.put("batimento", f"aurora.71.posicao.{day:%d%m%y}.csv", rows, day=day)


def put_exclusao(house: Agency, day: date, *contratos: str) -> Path:
    rows = [{"contrato": one} for one in contratos]
    return house.put("exclusao", f"aurora.71.retirados.{day:%Y%m%d}-060000.txt", rows, day=day)


def put_friday(house: Agency) -> None:
    """A first day: four contracts, all in the batimento."""
    rows = [contract(number) for number in range(11, 15)]
    put_remessa(house, FRI, *rows)
    put_acordos(house, FRI)
    put_batimento(house, FRI, *(str(row["contrato"]) for row in rows))


def put_saturday(house: Agency) -> None:
    """A day of everything: an alta, an acordo, a retirada, a baixa, a row that is refused and one set aside."""
    put_remessa(house, SAT, *(contract(number) for number in (11, 12, 13, 14, 15)), contract(16, cpf_cnpj="123"))
    put_acordos(house, SAT, "00000011", "00000099")
    put_exclusao(house, SAT, "00000012")
    put_batimento(house, SAT, "00000011", "00000013", "00000015")


def tables(runtime: PortfolioRuntime) -> dict[str, bytes]:
    """The lake's tables by path, without what is being written."""
    lake = Path(runtime.lake.base)
    found = (path for path in lake.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(lake).as_posix(): path.read_bytes() for path in found}


def world(runtime: PortfolioRuntime) -> dict[str, Any]:
    """All that days leave: tables, archive, Manager's files, the drop's, and the ledger's rows."""
    home = runtime.settings.home
    out: dict[str, Any] = {f"lake {path}": content for path, content in tables(runtime).items()}
    for folder in ("arquivo", "manager", "drop"):
        for path in (home / folder).rglob("*"):
            if path.is_file():
                out[path.relative_to(home).as_posix()] = path.read_bytes()
    return out | ledger_rows(runtime)


def ledger_rows(runtime: PortfolioRuntime) -> dict[str, list[str]]:
    """The ledger's rows as text, table by table, but for instants and the numbers that the database gave."""
    home = str(runtime.settings.home)
    out: dict[str, list[str]] = {}
    with runtime.engine.connect() as connection:
        files = metadata.tables["controle.files"]
        known = {row.id: f"{row.name} v{row.version}" for row in connection.execute(select(files))}
        for name in _TABLES:
            rows = connection.execute(select(metadata.tables[f"controle.{name}"]))
            lines = [{key: value for key, value in row._mapping.items() if key not in _OF_THE_MOMENT} for row in rows]
            for line in lines:
                line |= {key: known[line[key]] for key in ("file_id", "duplicate_of") if line.get(key) is not None}
            out[name] = sorted(str(line).replace(home, "HOME") for line in lines)
    return out


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What is not the same in two worlds, by name."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
