"""``atom layout import``: a sheet or copybook as a layout; or how it differs from one, and which files would stop."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atom_pipeline.cli.console import console, print_table
from atom_pipeline.errors import AtomError, RecordError, StructureError

if TYPE_CHECKING:
    from atom_pipeline.layout.catalogue import Catalogue
    from atom_pipeline.layout.model import Layout
    from atom_pipeline.layout.sheet_records import SheetLayout
    from atom_pipeline.layout.sheet_trial import SampleFile, Trial

_INVENTED = (60, 3)  # contracts and working days of `atom sample`
_DOCUMENTS = frozenset({".yaml", ".yml"})
_ARCHIVED = 20  # newest files of the archive


def import_sheet(
    sheet: Annotated[
        Path,
        typer.Argument(
            help="Field lists (.xlsx, .xls, .csv, .txt), a COBOL copybook (.cpy, .cbl), or a layout (.yaml) "
            "with --against.",
            exists=True,
            dir_okay=False,
        ),
    ],
    name: Annotated[str | None, typer.Option("--name", help="The layout's name; default: the file's.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The document to write; default: NAME.yaml here.")] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", help="Show what differs from this layout, and which files would stop; writes only with --out."
        ),
    ] = None,
    samples: Annotated[
        list[Path] | None,
        typer.Option(
            "--samples",
            help="With --against: files, or folders of files, to read with both; default: those of `atom sample`.",
            exists=True,
        ),
    ] = None,
    archive: Annotated[
        bool, typer.Option("--archive", help=f"With --against: the newest {_ARCHIVED} files that were collected.")
    ] = False,
) -> None:
    """Make a layout of a spreadsheet's field lists or of a copybook, every doubt listed.

    Exit 1 while the document has findings; with --against, when a row that loads today would not.
    """
    if against is None and (samples or archive):
        raise AtomError("--samples and --archive go with --against: they are read with both documents")
    document = sheet.suffix.lower() in _DOCUMENTS
    if document and (against is None or out is not None or name is not None):
        raise AtomError(f"{sheet.name} is a layout already: compare it with another one by --against")
    found, imported, findings = _understood(sheet, name, against)
    for record in found.records:
        size = f", {record.length} bytes" if record.length else ""
        console.print(f"{record.name}: {len(record.expanded())} fields{size}", markup=False)
    doubts = found.all_doubts()
    if not document:
        console.print(f"{len(doubts)} doubts:")
        for doubt in doubts:
            console.print(f"  {doubt}", markup=False, soft_wrap=True)
    if out is not None or against is None:
        _write(found, out or Path(f"{found.name}.yaml"), findings)
    if against is not None:
        _compare(sheet, found, imported, findings, against, samples or [], archive=archive)


def _understood(
    sheet: Path, name: str | None, against: str | None
) -> tuple[SheetLayout, Layout | None, StructureError | None]:
    """What the file says; the layout that its document is, or what keeps it from being one.

    Beside a layout, what that one knows of its records need not be said again.
    """
    from atom_pipeline.cli.layouts import find_layout
    from atom_pipeline.layout.document import load_layout
    from atom_pipeline.layout.sheet_differences import as_sheet
    from atom_pipeline.layout.sheet_successor import told_by
    from atom_pipeline.layout.sheet_writing import layout_document
    from atom_pipeline.layout.sheets import read_sheet

    if sheet.suffix.lower() in _DOCUMENTS:
        layout = load_layout(sheet)
        return as_sheet(layout, layout.versions[-1]), layout, None
    found = read_sheet(sheet, name)
    told = told_by(found, find_layout(against)[1].versions[-1]) if against is not None else found
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{found.name}.yaml"
        path.write_text(layout_document(told), encoding="utf-8")
        try:
            return found, load_layout(path), None
        except StructureError as error:
            return found, None, error


def _write(found: SheetLayout, target: Path, findings: StructureError | None) -> None:
    """Write the document. Raises AtomError when there is one, and with what keeps it from loading."""
    from atom_pipeline.layout.sheet_writing import layout_document

    if target.exists():
        raise AtomError(f"{target} exists and was not written over: give another one with --out")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(layout_document(found), encoding="utf-8")
    if findings is not None:
        told = "\n".join(f"{target}:{one.line}: {one.path}: {one.message}" for one in findings.findings)
        raise AtomError(
            f"{target} was written, with {len(findings.findings)} findings to mend before it loads:\n{told}"
        )
    console.print(f"{target}: written, and it loads.", markup=False)


def _compare(
    sheet: Path,
    found: SheetLayout,
    imported: Layout | None,
    findings: StructureError | None,
    against: str,
    samples: Sequence[Path],
    *,
    archive: bool,
) -> None:
    from atom_pipeline.cli.layouts import find_layout
    from atom_pipeline.layout.sheet_differences import differences
    from atom_pipeline.layout.sheet_successor import successor
    from atom_pipeline.layout.sheet_trial import try_file

    catalogue, layout = find_layout(against)
    changes = differences(found, layout.versions[-1])
    rows = ((one.record, one.field, one.what, one.layout, one.sheet) for one in changes)
    print_table(f"{sheet.name} against {layout.layout}", ("record", "field", "what", "layout", "sheet"), rows)
    console.print(f"{len(changes)} differences.")
    if imported is None or findings is not None:
        told = "\n".join(f"  {one.path}: {one.message}" for one in findings.findings) if findings else ""
        raise AtomError(f"no file was tried: the sheet's document would not load, mend the sheet first:\n{told}")
    settled = sheet.suffix.lower() in _DOCUMENTS
    after = successor(layout, found, imported, whole=settled)
    if not settled:
        console.print("What the sheet does not say (signs, marks, checks, key, limit of rejects) is the layout's.")
    for note in after.notes:
        console.print(note, markup=False)
    with tempfile.TemporaryDirectory() as folder:
        files = list(_files(catalogue, layout, samples, Path(folder), archive=archive))
        if not files:
            console.print("no file of this layout to try: give some with --samples")
            return
        trials = [try_file(layout, after, file) for file in files]
    _show(trials)
    if any(trial.loses for trial in trials):
        raise typer.Exit(1)


def _files(
    catalogue: Catalogue, layout: Layout, samples: Sequence[Path], folder: Path, *, archive: bool
) -> Iterator[SampleFile]:
    """The files to try: those given, those archived, else invented ones in ``folder``."""
    from resources.settings import Settings

    for path in samples:
        if path.is_file():
            yield _sample(catalogue, layout, path)
        else:
            yield from _of_folder(catalogue, layout, path)
    if archive:
        root = Settings.from_env().archive(catalogue.portfolio.prefix)
        archived = sorted(path for path in root.glob(f"*/{layout.layout}/*") if path.is_file())
        for path in archived[-_ARCHIVED:]:
            yield _sample(catalogue, layout, path, day=date.fromisoformat(path.parent.parent.name))
    if not samples and not archive and layout.direction == "in":
        from atom_pipeline.sample import generate

        contracts, days = _INVENTED
        try:
            generate(catalogue, contracts=contracts, days=days, seed=1, target=folder)
        except RecordError as error:
            raise AtomError(f"no files could be invented ({error}): give some with --samples, or --archive") from error
        yield from _of_folder(catalogue, layout, folder)


def _of_folder(catalogue: Catalogue, layout: Layout, folder: Path) -> Iterator[SampleFile]:
    """The files below a folder whose name, and content where several layouts have that name, are of the layout."""
    from atom_pipeline.layout.names import match_layout, match_name
    from atom_pipeline.layout.reading import sniff
    from atom_pipeline.layout.sniffing import HEAD_BYTES

    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if match_layout(layout, catalogue.portfolio.ascob, path.name) is None:
            continue
        matches = {match.layout.layout: match.layout for match in match_name(catalogue, path.name)}
        if len(matches) > 1:
            with path.open("rb") as file:
                told = sniff(list(matches.values()), file.read(HEAD_BYTES))
            if told is None or told.layout != layout.layout:
                continue
        yield _sample(catalogue, layout, path)


def _sample(catalogue: Catalogue, layout: Layout, path: Path, *, day: date | None = None) -> SampleFile:
    """A file with its day: the one given, the one in its name, else today."""
    from atom_pipeline.layout.names import match_layout
    from atom_pipeline.layout.sheet_trial import SampleFile

    match = match_layout(layout, catalogue.portfolio.ascob, path.name)
    with path.open("rb") as file:
        workbook = file.read(4) == b"PK\x03\x04"
    return SampleFile(path, path.name, day or (match.day if match else date.today()), workbook)


def _show(trials: Sequence[Trial]) -> None:
    """A table of the files, and under it why rows would be lost and which values would change."""
    print_table(
        "files, read with the layout (before) and with the sheet (after)",
        ("file", "rows", "accepted before", "accepted after", "whole"),
        (
            (
                trial.file.name,
                max(trial.before.rows_read, trial.after.rows_read),
                trial.before.rows_accepted,
                trial.after.rows_accepted,
                "STOPS LOADING" if trial.stops else "" if trial.before.loads else "refused before too",
            )
            for trial in trials
        ),
    )
    for trial in trials:
        if trial.before.refusal:
            console.print(f"{trial.file.name}: before: {trial.before.refusal}", markup=False, soft_wrap=True)
        if trial.after.refusal:
            console.print(f"{trial.file.name}: after: {trial.after.refusal}", markup=False, soft_wrap=True)
        for one in trial.reasons:
            lines = ", ".join(map(str, one.lines)) + (", ..." if one.rows > len(one.lines) else "")
            where = f"{one.field}: " if one.field else ""
            detail = f" ({one.detail})" if one.detail else ""
            text = f"{trial.file.name}: {where}{one.reason}{detail}: {one.rows} rows, lines {lines}"
            console.print(text, markup=False, soft_wrap=True)
        for field, rows in trial.changed.items():
            text = f"{field}: accepted by both, with another value in {rows} rows"
            console.print(f"{trial.file.name}: {text}", markup=False, soft_wrap=True)
    stopped = sum(trial.stops for trial in trials)
    lost = sum(trial.loses and not trial.stops for trial in trials)
    changed = sum(bool(trial.changed) for trial in trials)
    console.print(
        f"{len(trials)} files: {stopped} would stop loading, {lost} would lose rows, {changed} would be read otherwise."
    )
