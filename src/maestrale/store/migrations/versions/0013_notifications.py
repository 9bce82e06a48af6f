"""notifications: what is still to be sent"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

VACUUM = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500"


def upgrade() -> None:
    key = sa.String(36).with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "notifications",
        sa.Column("id", key, nullable=False),
        sa.Column("execution_id", key, nullable=False),
        sa.Column("publisher", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("taken_by", key, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
    )
    op.create_index("ix_notifications_due_at", "notifications", ["due_at"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE notifications SET ({VACUUM})")
