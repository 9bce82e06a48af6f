"""changes: what decisions have made of states"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    document = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.add_column("decision_records", sa.Column("changes", document))
