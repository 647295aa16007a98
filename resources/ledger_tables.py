"""The ledger's tables, in the schema ``controle``, as the migrations leave them (a test compares the two).

Only columns and constraints belong here. Values are in ``ledger_records``, statements in the ``ledger`` modules. A
change here needs a new revision in ``migrations/versions``.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA = "controle"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    },
)


def _id() -> Column[Any]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def _instant(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _text(name: str, *, nullable: bool = False, primary_key: bool = False) -> Column[Any]:
    return Column(name, Text, nullable=nullable, primary_key=primary_key)


files = Table(
    "files",
    metadata,
    _id(),
    _text("portfolio"),
    _text("name"),
    _text("layout"),
    Column("day", Date, nullable=False),
    Column("stamp", DateTime(timezone=False)),
    _text("sha256"),
    Column("size", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    _text("status"),
    Column("duplicate_of", BigInteger, ForeignKey(f"{SCHEMA}.files.id")),
    Column("arrival", BigInteger, nullable=False),
    _text("archived_path"),
    Column("excel", Boolean, nullable=False),
    _instant("collected_at"),
    UniqueConstraint("portfolio", "name", "version"),
    UniqueConstraint("portfolio", "arrival"),
    CheckConstraint("status in ('current', 'replaced', 'duplicate')", name="status"),
    CheckConstraint("(status = 'duplicate') = (duplicate_of is not null)", name="duplicate_of"),
    Index("uq_files_one_version_in_force", "portfolio", "name", unique=True,
          postgresql_where=text("status <> 'replaced'")),
    Index("uq_files_same_bytes_once", "portfolio", "layout", "day", "sha256", unique=True,
          postgresql_where=text("status = 'current'")),
    Index("ix_files_portfolio_day", "portfolio", "day"),
)  # fmt: skip

loads = Table(
    "loads",
    metadata,
    Column("file_id", BigInteger, ForeignKey(f"{SCHEMA}.files.id"), primary_key=True, autoincrement=False),
    _text("outcome"),
    _text("code", nullable=True),
    _text("message", nullable=True),
    Column("rows_read", BigInteger, nullable=False),
    Column("rows_accepted", BigInteger, nullable=False),
    Column("rows_refused", BigInteger, nullable=False),
    Column("rows_superseded", BigInteger, nullable=False),
    Column("refused_by_reason", JSONB, nullable=False),
    Column("flags", JSONB, nullable=False),
    Column("seconds", Float, nullable=False),
    _instant("loaded_at"),
    Column("version_since", Date, nullable=True),
    CheckConstraint("outcome in ('loaded', 'refused')", name="outcome"),
    CheckConstraint("rows_read = rows_accepted + rows_refused", name="every_row_is_accounted_for"),
)

corrections = Table(
    "corrections",
    metadata,
    _text("portfolio", primary_key=True),
    _text("name", primary_key=True),
    _text("sha256", primary_key=True),
    _text("corrects", primary_key=True),
    Column("lines", BigInteger, nullable=False),
    _text("error_file"),
    _instant("at"),
)

sightings = Table(
    "sightings",
    metadata,
    _text("portfolio", primary_key=True),
    _text("name", primary_key=True),
    Column("size", BigInteger, nullable=False),
    _instant("mtime", nullable=True),
    _instant("first_seen_at"),
    _instant("verified_at", nullable=True),
)

unknown_files = Table(
    "unknown_files",
    metadata,
    _text("portfolio", primary_key=True),
    _text("name", primary_key=True),
    Column("size", BigInteger, nullable=False),
    _instant("mtime", nullable=True),
    _instant("first_seen_at"),
    _instant("gone_at", nullable=True),
)

decisions = Table(
    "decisions",
    metadata,
    _id(),
    _text("portfolio"),
    Column("day", Date, nullable=False),
    _text("what"),
    _text("why"),
    _text("author"),
    _text("reference", nullable=True),
    _instant("at"),
    Index("ix_decisions_portfolio_day", "portfolio", "day"),
)

verdicts = Table(
    "verdicts",
    metadata,
    _text("portfolio", primary_key=True),
    Column("day", Date, primary_key=True),
    _text("guard", primary_key=True),
    _text("fingerprint", primary_key=True),
    Column("held", Boolean, nullable=False),
    Column("numbers", JSONB, nullable=False),
    _text("message"),
    Column("released_by", BigInteger, ForeignKey(f"{SCHEMA}.decisions.id")),
    _instant("at"),
)

bases = Table(
    "bases",
    metadata,
    _text("portfolio", primary_key=True),
    Column("day", Date, primary_key=True),
    _text("hash"),
    Column("tables", JSONB, nullable=False),
    _text("inputs"),
    Column("previous_day", Date),
    _text("previous_hash", nullable=True),
    Column("complete", Boolean, nullable=False),
    Column("waiting", JSONB, nullable=False),
    Column("imported", Boolean, nullable=False),
    _instant("built_at"),
    CheckConstraint("previous_day < day", name="follows_an_earlier_day"),
)

waves = Table(
    "waves",
    metadata,
    _id(),
    _text("portfolio"),
    Column("day", Date, nullable=False),
    Column("number", Integer, nullable=False),
    _text("kind"),
    Column("files", JSONB, nullable=False),
    _text("rows_path"),
    _text("rows_sha256"),
    _text("status"),
    _instant("planned_at"),
    _instant("sent_at", nullable=True),
    _text("note"),
    UniqueConstraint("portfolio", "day", "number"),
    CheckConstraint("kind in ('carga', 'incremental', 'baixa', 'importacao')", name="kind"),
    CheckConstraint("status in ('planned', 'sent', 'cancelled')", name="status"),
    CheckConstraint("(status = 'sent') = (sent_at is not null)", name="sent_at"),
    Index("uq_waves_one_planned", "portfolio", unique=True, postgresql_where=text("status = 'planned'")),
)

outputs = Table(
    "outputs",
    metadata,
    _text("portfolio", primary_key=True),
    Column("day", Date, primary_key=True),
    _text("kind", primary_key=True),
    _text("name", primary_key=True),
    _text("url"),
    _text("sha256"),
    Column("rows", BigInteger, nullable=False),
    _instant("at"),
)

alarms = Table(
    "alarms",
    metadata,
    _id(),
    _text("portfolio"),
    _text("key"),
    _text("kind"),
    Column("day", Date),
    _text("title"),
    _text("message"),
    _text("severity"),
    _instant("opened_at"),
    _instant("cleared_at", nullable=True),
    _text("cleared_why", nullable=True),
    CheckConstraint("(cleared_at is null) = (cleared_why is null)", name="cleared_why"),
    Index("uq_alarms_one_open", "portfolio", "key", unique=True, postgresql_where=text("cleared_at is null")),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("alarm_id", BigInteger, ForeignKey(f"{SCHEMA}.alarms.id"), primary_key=True, autoincrement=False),
    _text("event", primary_key=True),
    _text("channel", primary_key=True),
    _text("batch", nullable=True),
    Column("attempts", Integer, nullable=False),
    _instant("next_attempt_at", nullable=True),
    _text("last_error", nullable=True),
    _instant("delivered_at", nullable=True),
    CheckConstraint("event in ('opened', 'cleared')", name="event"),
    CheckConstraint("delivered_at is null or batch is not null", name="delivered_in_a_batch"),
    Index("ix_deliveries_undelivered", "channel", postgresql_where=text("delivered_at is null")),
)

massive_messages = Table(
    "massive_messages",
    metadata,
    _id(),
    _text("portfolio"),
    Column("day", Date, nullable=False),
    _text("row_key"),
    _text("file"),
    Column("line", BigInteger, nullable=False),
    _text("contrato"),
    _text("number_hash"),
    _text("number_masked"),
    _text("jornada"),
    Column("template", BigInteger, nullable=False),
    _text("status"),
    Column("attempts", Integer, nullable=False),
    _instant("intended_at"),
    _instant("answered_at", nullable=True),
    _instant("not_before", nullable=True),
    Column("http_status", Integer),
    _text("words"),
    Column("marked_on", Date),
    _text("settled_why", nullable=True),
    _text("settled_by", nullable=True),
    UniqueConstraint("portfolio", "row_key"),
    UniqueConstraint("portfolio", "number_hash", "template", "day"),
    CheckConstraint("status in ('planejado', 'enviando', 'aceito', 'recusado', 'incerto')", name="status"),
    CheckConstraint("(status in ('aceito', 'recusado')) = (marked_on is not null)", name="marked_when_settled"),
    CheckConstraint("(settled_why is null) = (settled_by is null)", name="settled_by_a_person"),
    Index("ix_massive_messages_portfolio_day", "portfolio", "day"),
    Index("ix_massive_messages_marked_on", "portfolio", "marked_on"),
    Index("ix_massive_messages_answered_at", "portfolio", "answered_at"),
    Index("ix_massive_messages_contrato", "portfolio", "contrato"),
    Index("ix_massive_messages_doubtful", "portfolio", postgresql_where=text("status in ('enviando', 'incerto')")),
)

prunings = Table(
    "prunings",
    metadata,
    _id(),
    _text("portfolio"),
    _text("part"),
    Column("before", Date, nullable=False),
    Column("items", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    _instant("at"),
    Index("ix_prunings_portfolio_part", "portfolio", "part"),
)
