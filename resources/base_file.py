"""The agency's file at go-live, before anything is written: read as any file, checked, and shown to a person.

What belongs here: what the file would make, and what stands in the way of importing it at all. What its rows mean is in
``rules.base_inicial``; making it the base is in ``base_import``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from atom_pipeline.calendar import block_window, released_on
from atom_pipeline.errors import AtomError
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.layout.model import Layout, Stage
from atom_pipeline.layout.reading import FileReader, Reading, read_file
from atom_pipeline.layout.writing import write_file
from atom_pipeline.rules.base_inicial import InitialBase, doubts_of, faults_of, initial_base
from resources.durable import hash_file
from resources.ledger_records import Base, WaveKind
from resources.runtime import PortfolioRuntime


@dataclass(frozen=True)
class Candidate:
    """A file that was read and what it would make; nothing is written yet. read = accepted + refused.

    ``rows`` are the accepted rows by line, with ``arquivo``; ``refused`` and ``flags`` as ``layout.rejects`` has them.
    """

    file: Path
    day: date
    layout: Layout
    sha256: str
    rows: pl.DataFrame
    refused: pl.DataFrame
    flags: pl.DataFrame
    rows_read: int
    base: InitialBase


@dataclass(frozen=True)
class Preview:
    """What a person sees before accepting: counts, days, lines and fields; no personal data.

    ``blocks``: bloqueado_em, liberado_em, situacao, contratos (a count), of the blocks still in the window.
    ``refused``: the first lines, with linha, campo, motivo, detalhe, outros. ``unread``: day and name of the files
    collected for the day or one before it, which no base was made from and none will be.
    """

    rows_read: int
    rows_accepted: int
    rows_refused: int
    situacoes: dict[str, int]
    clients: int
    blocks: pl.DataFrame
    phones: dict[str, int]
    phones_left_out: int
    acordos: dict[str, int]
    manager: dict[str, int]
    flagged: dict[str, int]
    refused_by_reason: dict[str, int]
    refused: pl.DataFrame
    unread: list[tuple[date, str]]


def import_layout(catalogue: Catalogue) -> Layout:
    """The portfolio's layout of the agency's file. Raises AtomError when it has none."""
    for layout in catalogue.of_stage(Stage.BASE):
        if layout.direction == "import":
            return layout
    name = catalogue.portfolio.portfolio
    raise AtomError(f"portfolio {name} has no layout of stage base: add one to {catalogue.folder}")


def write_template(catalogue: Catalogue, file: Path, day: date) -> int:
    """Write the line of titles of the file to import, and no row; returns how many columns. Never over another file."""
    layout = import_layout(catalogue)
    with file.open("xb") as stream:
        write_file(layout, pl.DataFrame(), stream, day=day)
    return len(layout.version_on(day).details[0].fields)


def read_import(runtime: PortfolioRuntime, file: Path, day: date) -> Candidate:
    """Read and check the agency's file for the base of ``day``. Writes nothing.

    Raises AtomError when the day is no working day of the portfolio or there is another base already, FileRefused when
    the file is not of the layout.
    """
    layout = import_layout(runtime.catalogue)
    _refuse_day(runtime, day)
    sha256 = hash_file(file)
    refuse_another_base(runtime, day, sha256)
    reading = read_file(layout, file, name=file.name, day=day)
    rows, refused, flags = _checked(reading, file, day)
    rows = rows.with_columns(arquivo=pl.lit(file.name))
    flags = pl.concat([flags, doubts_of(rows, day, runtime.portfolio)]).sort("linha", "campo")
    base = initial_base(
        rows,
        refused,
        flags,
        day=day,
        portfolio=runtime.portfolio,
        layouts=list(runtime.catalogue.inputs()),
        layout_name=layout.layout,
        file_name=file.name,
        types=runtime.remessa_codes(day, "telefone"),
    )
    return Candidate(file, day, layout, sha256, rows, refused, flags, reading.rows_read, base)


def preview(runtime: PortfolioRuntime, candidate: Candidate, *, lines: int = 20) -> Preview:
    """What accepting would make, in numbers; of the refused rows the first ``lines``."""
    tables, block = candidate.base.tables, runtime.portfolio.block
    contratos, acordos, phones = tables["contratos"], tables["acordos"], tables["telefones_contato"]
    in_window = contratos.filter(pl.col("bloqueado_em") >= block_window(candidate.day, block))
    blocks = in_window.group_by("bloqueado_em", "situacao").len("contratos").sort("bloqueado_em", "situacao")
    released = [released_on(day, block) for day in blocks["bloqueado_em"]]
    held = contratos.join(candidate.base.manager, on="contrato", how="semi")
    unread = [] if runtime.ledger.bases() else runtime.collected_until(candidate.day)
    return Preview(
        rows_read=candidate.rows_read,
        rows_accepted=candidate.rows.height,
        rows_refused=candidate.refused.height,
        situacoes=_counts(contratos["situacao"]),
        clients=tables["fichas"].height,
        blocks=blocks.with_columns(liberado_em=pl.Series(released, dtype=pl.Date)).select(
            "bloqueado_em", "liberado_em", "situacao", "contratos"
        ),
        phones=_counts(phones["origem"]),
        phones_left_out=candidate.base.phones_left_out,
        acordos={
            "que bloqueiam": acordos.filter("bloqueia").height,
            "que não bloqueiam": acordos.filter(~pl.col("bloqueia")).height,
        },
        manager=_counts(held["situacao"]),
        flagged=_counts(tables["sinalizadas"]["motivo"]),
        refused_by_reason=_counts(candidate.refused["motivo"]),
        refused=candidate.refused.select("linha", "campo", "motivo", "detalhe", "outros").head(lines),
        unread=[(file.day, file.name) for file in unread],
    )


def _refuse_day(runtime: PortfolioRuntime, day: date) -> None:
    """The base is as of the end of a working day that has come. Raises AtomError."""
    calendar, first, today = runtime.calendar, runtime.portfolio.operation.start, runtime.now().date()
    if first <= day <= today and calendar.is_working(day):
        return
    instead = max(calendar.roll_forward(first), calendar.previous(min(max(day, first), today)))
    early, late = "it is before the portfolio's start", "it has not come yet"
    why = late if day > today else early if day < first else "it does not operate"
    raise AtomError(
        f"{day:%Y-%m-%d} is no day for the base of {runtime.name}: {why}. Import the base as it is at the end of a "
        f"working day, e.g. --day {instead:%Y-%m-%d}; the first files are then those of the next one"
    )


def refuse_another_base(runtime: PortfolioRuntime, day: date, sha256: str) -> Base | None:
    """The base that this very file made, if it did. Raises AtomError when the ledger has any other, or sent waves."""
    bases = runtime.ledger.bases()
    if bases and bases[0].imported and (bases[0].day, bases[0].inputs) == (day, sha256):
        return bases[0]
    if bases:
        made = "was imported" if bases[0].imported else "was made from files"
        raise AtomError(
            f"{runtime.name} has a base already: that of {bases[0].day:%Y-%m-%d} {made}. A base is imported once, "
            "before the first day; to begin anew, start with an empty ATOM_HOME and an empty database"
        )
    sent = [wave for wave in runtime.ledger.waves() if wave.kind is not WaveKind.IMPORTACAO]
    if sent:
        raise AtomError(
            f"{runtime.name} has waves already, the first of {sent[0].day:%Y-%m-%d}: what Manager holds is known from "
            "them. To begin anew, start with an empty ATOM_HOME and an empty database"
        )
    return None


def _checked(reading: Reading, file: Path, day: date) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The reading after the checks across fields: accepted rows, refused rows, flags of the accepted ones."""
    rows = reading.frame().sort("linha")
    faults = faults_of(rows, day)
    if faults.is_empty():
        return rows, reading.rejects, reading.flags
    bad = faults.select("linha").unique()
    with FileReader(reading.layout, file, name=reading.name, day=day) as reader:
        originals = reader.originals(set(bad["linha"]))
    further = pl.format("{}: {}", "campo", "motivo").slice(1).str.join("; ").alias("outros")
    more = (
        faults.group_by("linha", maintain_order=True)
        .agg(pl.col("campo", "motivo", "detalhe").first(), further)
        .join(rows.select("linha", "registro"), on="linha")
        .with_columns(original=pl.col("linha").replace_strict(originals, return_dtype=pl.String))
    )
    refused = pl.concat([reading.rejects, more.select(reading.rejects.columns)]).sort("linha")
    return (
        rows.join(bad, on="linha", how="anti", maintain_order="left"),
        refused,
        reading.flags.join(bad, on="linha", how="anti", maintain_order="left"),
    )


def _counts(values: pl.Series) -> dict[str, int]:
    return dict(sorted(Counter(values.to_list()).items()))
