"""Alembic's entry: `app.db.migrate` hands it a connection in a transaction."""

from __future__ import annotations

from alembic import context

from app.db.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
