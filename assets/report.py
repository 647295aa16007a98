"""The asset ``relatorio``: the day's report for operators and the bank, written after all else was done.

It depends on nothing that a held guard stops, since a held day needs it most, and is the last of what can run: its
priority is the lowest, so that no file for Manager waits for it.
"""

from time import perf_counter

import dagster as dg

from assets import metadata as show
from assets.common import PUBLISH, OpenPortfolios, asset_key, one_at_a_time, told_to_people
from assets.partitions import day_of, working_days
from atom_pipeline.layout.catalogue import Catalogue
from resources.report import write_report

TABLES = ("resumo_dia", "base_por_situacao_e_faixa", "publicado/manager_baixa")


def build_report_asset(catalogue: Catalogue) -> dg.AssetsDefinition:
    """The report of a portfolio's day."""
    portfolio = catalogue.portfolio

    @dg.asset(
        key=asset_key(portfolio.portfolio, "relatorio"),
        pool=one_at_a_time(portfolio.portfolio),
        deps=[asset_key(portfolio.portfolio, *table.split("/")) for table in TABLES],
        partitions_def=working_days(portfolio.operation),
        group_name=PUBLISH,
        kinds={"html"},
        owners=list(portfolio.owners),
        op_tags={"dagster/priority": "-10"},
        description="O relatório do dia em uma página, sem dados pessoais: arquivos, base, mailing, decisões e o que "
        "merece atenção. Refeito a cada execução do dia; `atom report DIA` o escreve à mão.",
    )
    @told_to_people
    def relatorio(context: dg.AssetExecutionContext, portfolios: OpenPortfolios) -> dg.MaterializeResult:
        started = perf_counter()
        runtime, day = portfolios.portfolio(portfolio.portfolio), day_of(context)
        written = write_report(runtime, day)
        return dg.MaterializeResult(
            metadata={
                "resumo": dg.MetadataValue.md(written.summary),
                "página": dg.MetadataValue.url(written.path.as_uri()),
                "arquivo": show.link(str(written.path)),
                "pontos de atenção": len(written.findings),
                "sha256": written.sha256,
                "segundos": round(perf_counter() - started, 3),
            }
        )

    return relatorio
