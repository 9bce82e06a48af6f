"""security contexts: in whose name executions, actions and triggers work"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    plain = sa.Text(collation="C")
    document = sa.Text().with_variant(plain, "postgresql")

    def text(length: int) -> sa.types.TypeEngine[str]:
        return sa.String(length=length).with_variant(plain, "postgresql")

    op.add_column("workflow_executions", sa.Column("caller", document))
    op.create_table(
        "security_contexts",
        sa.Column("id", text(36), nullable=False),
        sa.Column("kind", text(20), nullable=False),
        sa.Column("user_id", text(255), nullable=True),
        sa.Column("project_id", text(80), nullable=False),
        sa.Column("caller", document, nullable=False),
        sa.Column("trust_id", text(255), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("key_id", text(255), nullable=True),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_contexts")),
    )
    op.create_index("ix_security_contexts_trust_id", "security_contexts", ["trust_id"])
