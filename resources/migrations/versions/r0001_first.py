"""The ledger as it first was: files, loads, sightings, unknown names, verdicts, decisions, bases, waves, outputs.

A revision stands alone, so this says again what ``ledger_tables`` said when it was written.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "controle"
TABLES = ("verdicts", "loads", "waves", "unknown_files", "sightings", "outputs", "files", "decisions", "bases")


def upgrade() -> None:
    op.create_table(
        "bases",
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("tables", JSONB(), nullable=False),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("previous_day", sa.Date(), nullable=True),
        sa.Column("previous_hash", sa.Text(), nullable=True),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("waiting", JSONB(), nullable=False),
        sa.Column("imported", sa.Boolean(), nullable=False),
        sa.Column("built_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("previous_day < day", name=op.f("ck_bases_follows_an_earlier_day")),
        sa.PrimaryKeyConstraint("portfolio", "day", name=op.f("pk_bases")),
        schema=SCHEMA,
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_decisions_portfolio_day",
        "decisions",
        ["portfolio", "day"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_table(
        "files",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("layout", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("stamp", sa.DateTime(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("duplicate_of", sa.BigInteger(), nullable=True),
        sa.Column("arrival", sa.BigInteger(), nullable=False),
        sa.Column("archived_path", sa.Text(), nullable=False),
        sa.Column("excel", sa.Boolean(), nullable=False),
        sa.Column("collected_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(status = 'duplicate') = (duplicate_of is not null)", name=op.f("ck_files_duplicate_of")),
        sa.CheckConstraint("status in ('current', 'replaced', 'duplicate')", name=op.f("ck_files_status")),
        sa.ForeignKeyConstraint(["duplicate_of"], ["controle.files.id"], name=op.f("fk_files_duplicate_of")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
        sa.UniqueConstraint("portfolio", "arrival", name=op.f("uq_files_portfolio_arrival")),
        sa.UniqueConstraint("portfolio", "name", "version", name=op.f("uq_files_portfolio_name_version")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_files_portfolio_day",
        "files",
        ["portfolio", "day"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        "uq_files_one_version_in_force",
        "files",
        ["portfolio", "name"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("status <> 'replaced'"),
    )
    op.create_index(
        "uq_files_same_bytes_once",
        "files",
        ["portfolio", "layout", "day", "sha256"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("status = 'current'"),
    )
    op.create_table(
        "outputs",
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("portfolio", "day", "kind", "name", name=op.f("pk_outputs")),
        schema=SCHEMA,
    )
    op.create_table(
        "sightings",
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("portfolio", "name", name=op.f("pk_sightings")),
        schema=SCHEMA,
    )
    op.create_table(
        "unknown_files",
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("portfolio", "name", name=op.f("pk_unknown_files")),
        schema=SCHEMA,
    )
    op.create_table(
        "waves",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("files", JSONB(), nullable=False),
        sa.Column("rows_path", sa.Text(), nullable=False),
        sa.Column("rows_sha256", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint("(status = 'sent') = (sent_at is not null)", name=op.f("ck_waves_sent_at")),
        sa.CheckConstraint("kind in ('carga', 'incremental', 'baixa', 'importacao')", name=op.f("ck_waves_kind")),
        sa.CheckConstraint("status in ('planned', 'sent', 'cancelled')", name=op.f("ck_waves_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waves")),
        sa.UniqueConstraint("portfolio", "day", "number", name=op.f("uq_waves_portfolio_day_number")),
        schema=SCHEMA,
    )
    op.create_index(
        "uq_waves_one_planned",
        "waves",
        ["portfolio"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("status = 'planned'"),
    )
    op.create_table(
        "loads",
        sa.Column("file_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("rows_read", sa.BigInteger(), nullable=False),
        sa.Column("rows_accepted", sa.BigInteger(), nullable=False),
        sa.Column("rows_refused", sa.BigInteger(), nullable=False),
        sa.Column("rows_superseded", sa.BigInteger(), nullable=False),
        sa.Column("refused_by_reason", JSONB(), nullable=False),
        sa.Column("flags", JSONB(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("outcome in ('loaded', 'refused')", name=op.f("ck_loads_outcome")),
        sa.CheckConstraint(
            "rows_read = rows_accepted + rows_refused", name=op.f("ck_loads_every_row_is_accounted_for")
        ),
        sa.ForeignKeyConstraint(["file_id"], ["controle.files.id"], name=op.f("fk_loads_file_id")),
        sa.PrimaryKeyConstraint("file_id", name=op.f("pk_loads")),
        schema=SCHEMA,
    )
    op.create_table(
        "verdicts",
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("guard", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("numbers", JSONB(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("released_by", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["released_by"], ["controle.decisions.id"], name=op.f("fk_verdicts_released_by")),
        sa.PrimaryKeyConstraint("portfolio", "day", "guard", "fingerprint", name=op.f("pk_verdicts")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table, schema=SCHEMA)
