"""``atom layout …``: list, show, check and document layouts; carry records to and from the bank's format."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atom_pipeline.cli.console import console, parse_day, print_table
from atom_pipeline.cli.layout_import import import_sheet
from atom_pipeline.errors import AtomError

if TYPE_CHECKING:
    from atom_pipeline.layout.catalogue import Catalogue
    from atom_pipeline.layout.model import Layout

Name = Annotated[str, typer.Argument(help="Layout, or portfolio/layout when two portfolios have one of that name.")]
Day = Annotated[
    date | None, typer.Option("--day", parser=parse_day, help="Version in force on this day; default today.")
]


def register(app: typer.Typer) -> None:
    """Put the commands under ``atom layout``."""
    app.command("list")(list_layouts)
    app.command("show")(show)
    app.command("check")(check)
    app.command("doc")(doc)
    app.command("write")(write)
    app.command("read")(read)
    app.command("import")(import_sheet)


def list_layouts() -> None:
    """List the layouts of every portfolio."""
    for catalogue in _catalogues():
        print_table(
            f"{catalogue.portfolio.portfolio}: {catalogue.portfolio.title}",
            ("layout", "stage", "direction", "fields", "file name", "rules"),
            (
                (
                    layout.layout,
                    layout.stage.value,
                    layout.direction,
                    "/".join(str(len(record.fields)) for record in layout.versions[-1].details),
                    layout.names[0].pattern,
                    " ".join(layout.rules),
                )
                for layout in catalogue.layouts.values()
            ),
        )


def show(name: Name) -> None:
    """Show all that is known of a layout: names, policy, records, fields."""
    from atom_pipeline.pages.markdown import layout_page

    catalogue, layout = find_layout(name)
    console.print(layout_page(layout, catalogue.portfolio), markup=False)


def check() -> None:
    """Check every document, and that the generated pages are those of the documents. Exit 1 with all findings."""
    from atom_pipeline.pages import pages

    catalogues = _catalogues()
    stale = []
    for catalogue in catalogues:
        good = pages(catalogue, _docs())
        stale += [path for path, text in good.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
        stale += _left_over(catalogue, good)
    if stale:
        named = "\n".join(f"  {path}" for path in stale)
        raise AtomError(f"pages that no longer say what the documents say; run `atom layout doc`:\n{named}")
    layouts = sum(len(catalogue.layouts) for catalogue in catalogues)
    console.print(f"{layouts} layouts of {len(catalogues)} portfolio(s): documents and pages agree.")


def doc() -> None:
    """Write a page per layout under docs/layouts: HTML for a browser, and Markdown."""
    from atom_pipeline.pages import pages

    for catalogue in _catalogues():
        good = pages(catalogue, _docs())
        for path, text in good.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for path in _left_over(catalogue, good):
            path.unlink()
        home = _docs() / catalogue.portfolio.portfolio
        console.print(f"{len(catalogue.layouts)} layouts, {len(good)} pages; open {home / 'index.html'}")


def _left_over(catalogue: Catalogue, good: Iterable[Path]) -> list[Path]:
    """Pages of layouts that are no more."""
    home = _docs() / catalogue.portfolio.portfolio
    return sorted({*home.glob("*.html"), *home.glob("*.md")} - set(good))


def write(
    name: Name,
    records: Annotated[Path, typer.Argument(help="CSV records: header, comma, UTF-8, ISO dates.", exists=True)],
    file: Annotated[Path, typer.Argument(help="The file to write, in the bank's format.")],
    day: Day = None,
) -> None:
    """Write records to the bank's format; columns left out are blank or the field's default."""
    from atom_pipeline.layout.writing import records_from_csv, write_file

    layout = find_layout(name)[1]
    on = day or date.today()
    written = write_file(layout, records_from_csv(layout, records, day=on), file, day=on)
    console.print(f"{file}: {written.rows} rows, {written.bytes} bytes, sha256 {written.sha256}")


def read(
    name: Name,
    file: Annotated[Path, typer.Argument(help="A file in the bank's format.", exists=True)],
    records: Annotated[Path, typer.Argument(help="The CSV to write.")],
    day: Day = None,
) -> None:
    """Read a file of the bank into CSV records. Refused rows are listed; exit 1 when there are any."""
    from atom_pipeline.layout.reading import read_file
    from atom_pipeline.layout.writing import records_to_csv

    layout = find_layout(name)[1]
    on = day or date.today()
    reading = read_file(layout, file, name=file.name, day=on, excel=file.suffix.lower() == ".xlsx")
    records_to_csv(layout, reading, records, day=on)
    by = f", by the version since {reading.version.since:%Y-%m-%d}" if len(layout.versions_on(on)) > 1 else ""
    console.print(f"{records}: {reading.rows_accepted} of {reading.rows_read} rows{by}")
    if reading.rows_refused:
        shown = reading.rejects.select("linha", "campo", "motivo", "detalhe").head(50)
        print_table(f"{file.name}: refused rows", shown.columns, shown.iter_rows())
        raise typer.Exit(1)


def _catalogues() -> list[Catalogue]:
    from atom_pipeline.layout.catalogue import load_catalogues
    from resources.settings import Settings

    return load_catalogues(Settings.from_env().layouts)


def _docs() -> Path:
    from resources.settings import PROJECT_ROOT

    return PROJECT_ROOT / "docs" / "layouts"


def find_layout(name: str) -> tuple[Catalogue, Layout]:
    """A layout by its name, or as portfolio/layout. Raises AtomError."""
    portfolio, _, layout = name.rpartition("/")
    found = [
        (catalogue, catalogue.layouts[layout])
        for catalogue in _catalogues()
        if layout in catalogue.layouts and portfolio in ("", catalogue.portfolio.portfolio)
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        known = ", ".join(sorted(layout for catalogue in _catalogues() for layout in catalogue.layouts))
        raise AtomError(f"no layout {name}; there are: {known}")
    raise AtomError(f"{name} is in several portfolios; write it as portfolio/{layout}")
