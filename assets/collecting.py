"""The job that brings files from the drop: what the drop's sensor asked for, or what a person names (DESIGN section 6).

Which files are due is decided in ``atom_pipeline.plan.poll``; how one is brought, once and whole, is in
``resources.collect``. Here the two meet Dagster: what was asked for as configuration, what came of it as metadata. A
file that cannot be brought never keeps the others from it.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import dagster as dg
from pydantic import Field

from assets import metadata as show
from assets.common import OpenPortfolios, failure, told_to_people
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.masking import scrub
from atom_pipeline.plan.poll import Seen
from resources.collect import Collected, CollectError, CollectReport, collect
from resources.runtime import PortfolioRuntime

OP = "coletar"
LEFT = "por coletar"  # metadata of a failure: names of the files that were not collected
# A server that is away or a file that is being replaced may be well at the next attempt; from this one on a person is
# told of it.
TOLD_FROM_ATTEMPT = 3
LONGEST_SECONDS = 3600
COLUMNS = ("arquivo", "resultado", "dia", "layout", "bytes", "detalhe")


class Sighted(dg.Config):
    """A file as the sensor saw it: while it is still so, it needs no second look."""

    nome: str
    bytes: int
    mtime: str | None = None  # ISO 8601; empty where the server does not say


class Asked(dg.Config):
    """What to collect. Nothing at all means everything that is new in the drop."""

    nomes: list[str] = Field(
        default=[], description="Nomes dos arquivos a coletar agora, como estão na entrada. Vazio: tudo o que é novo."
    )
    vistos: list[Sighted] = Field(default=[], description="Preenchido pelo sensor: os arquivos como ele os viu.")
    tentativa: int = Field(default=0, description="Preenchido pelo sensor.")


def collect_job_name(portfolio: str) -> str:
    """The job that collects from the drop for a portfolio."""
    return f"{portfolio}__{OP}"


def collect_config(files: Iterable[Seen], attempt: int) -> dict[str, Any]:
    """The run configuration that asks for these files."""
    seen = [
        {"nome": file.name, "bytes": file.size, "mtime": file.mtime.isoformat() if file.mtime else None}
        for file in files
    ]
    return {"ops": {OP: {"config": {"vistos": seen, "tentativa": attempt}}}}


def names_asked_for(run_config: Mapping[str, Any]) -> frozenset[str] | None:
    """The files that a run of the job was asked for by name; None when it was to collect everything."""
    asked = run_config.get("ops", {}).get(OP, {}).get("config", {})
    return frozenset([*asked.get("nomes", ()), *(one["nome"] for one in asked.get("vistos", ()))]) or None


def build_collect_job(catalogue: Catalogue) -> dg.JobDefinition:
    """The job ``<portfolio>__coletar``. Two at once do no harm: one collects, the other says so and ends."""
    portfolio = catalogue.portfolio
    name = collect_job_name(portfolio.portfolio)

    @dg.op(name=f"{name}__arquivos", description="Baixa, confere, arquiva e registra arquivos da entrada.")
    @told_to_people
    def arquivos(context: dg.OpExecutionContext, config: Asked, portfolios_beside_runs: OpenPortfolios) -> None:
        runtime = portfolios_beside_runs.portfolio(portfolio.portfolio)
        report = _collect(runtime, config)
        rows = list(report_rows(report, asked=config.nomes, seen=[one.nome for one in config.vistos]))
        said = {
            "arquivos": show.table(rows, COLUMNS),
            "dias mudados": ", ".join(f"{day:%Y-%m-%d}" for day in report.days) or "nenhum",
        }
        for row in rows:
            context.log.info(f"{row['arquivo']}: {row['resultado']} {row['detalhe'] or ''}".strip())
        if report.skipped:
            said["resultado"] = "outra coleta está em andamento: ela faz o trabalho"
            context.log.warning(said["resultado"])
        told = list(to_tell(report, config))
        if told:
            # Metadata of an output is lost with the failure, so the failure has it.
            again = all(error.retry_helps for error in report.errors)
            left = dg.MetadataValue.json([error.name for error in report.errors])
            raise failure("\n".join(told), again=again, metadata={**said, LEFT: left})
        context.add_output_metadata(said)

    @dg.job(
        name=name,
        description=f"Coleta arquivos da entrada de {portfolio.title}. O sensor `{portfolio.portfolio}__drop` a pede "
        "quando há o que coletar; para coletar agora um arquivo, preencha `nomes`. Vazio, coleta tudo o que é novo.",
        tags={"dagster/max_runtime": str(LONGEST_SECONDS)},
        config=dg.RunConfig(ops={OP: Asked()}),
    )
    def job() -> None:
        arquivos.alias(OP)()

    return job


def _collect(runtime: PortfolioRuntime, config: Asked) -> CollectReport:
    """Collect what was asked for. With the sensor's sightings one listing is enough: it is the second."""
    seen = {one.nome: (one.bytes, datetime.fromisoformat(one.mtime) if one.mtime else None) for one in config.vistos}
    only = {*seen, *config.nomes} or None
    return collect(
        runtime.drop,
        runtime.catalogue,
        runtime.ledger,
        runtime.archive,
        runtime.calendar,
        polls=1 if seen and not config.nomes else 2,
        others=runtime.others,
        only=only,
        seen=seen,
    )


def to_tell(report: CollectReport, config: Asked) -> Iterator[str]:
    """Why a person must look at this, by file; empty when none must.

    A person who named files is told of everything; of what the sensor asked for, only what does not pass by itself.
    """
    by_person = not config.vistos
    for error in report.errors:
        if by_person or not error.retry_helps or config.tentativa >= TOLD_FROM_ATTEMPT:
            yield _told(error)
    if not config.nomes or report.skipped:
        return
    known = {row["arquivo"] for row in report_rows(report)}
    for name in config.nomes:
        if name not in known:
            yield f"{name}: não está na entrada"
        elif name in report.unknown:
            yield f"{name}: nenhum layout conhece este nome"
        elif name in report.unstable:
            yield f"{name}: ainda está crescendo; colete-o de novo em um minuto"


def report_rows(report: CollectReport, asked: Iterable[str] = (), seen: Iterable[str] = ()) -> Iterator[dict[str, Any]]:
    """What became of each file, as a table for people; one that was ``asked`` for by name, or that the sensor had
    ``seen``, is never left out."""
    outcomes = (
        ("coletado", report.collected),
        ("nova versão", report.replaced),
        ("corrigido", report.corrected),
        ("duplicado", report.duplicates),
    )
    names = set[str]()
    for outcome, files in outcomes:
        for file in files:
            names.add(file.name)
            yield _row(file, outcome)
    others = (
        ("já coletado", report.same),
        ("nenhum layout conhece", report.unknown),
        ("ainda não está estável", report.unstable),
    )
    for outcome, found in others:
        for name in found:
            names.add(name)
            yield {"arquivo": name, "resultado": outcome, "detalhe": ""}
    for error in report.errors:
        names.add(error.name)
        yield {"arquivo": error.name, "resultado": "erro", "detalhe": scrub(f"{error.error}: {error.message}")}
    for gone, wanted in (("não está na entrada", asked), ("não está mais na entrada", seen)):
        for name in wanted:
            if name not in names and not report.skipped:
                yield {"arquivo": name, "resultado": gone, "detalhe": ""}


def _row(file: Collected, outcome: str) -> dict[str, Any]:
    return {
        "arquivo": file.name,
        "resultado": outcome,
        "dia": f"{file.day:%Y-%m-%d}",
        "layout": file.layout,
        "bytes": file.size,
        "detalhe": f"sha256 {file.sha256[:12]}",
    }


def _told(error: CollectError) -> str:
    return f"{error.name} não foi coletado: {error.message}"
