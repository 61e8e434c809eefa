"""${message}

What it does to a database of the release before, and why that release goes on working beside it.
"""

from alembic import op
${"import sqlalchemy as sa" if "sa." in str(upgrades) else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
