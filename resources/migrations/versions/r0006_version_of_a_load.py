"""The version of the layout that a file follows: on the days of an overlap it may be another than the newest."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SCHEMA = "controle"


def upgrade() -> None:
    op.add_column("loads", sa.Column("version_since", sa.Date(), nullable=True), schema=SCHEMA)


def downgrade() -> None:
    op.drop_column("loads", "version_since", schema=SCHEMA)
