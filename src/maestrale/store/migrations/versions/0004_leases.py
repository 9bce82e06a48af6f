"""leases: who counts as dead, who waits for a reply; indexes of parents leave out what has none"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    texts = sa.String(length=36)
    if op.get_bind().dialect.name == "postgresql":
        texts = sa.Text(collation="C")
    op.add_column("mail", sa.Column("reply_to", texts, nullable=True))
    op.add_column("processes", sa.Column("pid_started", sa.BigInteger(), nullable=True))
    for column in ("parent_id", "parent_task_id"):
        name, there = f"ix_workflow_executions_{column}", sa.text(f"{column} IS NOT NULL")
        op.drop_index(name, "workflow_executions")
        op.create_index(name, "workflow_executions", [column], sqlite_where=there, postgresql_where=there)
    op.add_column("processes", sa.Column("gone", sa.Boolean(), nullable=False, server_default=sa.false()))
