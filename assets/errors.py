"""Error files: what did not enter the base, back to the drop's ``erros`` folder (R020, FA003, FA006).

One file per source file of the day that has refused rows or rows set aside by a rule, each with its line as it came,
so that it can be corrected and sent again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from time import perf_counter

import dagster as dg
import polars as pl

from assets import metadata as show
from assets.common import PUBLISH, OpenPortfolios, asset_key, one_at_a_time, rule_tags, told_to_people, with_rules
from assets.partitions import day_of, working_days
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.layout.lines import original_lines
from atom_pipeline.layout.model import Stage
from atom_pipeline.layout.names import build_name
from atom_pipeline.layout.writing import write_file
from atom_pipeline.rules.state import Ignorada
from atom_pipeline.scratch import scratch_folder
from resources.corrections import control_mark
from resources.durable import hash_file
from resources.even_lines import even_lines
from resources.ledger_records import FileRecord, Output
from resources.runtime import PortfolioRuntime

KIND = "erros"
RULES = ("R020", "FA003", "FA006")
FOLDER = "erros"
ROW = ("arquivo", "linha", "registro", "campo", "motivo", "detalhe", "original")
COLUMNS = (*ROW, "controle")
# Rows that need no correction: nothing is wrong with them, they are only not for this portfolio or change nothing.
NOT_ERRORS = (Ignorada.OUTRA_CARTEIRA.value, Ignorada.MOTIVO_NAO_BLOQUEIA.value)
# The field that a rule looked at, where it is another one than the contract.
FIELD_OF_RULE = {
    Ignorada.MENSAGEM_REPETIDA.value: "numero",
    Ignorada.CLIENTE_FORA_DA_BASE.value: "cpf_cnpj",
    Ignorada.TELEFONE_FORA_DA_BASE.value: "telefone",
}
# The line is given back as it came: what only a rule set aside is not wrong in itself.
BY_RULE = "posta de lado por uma regra"


@dataclass(frozen=True)
class ErrorFile:
    """The rows of one source file that did not enter the base: COLUMNS, by line."""

    file: FileRecord
    rows: pl.DataFrame


def error_files(runtime: PortfolioRuntime, day: date) -> Iterator[ErrorFile]:
    """Every source file of the day with rows to give back, in order of arrival."""
    refused = runtime.lake.read("recusadas", day)
    aside = runtime.lake.read("ignoradas", day).filter(~pl.col("motivo").is_in(NOT_ERRORS))
    read = _files_read(runtime, day)
    for file in runtime.ledger.files(day):
        if (file.layout, file.name, file.sha256) not in read:
            continue  # it came after the day was read: the rows are of another version, and the next run gives them
        mine = (pl.col("layout") == file.layout) & (pl.col("arquivo") == file.name)
        rows = pl.concat([refused.filter(mine).select(ROW), _with_lines(runtime, file, day, aside.filter(mine))])
        if rows.height:
            rows = rows.sort("linha", "motivo")
            marks = [control_mark(file.sha256, line) for line in rows["linha"]]
            yield ErrorFile(file, rows.with_columns(pl.Series("controle", marks, dtype=pl.String)))


def _files_read(runtime: PortfolioRuntime, day: date) -> set[tuple[str, str, str]]:
    """Layout, name and hash of each file that the day's tables were made from."""
    return set(runtime.lake.read("cargas", day).select("layout", "arquivo", "sha256").iter_rows())


def _with_lines(runtime: PortfolioRuntime, file: FileRecord, day: date, aside: pl.DataFrame) -> pl.DataFrame:
    """Rows set aside, with the lines they stand on fetched from the archive."""
    lines: dict[int, str] = {}
    numbers = aside["linha"].drop_nulls().unique().to_list()
    if numbers:
        layout = runtime.catalogue.layouts[file.layout]
        version = layout.version_on(day)
        encoding, even = version.format.encoding, even_lines(runtime, file, version)
        found = original_lines(runtime.archived(file), layout, day, numbers, even=even)
        lines = {number: line.decode(encoding, "backslashreplace") for number, line in found.items()}
    return aside.select(
        "arquivo",
        "linha",
        registro=pl.lit(None, pl.String),
        campo=pl.col("motivo").replace_strict(FIELD_OF_RULE, default="contrato"),
        motivo=pl.col("motivo"),
        detalhe=pl.coalesce("detalhe", pl.lit(BY_RULE)),
        original=pl.col("linha").replace_strict(lines, default=None, return_dtype=pl.String),
    ).select(ROW)


def publish_errors(runtime: PortfolioRuntime, day: date) -> list[Output]:
    """Write the day's error files to the drop. The same rows again change nothing; others replace our own file.

    Our own is also one that was corrected in its place and applied from there.
    """
    layout = runtime.output_layout(Stage.ERROS)
    known = {output.name: output for output in runtime.ledger.outputs(day, KIND)}
    published: list[Output] = []
    with scratch_folder() as folder:
        for found in error_files(runtime, day):
            name = build_name(layout, ARQUIVO=found.file.name)
            local = folder / name
            rows = found.rows.with_columns(pl.col("linha").cast(pl.Int64))
            written = write_file(layout, rows, local, day=day)
            ours = _hashes_of_ours(runtime, found.file.name, known.get(name))
            there = runtime.drop.sha256(name, FOLDER)
            sent = runtime.drop.publish(local, name, FOLDER, replaces=there if there in ours else None)
            output = Output(day, KIND, name, sent.url, sent.sha256, written.rows)
            published.append(runtime.ledger.record_output(output))
    _withdraw(runtime, day, [output for output in known.values() if output.name not in {one.name for one in published}])
    return published


def _withdraw(runtime: PortfolioRuntime, day: date, obsolete: list[Output]) -> None:
    """Take back error files whose rows are all in the base by now. One that a person is changing stays, on record."""
    layout = runtime.output_layout(Stage.ERROS)
    read = _files_read(runtime, day)
    sources = {build_name(layout, ARQUIVO=file.name): file for file in runtime.ledger.files(day)}
    for output in obsolete:
        file = sources.get(output.name)
        if file is not None and (file.layout, file.name, file.sha256) not in read:
            continue  # its new version is not read yet: the next run knows
        there = runtime.drop.sha256(output.name, FOLDER)
        ours = _hashes_of_ours(runtime, file.name if file else None, output)
        if there is None or (there in ours and runtime.drop.withdraw(output.name, FOLDER, there)):
            runtime.ledger.forget_output(output)


def _hashes_of_ours(runtime: PortfolioRuntime, source: str | None, output: Output | None) -> set[str]:
    """Hashes of an error file as we wrote it, and as it was corrected and applied."""
    ours = {output.sha256} if output else set()
    if source is not None:
        ours |= {hash_file(runtime.archive / one.error_file) for one in runtime.ledger.corrections(source)}
    return ours


def build_error_asset(catalogue: Catalogue) -> dg.AssetsDefinition:
    """The asset ``publicado/erros``."""
    portfolio = catalogue.portfolio

    @dg.asset(
        key=asset_key(portfolio.portfolio, "publicado", KIND),
        pool=one_at_a_time(portfolio.portfolio),
        deps=[asset_key(portfolio.portfolio, table) for table in ("recusadas", "ignoradas", "base")],
        partitions_def=working_days(portfolio.operation),
        group_name=PUBLISH,
        kinds={"csv", "sftp"},
        owners=list(portfolio.owners),
        description=with_rules(
            "Os arquivos de erro do dia, na pasta `erros` da entrada: linha original, motivo, linha e campo. Corrija a "
            "coluna `original` e devolva o arquivo à entrada para uma nova versão.",
            RULES,
        ),
        tags=rule_tags(RULES),
    )
    @told_to_people
    def erros(context: dg.AssetExecutionContext, portfolios: OpenPortfolios) -> dg.MaterializeResult:
        started = perf_counter()
        runtime, day = portfolios.portfolio(portfolio.portfolio), day_of(context)
        published = publish_errors(runtime, day)
        for output in published:
            context.log.warning(f"{output.rows} linhas não entraram na base: {output.url}")
        return dg.MaterializeResult(
            metadata={
                "arquivos": show.table(
                    ({"arquivo": one.name, "linhas": one.rows, "sha256": one.sha256} for one in published),
                    ("arquivo", "linhas", "sha256"),
                ),
                "linhas": sum(one.rows for one in published),
                "segundos": round(perf_counter() - started, 3),
                **{f"abrir {one.name}": show.link(one.url) for one in published},
            }
        )

    return erros
