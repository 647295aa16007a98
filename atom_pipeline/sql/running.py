"""One model run in DuckDB, in memory: tables in as Parquet paths or Polars frames, one Polars frame out.

No file of DuckDB's is kept, so there is no lock and two runs never meet. Only built-in extensions. Where tables lie and
where the result goes is the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import duckdb
import polars as pl

from atom_pipeline.errors import Finding, ProgramError, StructureError
from atom_pipeline.scratch import scratch_folder
from atom_pipeline.sql.model import SqlModel

Table = Path | str | pl.DataFrame | pl.LazyFrame

# their messages name columns and places of the SQL; those of other errors may hold a value of a row
ERRORS_OF_THE_SQL = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)


class _Exports(Protocol):
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


class _Stream:
    """Hands a frame or a relation over by Arrow's C interface alone.

    DuckDB asks for pyarrow when it sees a Polars frame as such, and Polars remembers the class of what it was given,
    which keeps DuckDB's library alive past the interpreter's end (it then reports leaks on the terminal).
    """

    def __init__(self, source: _Exports) -> None:
        self._source = source

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._source.__arrow_c_stream__(requested_schema)


def run(
    model: SqlModel,
    tables: Mapping[str, Table],
    parameters: Mapping[str, object],
    *,
    threads: int | None = None,
    memory_limit: str | None = None,
) -> pl.DataFrame:
    """The model's rows, in its order; the same inputs give the same frame, whatever the threads.

    ``tables`` holds at least the model's dependencies and ``parameters`` at least its ``$names``; more are left alone.
    A path is read as Parquet, only the columns that are used. What does not fit in ``memory_limit`` (default: DuckDB's,
    80 % of the machine) spills to a temporary folder. Raises StructureError when the SQL does not fit the tables, and
    ProgramError for an input that is missing, a value that does not convert, or rows that repeat the model's key.
    """
    _everything_given(model, tables, parameters)
    with scratch_folder() as spill:
        config: dict[str, str | bool | int | float | list[str]] = {
            "temp_directory": str(spill),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        if threads is not None:
            config["threads"] = threads
        if memory_limit is not None:
            config["memory_limit"] = memory_limit
        with duckdb.connect(":memory:", config=config) as connection:
            for name in sorted(model.dependencies):
                _offer(connection, name, tables[name])
            frame = _result(connection, model, {name: parameters[name] for name in model.parameters})
    if frame.columns != list(model.columns):
        raise ProgramError(f"{model.name}: DuckDB gives other columns than the SELECT names: {frame.columns}")
    repeated = frame.height - frame.select(model.key).n_unique()
    if repeated:
        raise ProgramError(
            f"{model.name}: {repeated} rows repeat the key of another ({', '.join(model.key)}): see {model.path}"
        )
    return frame


def _everything_given(model: SqlModel, tables: Mapping[str, Table], parameters: Mapping[str, object]) -> None:
    missing = [f"table {name}" for name in sorted(model.dependencies - tables.keys())]
    missing += [f"parameter ${name}" for name in sorted(model.parameters - parameters.keys())]
    if missing:
        raise ProgramError(f"{model.name} reads {', '.join(missing)}, which it was not given")


def _offer(connection: duckdb.DuckDBPyConnection, name: str, table: Table) -> None:
    """A view of that name over the table."""
    if isinstance(table, pl.LazyFrame):
        table = table.collect()
    if isinstance(table, pl.DataFrame):
        connection.register(name, _Stream(table))
        return
    if not Path(table).is_file():
        raise ProgramError(f"table {name}: no Parquet file at {table}")
    path = str(table).replace("'", "''")
    connection.execute(f"CREATE VIEW \"{name}\" AS SELECT * FROM read_parquet('{path}')")


def _result(connection: duckdb.DuckDBPyConnection, model: SqlModel, parameters: Mapping[str, object]) -> pl.DataFrame:
    try:
        relation = connection.sql(model.sql, params=dict(parameters) or None)
        return pl.DataFrame(_Stream(relation))
    except ERRORS_OF_THE_SQL as error:
        raise StructureError([Finding(str(model.path), 1, "", f"the SQL does not fit the tables: {error}")]) from None
    except (duckdb.Error, pl.exceptions.PolarsError) as error:
        # the message is left out, and so is the chain: it may quote a value of a row
        message = f"{model.name} failed in DuckDB ({type(error).__name__}): run {model.path} by hand"
        raise ProgramError(message) from None
