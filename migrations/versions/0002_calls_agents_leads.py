"""What calls, agents and leads need beyond the skeleton: additive, nullable or defaulted, INVISIBLE on legacy tables.

Each step asks whether it is needed, so a migration that was cut off (MariaDB commits each DDL statement) is simply run
again.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

JSON = "LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

ADDED_COLUMNS = (
    ("discador_chamadas", "tries", f"{JSON} NULL INVISIBLE"),
    ("discador_chamadas", "caller_id", "VARCHAR(20) NULL INVISIBLE"),
    ("discador_chamadas", "direction", "VARCHAR(10) NOT NULL DEFAULT 'outbound' INVISIBLE"),
    ("discador_chamadas", "detected_at", "DATETIME(3) NULL INVISIBLE"),
    ("discador_chamadas", "amd_result", "VARCHAR(20) NULL INVISIBLE"),
    ("discador_chamadas", "amd_cause", "VARCHAR(64) NULL INVISIBLE"),
    ("discador_chamadas", "agent_disposition", "VARCHAR(40) NULL INVISIBLE"),
    ("discador_chamadas", "callback_at", "DATETIME(3) NULL INVISIBLE"),
    ("discador_chamadas", "is_success", "TINYINT(1) NULL INVISIBLE"),
)
ADDED_INDICES = (("discador_chamadas", "ix_dialer_number", "destination_extension, start_time"),)


def upgrade() -> None:
    """Add what is missing."""
    for table, column, definition in ADDED_COLUMNS:
        op.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column} {definition}")
    for table, index, columns in ADDED_INDICES:
        op.execute(f"CREATE INDEX IF NOT EXISTS {index} ON {table} ({columns})")


def downgrade() -> None:
    """The release before works with what was added; nothing is taken away."""
