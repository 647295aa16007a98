"""All of the code location's definitions, made afresh: assets of every portfolio, their jobs, the resource.

Only assembly belongs here. ``build_defs`` takes other settings for tests, and the sensors, which know more than this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import dagster as dg

from assets.base import build_base_assets
from assets.collecting import build_collect_job
from assets.common import asset_key, portfolios_resource
from assets.decisions import build_decision_jobs
from assets.errors import build_error_asset
from assets.lineage import SQL_FOLDER
from assets.massiva import build_marks_asset, build_massiva_asset, build_massiva_jobs
from assets.models import build_model_asset
from assets.publish import BAIXA, build_manager_before, build_sending_assets
from assets.receive import build_receive_asset
from assets.report import build_report_asset
from atom_pipeline.layout.catalogue import Catalogue, load_catalogues
from atom_pipeline.sql import SqlModel, load_models
from resources.massiva_marks import TABLE as MARKS
from resources.runtime import Clock
from resources.settings import Settings

# Makes the sensors of a portfolio, given all the assets of its day.
Sensors = Callable[[Catalogue, Sequence[dg.AssetsDefinition]], Sequence[dg.SensorDefinition]]


def job_name(portfolio: str) -> str:
    """The job that runs a whole day of a portfolio."""
    return f"{portfolio}__dia"


def portfolio_assets(catalogue: Catalogue, models: list[SqlModel]) -> list[dg.AssetsDefinition]:
    """Every asset of a portfolio's day; sending messages is none of them, so that no replay sends any."""
    received = [layout for layout in catalogue.layouts.values() if layout.direction == "in"]
    by_name = {model.name: model for model in models}
    return [
        *(build_receive_asset(catalogue, layout) for layout in received),
        *build_base_assets(catalogue),
        build_marks_asset(catalogue),
        build_manager_before(catalogue),
        *(build_model_asset(catalogue, model) for model in models),
        *build_sending_assets(catalogue, by_name[BAIXA]),
        build_error_asset(catalogue),
        build_report_asset(catalogue),
    ]


def built_on(models: list[SqlModel], table: str) -> list[str]:
    """The models that are made of a table, directly or through another; ``models`` are in the order they depend."""
    found = {table}
    for model in models:
        if model.dependencies & found:
            found.add(model.name)
    return sorted(found - {table})


def build_defs(
    settings: Settings | None = None, *, clock: Clock | None = None, sensors: Sensors | None = None
) -> dg.Definitions:
    """The definitions over a folder of layouts; the environment's settings when none are given.

    Without ``sensors`` nothing starts by itself: so it is for the command line.
    """
    catalogues = load_catalogues((settings or Settings.from_env()).layouts)
    models = load_models(SQL_FOLDER)
    assets: list[dg.AssetsDefinition] = []
    looking: list[dg.SensorDefinition] = []
    days, collections, decisions, massivas = [], [], [], []
    for catalogue in catalogues:
        mine = portfolio_assets(catalogue, models)
        assets += mine
        keys = [key for asset in mine for key in asset.keys]
        looking += sensors(catalogue, mine) if sensors else []
        days.append(
            dg.define_asset_job(
                job_name(catalogue.portfolio.portfolio),
                selection=dg.AssetSelection.assets(*keys),
                description=f"Um dia inteiro de {catalogue.portfolio.title}: arquivos lidos, base feita, ondas idas.",
            )
        )
        collections.append(build_collect_job(catalogue))
        decisions += build_decision_jobs(catalogue)
        of_marks = [asset_key(catalogue.portfolio.portfolio, one) for one in built_on(models, MARKS)]
        massivas += build_massiva_jobs(catalogue, of_marks)
        if catalogue.portfolio.massivas is not None:
            assets.append(build_massiva_asset(catalogue))
    return dg.Definitions(
        assets=assets,
        jobs=[*days, *collections, *decisions, *massivas],
        resources={
            "portfolios": portfolios_resource(settings, clock),
            "portfolios_beside_runs": portfolios_resource(settings, clock, alone=False),
        },
        sensors=looking,
        executor=dg.in_process_executor,
    )
