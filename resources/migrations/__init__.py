"""Alembic's migrations of the ledger, run by ``resources.ledger.migrate``; there is no alembic.ini."""
