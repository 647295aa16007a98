"""Alarms: what was opened and cleared, and which channel was told of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMA = "controle"


def upgrade() -> None:
    op.create_table(
        "alarms",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cleared_why", sa.Text(), nullable=True),
        sa.CheckConstraint("(cleared_at is null) = (cleared_why is null)", name=op.f("ck_alarms_cleared_why")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
        schema=SCHEMA,
    )
    op.create_index(
        "uq_alarms_one_open",
        "alarms",
        ["portfolio", "key"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("cleared_at is null"),
    )
    op.create_table(
        "deliveries",
        sa.Column("alarm_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("batch", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("event in ('opened', 'cleared')", name=op.f("ck_deliveries_event")),
        sa.CheckConstraint(
            "delivered_at is null or batch is not null", name=op.f("ck_deliveries_delivered_in_a_batch")
        ),
        sa.ForeignKeyConstraint(["alarm_id"], [f"{SCHEMA}.alarms.id"], name=op.f("fk_deliveries_alarm_id_alarms")),
        sa.PrimaryKeyConstraint("alarm_id", "event", "channel", name=op.f("pk_deliveries")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_deliveries_undelivered",
        "deliveries",
        ["channel"],
        schema=SCHEMA,
        postgresql_where=sa.text("delivered_at is null"),
    )


def downgrade() -> None:
    op.drop_table("deliveries", schema=SCHEMA)
    op.drop_table("alarms", schema=SCHEMA)
