"""Massive actions: one row per WhatsApp message that was ever tried."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCHEMA = "controle"
TABLE = "massive_messages"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("row_key", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("contrato", sa.Text(), nullable=False),
        sa.Column("number_hash", sa.Text(), nullable=False),
        sa.Column("number_masked", sa.Text(), nullable=False),
        sa.Column("jornada", sa.Text(), nullable=False),
        sa.Column("template", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("intended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("marked_on", sa.Date(), nullable=True),
        sa.Column("settled_why", sa.Text(), nullable=True),
        sa.Column("settled_by", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status in ('planejado', 'enviando', 'aceito', 'recusado', 'incerto')",
            name=op.f("ck_massive_messages_status"),
        ),
        sa.CheckConstraint(
            "(status in ('aceito', 'recusado')) = (marked_on is not null)",
            name=op.f("ck_massive_messages_marked_when_settled"),
        ),
        sa.CheckConstraint(
            "(settled_why is null) = (settled_by is null)", name=op.f("ck_massive_messages_settled_by_a_person")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_massive_messages")),
        sa.UniqueConstraint("portfolio", "row_key", name=op.f("uq_massive_messages_portfolio_row_key")),
        sa.UniqueConstraint(
            "portfolio",
            "number_hash",
            "template",
            "day",
            name=op.f("uq_massive_messages_portfolio_number_hash_template_day"),
        ),
        schema=SCHEMA,
    )
    for name, columns, where in (
        ("ix_massive_messages_portfolio_day", ["portfolio", "day"], None),
        ("ix_massive_messages_marked_on", ["portfolio", "marked_on"], None),
        ("ix_massive_messages_answered_at", ["portfolio", "answered_at"], None),
        ("ix_massive_messages_contrato", ["portfolio", "contrato"], None),
        ("ix_massive_messages_doubtful", ["portfolio"], sa.text("status in ('enviando', 'incerto')")),
    ):
        op.create_index(name, TABLE, columns, unique=False, schema=SCHEMA, postgresql_where=where)


def downgrade() -> None:
    op.drop_table(TABLE, schema=SCHEMA)
