"""Uploaded files, and runs as fine-tuning jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("datasets", sa.Column("purpose", sa.String(32)))
    op.add_column("datasets", sa.Column("source", sa.String(32)))
    op.create_index("ix_datasets_source", "datasets", ["source"])
    op.add_column("runs", sa.Column("job", sa.JSON()))
