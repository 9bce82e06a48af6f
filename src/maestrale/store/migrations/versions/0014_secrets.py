"""secrets in environments and triggers"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    for table in ("environments", "cron_triggers", "event_triggers"):
        op.add_column(table, sa.Column("sealed", sa.LargeBinary(), nullable=True))
