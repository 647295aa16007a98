"""Corrections: which version of a file was made from which, by an error file that came back corrected."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCHEMA = "controle"


def upgrade() -> None:
    op.create_table(
        "corrections",
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("corrects", sa.Text(), nullable=False),
        sa.Column("lines", sa.BigInteger(), nullable=False),
        sa.Column("error_file", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("portfolio", "name", "sha256", "corrects", name=op.f("pk_corrections")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("corrections", schema=SCHEMA)
