"""members: workflows shared with other projects"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def _text(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "resource_members",
        sa.Column("id", _text(36), nullable=False),
        sa.Column("resource_id", _text(36), nullable=False),
        sa.Column("resource_type", _text(10), nullable=False),
        sa.Column("project_id", _text(80), nullable=False),
        sa.Column("member_id", _text(80), nullable=False),
        sa.Column("status", _text(10), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resource_members")),
        sa.UniqueConstraint(
            "resource_id", "member_id", name=op.f("uq_resource_members_resource_id_member_id")
        ),
    )
    op.create_index("ix_resource_members_member_id", "resource_members", ["member_id"])
