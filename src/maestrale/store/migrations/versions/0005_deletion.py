"""deletion: which finished roots are the oldest, what is being deleted, which texts nothing refers to"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "ix_execution_heads_deleting",
        "execution_heads",
        ["id"],
        sqlite_where=sa.text("deleting = 1"),
        postgresql_where=sa.text("deleting"),
    )
    ended = sa.text("parent_id IS NULL AND finished_at IS NOT NULL")
    op.create_index(
        "ix_workflow_executions_ended_roots",
        "workflow_executions",
        ["state", "finished_at", "id"],
        sqlite_where=ended,
        postgresql_where=ended,
    )
    op.create_index("ix_workflow_executions_definition_hash", "workflow_executions", ["definition_hash"])
    op.create_index("ix_definitions_text_hash", "definitions", ["text_hash"])
