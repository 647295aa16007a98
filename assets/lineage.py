"""Where each column comes from, table by table back to the fields that a file brought: as Dagster's column lineage, and
in words in the column's own description, since the open UI draws no lineage of columns.

What a model is made of is read from its SQL, what a table of the base is made of from ``rules.columns``. Only putting
both together belongs here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path

import dagster as dg

from assets.common import asset_key
from assets.metadata import frame_columns
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.layout.model import Layout
from atom_pipeline.layout.schema import polars_schema
from atom_pipeline.rules.columns import COLUMNS, Source, column_meanings, column_sources
from atom_pipeline.rules.shapes import carried_fields
from atom_pipeline.rules.state import schema
from atom_pipeline.sql import SqlModel, lineage, load_models
from atom_pipeline.sql.inputs import CALENDAR_TABLE, INPUTS
from atom_pipeline.waves import HELD
from resources.settings import PROJECT_ROOT

SQL_FOLDER = PROJECT_ROOT / "dbt_like_sql"
MANAGER_BEFORE = "manager_atual"  # made from waves, not from the base
RECEIVED = "recebido/"
_NUMBER = re.compile(r"_[0-9]+(?=_)")
ALIKE_FROM = 3  # columns of a repeating group that are told as one
MOST_TOLD = 6
MOST_KEPT = 8
_kept: dict[tuple[Path, str, tuple[date | None, ...]], Lineage] = {}


def lineage_of(catalogue: Catalogue, day: date = date.max) -> Lineage:
    """The lineage with the layouts in force on a day, or with the newest ones; kept while documents stay the same."""
    layouts = catalogue.layouts.values()
    in_force = tuple(
        max((version.since for version in layout.versions if version.since <= day), default=None) for layout in layouts
    )
    key = (catalogue.folder, catalogue.fingerprint(), in_force)
    if key not in _kept:
        while len(_kept) >= MOST_KEPT:
            del _kept[next(iter(_kept))]
        _kept[key] = Lineage(catalogue, day)
    return _kept[key]


def base_columns(catalogue: Catalogue, table: str) -> dict[str, dg.TableSchema]:
    """Definition metadata of a table of the base: its columns, their meanings, where they come from."""
    lineage = lineage_of(catalogue)
    if table not in lineage.defined:
        fields = carried_fields(table, day=date.max, portfolio=catalogue.portfolio, layouts=_read(catalogue))
        meanings = column_meanings(table, _read(catalogue))
        lineage.defined[table] = lineage.described(table, schema(table, fields), meanings)
    return {"dagster/column_schema": lineage.defined[table]}


def model_columns(catalogue: Catalogue, model: SqlModel) -> dict[str, dg.TableSchema]:
    """Definition metadata of a model; the types are known when it was made."""
    lineage = lineage_of(catalogue)
    if model.name not in lineage.defined:
        types = dict.fromkeys(model.columns, "")
        lineage.defined[model.name] = lineage.described(model.name, types, model.columns)
    return {"dagster/column_schema": lineage.defined[model.name]}


def made_columns(
    catalogue: Catalogue, day: date, table: str, types: Mapping[str, object]
) -> dict[str, dg.TableSchema | dg.TableColumnLineage]:
    """Metadata of a table that was made: its types, and the lineage. The UI takes the words from the definition."""
    lineage = lineage_of(catalogue, day).of_dagster(table)
    return {"dagster/column_schema": frame_columns(types), "dagster/column_lineage": lineage}


def _read(catalogue: Catalogue) -> list[Layout]:
    return [layout for layout in catalogue.layouts.values() if layout.direction == "in"]


@lru_cache(maxsize=1)
def _models() -> dict[str, SqlModel]:
    return {model.name: model for model in load_models(SQL_FOLDER)}


class Lineage:
    """The columns of one portfolio's tables on a day, and what they are made of."""

    def __init__(self, catalogue: Catalogue, day: date) -> None:
        self._catalogue = catalogue
        self._day = day
        self._known: dict[str, dict[str, list[Source]]] = {}
        self.defined: dict[str, dg.TableSchema] = {}  # what definitions say of a table's columns

    def columns(self, table: str) -> list[str]:
        """The columns of a table, in order."""
        if table in COLUMNS:
            portfolio, layouts = self._catalogue.portfolio, _read(self._catalogue)
            return list(schema(table, carried_fields(table, day=self._day, portfolio=portfolio, layouts=layouts)))
        if table == CALENDAR_TABLE:
            return list(INPUTS[CALENDAR_TABLE])
        if table == MANAGER_BEFORE:
            return list(HELD)
        if table.startswith(RECEIVED):
            layout = self._catalogue.layouts[table.removeprefix(RECEIVED)]
            return list(polars_schema(layout, layout.version_on(self._day)))
        return list(_models()[table].columns)

    def sources(self, table: str) -> dict[str, list[Source]]:
        """What each column of a table is made of, one step back; nothing where a file or a wave is the beginning."""
        if table not in self._known:
            self._known[table] = self._sources(table)
        return self._known[table]

    def _sources(self, table: str) -> dict[str, list[Source]]:
        if table in COLUMNS:
            return column_sources(table, self.columns(table), self._catalogue.layouts.values())
        if table not in _models():
            return {}
        model = _models()[table]
        found = lineage(model, {name: self.columns(name) for name in model.dependencies})
        return {
            column: [source for source in sources if source[0] != CALENDAR_TABLE] for column, sources in found.items()
        }

    def origins(self, table: str, column: str) -> list[Source]:
        """The fields of files that a column is made of in the end, through however many tables."""
        out: dict[Source, None] = {}
        seen: set[Source] = set()
        waiting = [(table, column)]
        while waiting:
            one = waiting.pop(0)
            if one in seen:
                continue
            seen.add(one)
            if one[0].startswith(RECEIVED):
                out[one] = None
            waiting += self.sources(one[0]).get(one[1], [])
        return list(out)

    def of_dagster(self, table: str) -> dg.TableColumnLineage:
        """One step back, as Dagster keeps it."""
        return dg.TableColumnLineage(
            {
                column: [dg.TableColumnDep(self._key(of), name) for of, name in sources]
                for column, sources in self.sources(table).items()
            }
        )

    def described(self, table: str, types: Mapping[str, object], meanings: Mapping[str, str]) -> dg.TableSchema:
        """The columns of a table as the UI lists them: meaning, then what it is made of, with links to follow."""
        return dg.TableSchema(
            columns=[
                dg.TableColumn(name, str(dtype), description=self._words(table, name, meanings.get(name, "")))
                for name, dtype in types.items()
            ]
        )

    def _words(self, table: str, column: str, meaning: str) -> str | None:
        made_of = self.sources(table).get(column, [])
        origins = [source for source in self.origins(table, column) if source not in made_of]
        words = [meaning] if meaning else []
        words += [f"Vem de {self._links(made_of)}."] if made_of else []
        words += [f"Na origem: {self._links(origins)}."] if origins else []
        return "\n\n".join(words) or None

    def _links(self, sources: Sequence[Source]) -> str:
        told = list(told_shortly(sources))
        more = f" e mais {len(told) - MOST_TOLD}" if len(told) > MOST_TOLD else ""
        shown = ((table, f"{table.removeprefix(RECEIVED)}.{column}") for table, column in told[:MOST_TOLD])
        return ", ".join(f"[{words}]({self._url(table)})" for table, words in shown) + more

    def _url(self, table: str) -> str:
        return "/assets/" + "/".join(self._key(table).path)

    def _key(self, table: str) -> dg.AssetKey:
        return asset_key(self._catalogue.portfolio.portfolio, *table.split("/"))


def told_shortly(sources: Iterable[Source]) -> Iterator[Source]:
    """The columns with those of a repeating group as one: ``telefone_n_ddd`` for ``telefone_1_ddd`` and on."""
    groups: dict[Source, list[Source]] = {}
    for table, column in sources:
        groups.setdefault((table, _NUMBER.sub("_n", column)), []).append((table, column))
    for name, members in groups.items():
        yield from [name] if len(members) >= ALIKE_FROM else members
