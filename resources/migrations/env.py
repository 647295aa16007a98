"""What Alembic runs: the migrations on the connection that ``resources.ledger.migrate`` gives, in its transaction.

A new revision is a new module in ``versions``; ``tests/resources/test_ledger.py`` fails while it and ``ledger_tables``
differ.
"""

from __future__ import annotations

from alembic import context

from resources.ledger_tables import SCHEMA, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table_schema=SCHEMA,  # Dagster keeps an alembic_version of its own in the database's default schema
    include_schemas=True,
)
context.run_migrations()
