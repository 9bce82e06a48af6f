"""environments, ad-hoc actions, what parents know of their children, and commits on decision records"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("action_executions", sa.Column("adhoc", sa.Text(), nullable=True))
    op.add_column("workflow_executions", sa.Column("known_state", sa.String(length=10), nullable=True))
    op.add_column("workflow_executions", sa.Column("known_output", sa.Text(), nullable=True))
    op.execute("UPDATE workflow_executions SET known_state = state WHERE parent_id IS NOT NULL")
    op.execute("UPDATE workflow_executions SET known_output = output WHERE accepted")
    op.add_column("decision_records", sa.Column("version", sa.BigInteger(), nullable=True))
    op.create_table(
        "environments",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("project_id", sa.String(length=80), nullable=False),
        sa.Column("scope", sa.String(length=10), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("variables", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_environments")),
        sa.UniqueConstraint("name", "project_id", name=op.f("uq_environments_name_project_id")),
    )
    op.create_index("ix_environments_created_at_id", "environments", ["created_at", "id"])
