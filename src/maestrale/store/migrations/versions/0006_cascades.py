"""cascades: what sub-workflows are still to be told"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    document = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.add_column("workflow_executions", sa.Column("cascades", document))
