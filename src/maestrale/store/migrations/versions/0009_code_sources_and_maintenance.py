"""code sources, dynamic actions and maintenance"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    plain = sa.Text(collation="C")
    document = sa.Text().with_variant(plain, "postgresql")

    def text(length: int) -> sa.types.TypeEngine[str]:
        return sa.String(length=length).with_variant(plain, "postgresql")

    def names() -> list[sa.Column[str]]:
        return [
            sa.Column("id", text(36), nullable=False),
            sa.Column("name", text(255), nullable=False),
            sa.Column("namespace", text(255), nullable=False),
            sa.Column("project_id", text(80), nullable=False),
            sa.Column("scope", text(10), nullable=False),
        ]

    op.create_table(
        "code_sources",
        *names(),
        sa.Column("content", document, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_code_sources")),
        sa.UniqueConstraint(
            "name", "namespace", "project_id", name=op.f("uq_code_sources_name_namespace_project_id")
        ),
    )
    op.create_index("ix_code_sources_created_at_id", "code_sources", ["created_at", "id"])
    op.create_table(
        "dynamic_actions",
        *names(),
        sa.Column("class_name", text(255), nullable=False),
        sa.Column("code_source_id", text(36), nullable=False),
        sa.Column("input", document, nullable=False),
        sa.Column("description", document, nullable=False),
        sa.Column("signature", document, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dynamic_actions")),
        sa.UniqueConstraint(
            "name", "namespace", "project_id", name=op.f("uq_dynamic_actions_name_namespace_project_id")
        ),
    )
    op.create_index("ix_dynamic_actions_created_at_id", "dynamic_actions", ["created_at", "id"])
    op.create_index("ix_dynamic_actions_code_source_id", "dynamic_actions", ["code_source_id"])
    op.create_table(
        "maintenance",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("status", text(10), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance")),
    )
