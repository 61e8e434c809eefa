"""What calls, agents and leads need beyond the skeleton: additive, nullable or defaulted, INVISIBLE on legacy tables.

Each step asks whether it is needed, so a migration that was cut off (MariaDB commits each DDL statement) is simply run
again.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OPTIONS = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci"
JSON = "LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

ADDED_COLUMNS = (
    ("discador_contatos", "attributes", f"{JSON} NULL INVISIBLE"),
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
DIGITS = "VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin"

OWN_TABLES = f"""
CREATE TABLE IF NOT EXISTS dialer_lead_phones (
  lead_id BIGINT NOT NULL,
  position SMALLINT NOT NULL,
  campaign_id INTEGER NOT NULL,
  number {DIGITS} NOT NULL,
  original VARCHAR(64) NULL,
  status VARCHAR(20) NOT NULL DEFAULT 'pending',
  attempts SMALLINT NOT NULL DEFAULT 0,
  last_attempt_at DATETIME(3) NULL,
  result VARCHAR(30) NULL,
  PRIMARY KEY (lead_id, position),
  KEY ix_number (number, campaign_id)
) {OPTIONS};

CREATE TABLE IF NOT EXISTS dialer_imports (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  campaign_id INTEGER NOT NULL,
  file_name VARCHAR(255) NOT NULL,
  digest VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  actor VARCHAR(100) NOT NULL,
  started_at DATETIME(3) NOT NULL,
  finished_at DATETIME(3) NOT NULL,
  imported INTEGER NOT NULL,
  refused INTEGER NOT NULL,
  phones_known_to BIGINT NOT NULL,
  KEY ix_file (campaign_id, digest)
) {OPTIONS};

CREATE TABLE IF NOT EXISTS dialer_agent_pins (
  extension VARCHAR(40) NOT NULL PRIMARY KEY,
  pin_hash VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  changed_at DATETIME(3) NOT NULL
) {OPTIONS}
"""


def upgrade() -> None:
    """Add what is missing."""
    for table, column, definition in ADDED_COLUMNS:
        op.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column} {definition}")
    for statement in OWN_TABLES.split(";"):
        op.execute(statement)
    for table, index, columns in ADDED_INDICES:
        op.execute(f"CREATE INDEX IF NOT EXISTS {index} ON {table} ({columns})")


def downgrade() -> None:
    """The release before works with what was added; nothing is taken away."""
