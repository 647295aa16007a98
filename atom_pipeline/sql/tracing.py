"""Which columns of which tables a model's columns are made of, read from the SQL by sqlglot.

Only values count: a column used in a JOIN or a WHERE alone decides about rows, not about a column.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from atom_pipeline.errors import Finding, StructureError
from atom_pipeline.sql.model import DIALECT, SqlModel

Names = tuple[tuple[str, tuple[str, ...]], ...]


def lineage(model: SqlModel, schemas: Mapping[str, Iterable[str]]) -> dict[str, list[tuple[str, str]]]:
    """For each column of the model the (table, column) pairs it is made of, sorted; none for a count of rows.

    ``schemas`` gives the column names of at least the model's dependencies (a dict of types will do; for another model
    its ``columns``). Raises StructureError when the SQL names a table or column that does not exist. Kept in memory:
    the second call with the same names costs nothing.
    """
    unknown = sorted(model.dependencies - schemas.keys())
    if unknown:
        raise StructureError([Finding(str(model.path), 1, "", f"unknown tables: {', '.join(unknown)}")])
    names = tuple((table, tuple(schemas[table])) for table in sorted(model.dependencies))
    return {column: list(sources) for column, sources in _traced(model.path, model.sql, names).items()}


@lru_cache(maxsize=256)
def _traced(path: Path, sql: str, names: Names) -> dict[str, tuple[tuple[str, str], ...]]:
    from sqlglot import exp
    from sqlglot.errors import SqlglotError
    from sqlglot.lineage import Node
    from sqlglot.lineage import lineage as trace

    # sqlglot wants a type for every column; none of them bears on where a value comes from
    schema = {table: dict.fromkeys(columns, "TEXT") for table, columns in names}
    try:
        nodes = trace(None, sql, schema, dialect=DIALECT, trim_selects=False, validate_qualify_columns=True)
    except SqlglotError as error:
        raise StructureError([Finding(str(path), 1, "", f"the SQL does not fit the tables: {error}")]) from None

    def leaves(node: Node) -> set[tuple[str, str]]:
        found: set[tuple[str, str]] = set()
        for below in node.walk():
            if isinstance(below.expression, exp.Table):
                bare = below.name.rpartition(".")[2]  # to parse each takes longer than all the rest
                column = bare if bare.isidentifier() else exp.to_column(below.name, dialect=DIALECT).name
                found.add((below.expression.name, column))
        return found

    return {column: tuple(sorted(leaves(node))) for column, node in nodes.items()}
