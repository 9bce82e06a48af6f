"""lists: indexes of every project's rows in the order of time; tasks know their project"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

NEW = (
    ("workflow_executions", "project_id_state", ("project_id", "state", "created_at"), None),
    ("workflow_executions", "project_id_name", ("project_id", "name", "created_at"), None),
    ("workflow_executions", "project_id_workflow_id", ("project_id", "workflow_id", "created_at"), None),
    ("workflow_executions", "project_id_tags", ("project_id", "tags", "created_at"), "tags <> '[]'"),
    ("task_executions", "created_at", ("created_at",), None),
    ("task_executions", "project_id_created_at", ("project_id", "created_at"), None),
    ("task_executions", "project_id_name", ("project_id", "name", "created_at"), None),
    ("task_executions", "project_id_state", ("project_id", "state", "created_at"), "state <> 'SUCCESS'"),
    ("action_executions", "created_at", ("created_at",), None),
    ("action_executions", "project_id_created_at", ("project_id", "created_at"), None),
    ("action_executions", "project_id_state", ("project_id", "state", "created_at"), "state <> 'SUCCESS'"),
)
OLD = (
    ("workflow_executions", "name_created_at"),
    ("workflow_executions", "state_created_at"),
    ("task_executions", "created_at_id"),
    ("action_executions", "created_at_id"),
)


def upgrade() -> None:
    texts = sa.String(length=80)
    if op.get_bind().dialect.name == "postgresql":
        texts = sa.Text(collation="C")
    op.add_column("task_executions", sa.Column("project_id", texts, nullable=True))
    op.execute(
        "UPDATE task_executions SET project_id = (SELECT project_id FROM workflow_executions"
        " WHERE workflow_executions.id = task_executions.execution_id)"
    )
    for table, name in OLD:
        op.drop_index(f"ix_{table}_{name}", table)
    for table, name, columns, where in NEW:
        wanted = None if where is None else sa.text(where)
        op.create_index(
            f"ix_{table}_{name}", table, list(columns), sqlite_where=wanted, postgresql_where=wanted
        )
