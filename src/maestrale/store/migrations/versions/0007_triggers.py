"""cron triggers and event triggers"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

STORED = "fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500"


def upgrade() -> None:
    text = sa.Text(collation="C")

    def characters(length: int) -> Any:
        return sa.String(length=length).with_variant(text, "postgresql")

    document = sa.Text().with_variant(text, "postgresql")
    op.create_table(
        "cron_triggers",
        sa.Column("id", characters(36), nullable=False),
        sa.Column("name", characters(255), nullable=False),
        sa.Column("project_id", characters(80), nullable=False),
        sa.Column("scope", characters(10), nullable=False),
        sa.Column("workflow_name", characters(255), nullable=False),
        sa.Column("workflow_id", characters(36), nullable=False),
        sa.Column("workflow_input", document, nullable=False),
        sa.Column("workflow_params", document, nullable=False),
        sa.Column("pattern", characters(100), nullable=False),
        sa.Column("first_execution_time", sa.BigInteger(), nullable=True),
        sa.Column("next_execution_time", sa.BigInteger(), nullable=True),
        sa.Column("remaining_executions", sa.BigInteger(), nullable=True),
        sa.Column("sameness", characters(64), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_error", document, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cron_triggers")),
        sa.UniqueConstraint("name", "project_id", name=op.f("uq_cron_triggers_name_project_id")),
        sa.UniqueConstraint("sameness", name=op.f("uq_cron_triggers_sameness")),
    )
    op.create_index("ix_cron_triggers_created_at_id", "cron_triggers", ["created_at", "id"])
    op.create_index("ix_cron_triggers_workflow_id", "cron_triggers", ["workflow_id"])
    fires = sa.text("next_execution_time IS NOT NULL")
    op.create_index(
        "ix_cron_triggers_next_execution_time",
        "cron_triggers",
        ["next_execution_time", "id"],
        sqlite_where=fires,
        postgresql_where=fires,
    )
    op.create_table(
        "event_triggers",
        sa.Column("id", characters(36), nullable=False),
        sa.Column("name", characters(255), nullable=True),
        sa.Column("project_id", characters(80), nullable=False),
        sa.Column("scope", characters(10), nullable=False),
        sa.Column("workflow_id", characters(36), nullable=False),
        sa.Column("workflow_input", document, nullable=False),
        sa.Column("workflow_params", document, nullable=False),
        sa.Column("exchange", characters(80), nullable=False),
        sa.Column("topic", characters(80), nullable=False),
        sa.Column("event", characters(80), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_triggers")),
        sa.UniqueConstraint(
            "exchange", "topic", "event", "workflow_id", "project_id",
            name=op.f("uq_event_triggers_exchange_topic_event_workflow_id_project_id"),
        ),
    )  # fmt: skip
    op.create_index("ix_event_triggers_created_at_id", "event_triggers", ["created_at", "id"])
    op.create_index("ix_event_triggers_workflow_id", "event_triggers", ["workflow_id"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE cron_triggers SET ({STORED})")
