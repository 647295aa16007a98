"""One model run in DuckDB, in memory: tables in as Parquet paths or Polars frames, one Polars frame out.

No file of DuckDB's is kept, so there is no lock and two runs never meet. Only built-in extensions. Where tables lie and
where the result goes is the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from typing import Protocol, Self

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


class Database:
    """DuckDB in memory, for the models of one run: opened for the first of them, closed when the block ends.

    Opening one takes longer than most models of a small day. Each model has a connection of its own, and sees what was
    given to it and nothing of the others; several may run at the same time. What does not fit in ``memory_limit``
    (default: DuckDB's, 80 % of the machine) spills to a temporary folder.
    """

    def __init__(self, *, threads: int | None = None, memory_limit: str | None = None) -> None:
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "enable_external_file_cache": False,  # a table of the lake may be written again between two models
        }
        if threads is not None:
            self._config["threads"] = threads
        if memory_limit is not None:
            self._config["memory_limit"] = memory_limit
        self._opening = Lock()
        self._opened = ExitStack()
        self._root: duckdb.DuckDBPyConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._opening:
            self._root = None
            self._opened.close()

    def connection(self) -> duckdb.DuckDBPyConnection:
        """A connection that its user closes; its views are its own and end with it."""
        with self._opening:
            if self._root is None:
                spill = self._opened.enter_context(scratch_folder())
                config = {**self._config, "temp_directory": str(spill)}
                self._root = self._opened.enter_context(duckdb.connect(":memory:", config=config))
            return self._root.cursor()


def run(
    model: SqlModel,
    tables: Mapping[str, Table],
    parameters: Mapping[str, object],
    *,
    database: Database | None = None,
) -> pl.DataFrame:
    """The model's rows, in its order; the same inputs give the same frame, whatever the threads.

    ``tables`` holds at least the model's dependencies and ``parameters`` at least its ``$names``; more are left alone.
    A path is read as Parquet, only the columns that are used. Without a ``database`` one is opened for this model
    alone. Raises StructureError when the SQL does not fit the tables, and ProgramError for an input that is missing, a
    value that does not convert, or rows that repeat the model's key.
    """
    _everything_given(model, tables, parameters)
    if database is None:
        with Database() as own:
            return run(model, tables, parameters, database=own)
    with database.connection() as connection:
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
    """A view of that name over the table, for this connection alone."""
    if isinstance(table, pl.LazyFrame):
        table = table.collect()
    if isinstance(table, pl.DataFrame):
        connection.register(name, _Stream(table))
        return
    if not Path(table).is_file():
        raise ProgramError(f"table {name}: no Parquet file at {table}")
    path = str(table).replace("'", "''")
    connection.execute(f"CREATE TEMP VIEW \"{name}\" AS SELECT * FROM read_parquet('{path}')")


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
