"""``atom demo``: sample files, several whole days, then what came in, what became of it, what went out, and where."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from atom_pipeline.cli.console import console, print_table
from atom_pipeline.cli.opened import PortfolioOption, opened
from atom_pipeline.errors import AtomError

if TYPE_CHECKING:
    from atom_pipeline.calendar import WorkingCalendar
    from resources.panel import DayPanel
    from resources.runtime import PortfolioRuntime
    from resources.settings import Settings

MARK = ".demo"


def demo(
    contracts: Annotated[int, typer.Option(min=50, help="Contracts of the sample portfolio.")] = 1000,
    days: Annotated[int, typer.Option(min=1, max=60, help="Working days, up to the last one.")] = 5,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 1,
    portfolio: PortfolioOption = None,
) -> None:
    """Run the main job on sample files: several days up to the last one, on embedded defaults."""
    from atom_pipeline.cli.days import collect_and_run
    from atom_pipeline.sample import generate
    from resources.settings import Settings

    settings = Settings.from_env()
    started = perf_counter()
    _start_afresh(settings)
    with opened(portfolio, settings=settings) as runtime:
        last = _last_day(runtime.calendar, runtime.now().date())
        first = last
        for _ in range(days - 1):
            first = runtime.calendar.previous(first)
        drop = Path(settings.drop_url.removeprefix("file://"))
        report = generate(runtime.catalogue, contracts=contracts, days=days, seed=seed, target=drop, first_day=first)
        console.print(f"{len(report.files)} sample files of {contracts} contracts in {drop}\n", markup=False)
        problems = collect_and_run(runtime, last)
        summary(runtime, list(report.days))
        console.print(f"\n{perf_counter() - started:.0f} s. Next: `make up`, then http://127.0.0.1:3000/asset-groups")
    if problems:
        raise typer.Exit(1)


def summary(runtime: PortfolioRuntime, days: list[date]) -> None:
    """What came in, what became of the base, what went out, and where it all is."""
    from resources.panel import day_panel

    panels = [day_panel(runtime, day) for day in days]
    console.print()
    print_table(
        "What came in",
        ("day", "files", "rows", "accepted", "refused", "set aside by a rule"),
        (
            (
                f"{panel.day:%Y-%m-%d}",
                len(panel.files),
                *(
                    sum(getattr(file, name) for file in panel.files)
                    for name in ("read", "accepted", "refused", "set_aside")
                ),
            )
            for panel in panels
        ),
    )
    kinds = sorted({kind for panel in panels for kind in panel.movimentos})
    print_table(
        "What happened to the base",
        ("movimento", *(f"{panel.day:%m-%d}" for panel in panels)),
        ((kind, *(panel.movimentos.get(kind, 0) for panel in panels)) for kind in kinds),
    )
    situacoes = sorted({situacao for panel in panels for situacao in panel.situacoes})
    print_table(
        "The base at the day's end",
        ("situacao", *(f"{panel.day:%m-%d}" for panel in panels)),
        ((situacao, *(panel.situacoes.get(situacao, 0) for panel in panels)) for situacao in situacoes),
    )
    print_table(
        "What went out to Manager",
        ("wave", "kind", "rows", "file"),
        ((wave.label, wave.kind, wave.rows, ", ".join(wave.files)) for panel in panels for wave in panel.waves),
    )
    _places(runtime, panels[-1])


def _places(runtime: PortfolioRuntime, panel: DayPanel) -> None:
    settings = runtime.settings
    rows = [
        ("bank's files", runtime.drop.label),
        ("error files", f"{runtime.drop.label}/erros ({len(panel.error_files)} of the last day)"),
        ("Manager's files", runtime.manager.label),
        ("the base, as Parquet", str(settings.home / "lake")),
        ("archive", str(runtime.archive)),
        ("a day's panel", f"atom day {panel.day:%Y-%m-%d}"),
        ("a table", f"atom show contratos {panel.day:%Y-%m-%d}"),
    ]
    print_table("Where it is", ("", ""), rows)


def _last_day(calendar: WorkingCalendar, today: date) -> date:
    return today if calendar.is_working(today) else calendar.previous(today)


def _start_afresh(settings: Settings) -> None:
    """Empty a home that a demo made; refuse one that holds anything else, or that an `atom up` serves."""
    from resources.place import only_one
    from resources.postgres import data_folder, database, engine, recreate_database
    from resources.settings import file_url

    if settings.drop_url != file_url(settings.home / "drop") or settings.manager_url != file_url(
        settings.home / "manager"
    ):
        raise AtomError(
            "the demo sends invented people to folders of its own: unset ATOM_DROP_URL and ATOM_MANAGER_URL"
        )
    if settings.postgres_url is not None:
        raise AtomError("the demo empties its database, so it uses the embedded one: unset ATOM_POSTGRES_URL")
    home = settings.home
    if home.is_dir() and any(home.iterdir()):
        if not (home / MARK).is_file():
            raise AtomError(f"{home} is not a demo's: set ATOM_HOME to an empty folder for the demo")
        with database(settings) as store:
            connections = engine(store.url)
            with only_one(connections):
                pass
            connections.dispose()
            recreate_database(store.url)
        for child in home.iterdir():
            if child.is_dir() and child != data_folder(home):
                shutil.rmtree(child)
    settings.prepare()
    (home / MARK).touch()
