"""Prunings: what was removed by age, so that nobody takes it for lost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SCHEMA = "controle"


def upgrade() -> None:
    op.create_table(
        "prunings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("before", sa.Date(), nullable=False),
        sa.Column("items", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prunings")),
        schema=SCHEMA,
    )
    op.create_index("ix_prunings_portfolio_part", "prunings", ["portfolio", "part"], unique=False, schema=SCHEMA)


def downgrade() -> None:
    op.drop_table("prunings", schema=SCHEMA)
