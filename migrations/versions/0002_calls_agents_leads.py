"""What calls, agents and leads need beyond the skeleton: additive, nullable or defaulted, INVISIBLE on legacy tables.

Each step asks whether it is needed, so a migration that was cut off (MariaDB commits each DDL statement) is simply run
again.
"""

from alembic import op
from sqlalchemy import text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OPTIONS = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci"
JSON = "LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

ADDED_COLUMNS = (
    ("discador_contatos", "attributes", f"{JSON} NULL INVISIBLE"),
    ("dialer_do_not_call", "confirmed_at", "DATETIME(3) NULL"),
    ("discador_chamadas", "tries", f"{JSON} NULL INVISIBLE"),
    ("discador_chamadas", "caller_id", "VARCHAR(20) NULL INVISIBLE"),
    ("discador_chamadas", "direction", "VARCHAR(10) NOT NULL DEFAULT 'outbound' INVISIBLE"),
    ("discador_chamadas", "detected_at", "DATETIME(3) NULL INVISIBLE"),
    ("discador_chamadas", "amd_result", "VARCHAR(20) NULL INVISIBLE"),
    ("discador_chamadas", "amd_cause", "VARCHAR(64) NULL INVISIBLE"),
    ("discador_chamadas", "wish", "VARCHAR(20) NULL INVISIBLE"),
    ("discador_chamadas", "agent_disposition", "VARCHAR(40) NULL INVISIBLE"),
    ("discador_chamadas", "callback_at", "DATETIME(3) NULL INVISIBLE"),
    ("discador_chamadas", "is_success", "TINYINT(1) NULL INVISIBLE"),
    ("discador_chamadas", "recordings", f"{JSON} NULL INVISIBLE"),
    ("discador_chamadas", "recordings_until", "DATETIME(3) NULL INVISIBLE"),
    ("discador_contatos", "zone", "VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL INVISIBLE"),
    ("discador_contatos", "priority", "TINYINT NOT NULL DEFAULT 0 INVISIBLE"),
    ("discador_contatos", "next_phone", "TINYINT NULL INVISIBLE"),
    ("discador_contatos", "expires_at", "DATETIME(3) NULL INVISIBLE"),
)
ADDED_INDICES = (
    ("discador_chamadas", "ix_dialer_number", "destination_extension, start_time"),
    ("discador_chamadas", "ix_dialer_recordings", "app, recordings_until"),
    ("discador_contatos", "ix_dialer_lane", "campaign_id, status, zone, priority, next_attempt"),
)
OPTIONS = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci"
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
) {OPTIONS};

CREATE TABLE IF NOT EXISTS dialer_dnc_prefixes (
  prefix {DIGITS} NOT NULL,
  campaign_id INTEGER NOT NULL DEFAULT 0,
  source VARCHAR(100) NOT NULL DEFAULT '',
  created_at DATETIME(3) NOT NULL,
  expires_at DATETIME(3) NULL,
  PRIMARY KEY (prefix, campaign_id, source)
) {OPTIONS};

CREATE TABLE IF NOT EXISTS dialer_dnc_sources (
  source VARCHAR(100) NOT NULL,
  campaign_id INTEGER NOT NULL DEFAULT 0,
  registry_at DATETIME(3) NOT NULL,
  imported_at DATETIME(3) NOT NULL,
  entries INTEGER NOT NULL,
  PRIMARY KEY (source, campaign_id)
) {OPTIONS};

CREATE TABLE IF NOT EXISTS dialer_numbers (
  number {DIGITS} NOT NULL PRIMARY KEY,
  invalid_count SMALLINT NOT NULL DEFAULT 0,
  invalid_at DATETIME(3) NULL,
  abandoned_at DATETIME(3) NULL
) {OPTIONS};

CREATE TABLE IF NOT EXISTS dialer_callbacks (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  campaign_id INTEGER NOT NULL,
  lead_id BIGINT NOT NULL,
  agent VARCHAR(40) NULL,
  due_at DATETIME(3) NOT NULL,
  state VARCHAR(20) NOT NULL,
  note VARCHAR(255) NOT NULL DEFAULT '',
  moved SMALLINT NOT NULL DEFAULT 0,
  created_at DATETIME(3) NOT NULL,
  created_by VARCHAR(100) NOT NULL DEFAULT '',
  call_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  KEY ix_due (campaign_id, state, due_at),
  KEY ix_lead (lead_id, state)
) {OPTIONS}
"""

KEYS = (("dialer_do_not_call", "number, campaign_id, source"),)
"""Primary keys that grow: each source has its own entry for a number."""


def upgrade() -> None:
    """Add what is missing."""
    for table, column, definition in ADDED_COLUMNS:
        op.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column} {definition}")
    for statement in OWN_TABLES.split(";"):
        op.execute(statement)
    for table, index, columns in ADDED_INDICES:
        op.execute(f"CREATE INDEX IF NOT EXISTS {index} ON {table} ({columns})")
    for table, columns in KEYS:
        if _key(table) != columns:
            op.execute(f"ALTER TABLE {table} DROP PRIMARY KEY, ADD PRIMARY KEY ({columns})")


def _key(table: str) -> str:
    found = op.get_bind().execute(
        text(
            "SELECT GROUP_CONCAT(column_name ORDER BY seq_in_index SEPARATOR ', ') FROM information_schema.statistics "
            "WHERE table_schema = DATABASE() AND table_name = :t AND index_name = 'PRIMARY'"
        ),
        {"t": table},
    )
    return str(found.scalar())


def downgrade() -> None:
    """The release before works with what was added; nothing is taken away."""
