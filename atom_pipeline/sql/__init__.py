"""The SQL models: one SELECT a file over the lake's tables, in ``dbt_like_sql/``.

``model`` reads and checks a file, ``running`` runs one in DuckDB, ``tracing`` tells which columns a column comes from,
``inputs`` says what a model reads beside the base, and makes the parameters and the calendar. What a model means is in
its own file, never here.
"""

from atom_pipeline.sql.inputs import INPUTS, calendar_table, model_parameters
from atom_pipeline.sql.model import SqlModel, load_model, load_models
from atom_pipeline.sql.running import Database, run
from atom_pipeline.sql.tracing import lineage

__all__ = [
    "INPUTS",
    "Database",
    "SqlModel",
    "calendar_table",
    "lineage",
    "load_model",
    "load_models",
    "model_parameters",
    "run",
]
