"""The legacy's four tables, created or taken over in place, and the dialer's own.

On an existing legacy database nothing is dropped, renamed or narrowed: missing columns and indices are added, a table
that has no transactions becomes InnoDB, and a short `unique_id` is widened. Each step asks whether it is needed, so a
migration that was cut off (MariaDB commits each DDL statement) is simply run again.
"""

from alembic import op
from sqlalchemy import text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

OPTIONS = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci"
ID = "VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
JSON = "LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
CREATED = "DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP"
UPDATED = f"{CREATED} ON UPDATE CURRENT_TIMESTAMP"

LEGACY_KEYS = {
    "discador_campanhas": "id INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY",
    "discador_contatos": "id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY",
    "painel_ramais": "id INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY",
    "discador_chamadas": f"unique_id {ID} NOT NULL PRIMARY KEY",
}

LEGACY_COLUMNS = {
    "discador_campanhas": (
        ("name", "VARCHAR(255) NOT NULL"),
        ("status", "VARCHAR(20) NOT NULL DEFAULT 'paused'"),
        ("max_channels", "INTEGER NOT NULL DEFAULT 10"),
        ("impulse_factor", "DOUBLE NOT NULL DEFAULT 6"),
        ("max_multiplier", "DOUBLE NOT NULL DEFAULT 20"),
        ("average_call_time", "DOUBLE NOT NULL DEFAULT 180"),
        ("start_time", "TIME NULL"),
        ("end_time", "TIME NULL"),
        ("total_contacts", "INTEGER NOT NULL DEFAULT 0"),
        ("processed_contacts", "INTEGER NOT NULL DEFAULT 0"),
        ("successful_calls", "INTEGER NOT NULL DEFAULT 0"),
        ("created_at", CREATED),
        ("updated_at", UPDATED),
    ),
    "discador_contatos": (
        ("campaign_id", "INTEGER NOT NULL"),
        ("name", "VARCHAR(255) NOT NULL DEFAULT ''"),
        ("phone_number", "VARCHAR(20) NOT NULL"),
        ("alternate_phone", "VARCHAR(20) NULL"),
        ("attempts", "INTEGER NOT NULL DEFAULT 0"),
        ("max_attempts", "INTEGER NOT NULL DEFAULT 3"),
        ("last_attempt", "DATETIME NULL"),
        ("next_attempt", "DATETIME NULL"),
        ("status", "VARCHAR(50) NOT NULL DEFAULT 'pending'"),
        ("result", "VARCHAR(100) NULL"),
        ("created_at", CREATED),
        ("updated_at", UPDATED),
    ),
    "painel_ramais": (
        ("number", "VARCHAR(10) NOT NULL"),
        ("name", "VARCHAR(255) NULL"),
        ("status_line1", "VARCHAR(20) NOT NULL DEFAULT 'unregistered'"),
        ("status_line2", "VARCHAR(20) NOT NULL DEFAULT 'unregistered'"),
        ("last_activity", "DATETIME NULL"),
        ("registered", "TINYINT(1) NOT NULL DEFAULT 0"),
    ),
    "discador_chamadas": (
        ("source_extension", "VARCHAR(80) NOT NULL DEFAULT ''"),
        ("destination_extension", "VARCHAR(80) NOT NULL DEFAULT ''"),
        ("status", "VARCHAR(20) NOT NULL DEFAULT 'ringing'"),
        ("start_time", "DATETIME NULL"),
        ("answer_time", "DATETIME NULL"),
        ("end_time", "DATETIME NULL"),
        ("duration", "INTEGER NOT NULL DEFAULT 0"),
    ),
}

ADDED_COLUMNS = {
    "discador_campanhas": (("settings", f"{JSON} NULL"),),
    "discador_contatos": (
        ("attempt_id", f"{ID} NULL"),
        ("reserved_by", "VARCHAR(64) NULL"),
        ("reserved_until", "DATETIME(3) NULL"),
    ),
    "painel_ramais": (),
    "discador_chamadas": (
        ("app", "VARCHAR(64) NULL"),
        ("campaign_id", "INTEGER NULL"),
        ("lead_id", "BIGINT NULL"),
        ("trunk", "VARCHAR(64) NULL"),
        ("agent_leg_id", f"{ID} NULL"),
        ("bridge_id", f"{ID} NULL"),
        ("started_at", "DATETIME(3) NULL"),
        ("dialled_at", "DATETIME(3) NULL"),
        ("ringing_at", "DATETIME(3) NULL"),
        ("answered_at", "DATETIME(3) NULL"),
        ("bridged_at", "DATETIME(3) NULL"),
        ("ended_at", "DATETIME(3) NULL"),
        ("disposition", "VARCHAR(30) NULL"),
        ("fault", "VARCHAR(20) NULL"),
        ("hangup_cause", "SMALLINT NULL"),
        ("tech_cause", "SMALLINT NULL"),
        ("hung_up_by", "VARCHAR(20) NULL"),
        ("is_end_estimated", "TINYINT(1) NOT NULL DEFAULT 0"),
        ("timeline", f"{JSON} NULL"),
    ),
}

INDICES = {
    "discador_campanhas": (("ix_dialer_status", "status"),),
    "discador_contatos": (
        ("ix_dialer_due", "campaign_id, status, next_attempt"),
        ("ix_dialer_campaign", "campaign_id"),
        ("ix_dialer_lease", "reserved_until"),
    ),
    "painel_ramais": (),
    "discador_chamadas": (
        ("ix_dialer_start", "start_time"),
        ("ix_dialer_campaign", "campaign_id, start_time"),
        ("ix_dialer_lead", "lead_id"),
        ("ix_dialer_open", "app, status"),
    ),
}

NEEDED_LENGTHS = {
    "discador_contatos": (("result", 100),),
    "discador_chamadas": (("unique_id", 64), ("source_extension", 20), ("destination_extension", 20)),
}

UNIQUE = (("painel_ramais", "number", "uq_dialer_number"), ("discador_chamadas", "unique_id", "uq_dialer_unique_id"))

OWN_TABLES = f"""
CREATE TABLE IF NOT EXISTS dialer_agent_sessions (
  session_id {ID} NOT NULL PRIMARY KEY,
  extension VARCHAR(40) NOT NULL,
  app VARCHAR(64) NOT NULL,
  connect VARCHAR(20) NOT NULL,
  state VARCHAR(20) NOT NULL,
  state_since DATETIME(3) NOT NULL,
  pause_reason VARCHAR(100) NULL,
  campaigns TEXT NOT NULL,
  leg_id {ID} NULL,
  bridge_id {ID} NULL,
  call_id {ID} NULL,
  logged_in_at DATETIME(3) NOT NULL,
  logged_out_at DATETIME(3) NULL,
  KEY ix_open (app, logged_out_at),
  KEY ix_extension (extension, logged_in_at),
  KEY ix_logged_in (logged_in_at)
) {OPTIONS};

CREATE TABLE IF NOT EXISTS dialer_agent_states (
  session_id {ID} NOT NULL,
  since DATETIME(3) NOT NULL,
  state VARCHAR(20) NOT NULL,
  pause_reason VARCHAR(100) NULL,
  call_id {ID} NULL,
  PRIMARY KEY (session_id, since)
) {OPTIONS};

CREATE TABLE IF NOT EXISTS dialer_queue_members (
  campaign_id INTEGER NOT NULL,
  extension VARCHAR(40) NOT NULL,
  penalty INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (campaign_id, extension),
  KEY ix_extension (extension)
) {OPTIONS};

CREATE TABLE IF NOT EXISTS dialer_do_not_call (
  number VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  campaign_id INTEGER NOT NULL DEFAULT 0,
  source VARCHAR(100) NOT NULL DEFAULT '',
  created_at DATETIME(3) NOT NULL,
  expires_at DATETIME(3) NULL,
  PRIMARY KEY (number, campaign_id)
) {OPTIONS};

CREATE TABLE IF NOT EXISTS dialer_pacing_decisions (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  campaign_id INTEGER NOT NULL,
  decided_at DATETIME(3) NOT NULL,
  wanted INTEGER NOT NULL,
  reserved INTEGER NOT NULL,
  inputs TEXT NOT NULL,
  KEY ix_campaign (campaign_id, id)
) {OPTIONS};

CREATE TABLE IF NOT EXISTS dialer_pacing_snapshots (
  campaign_id INTEGER NOT NULL PRIMARY KEY,
  mode VARCHAR(20) NOT NULL,
  taken_at DATETIME(3) NOT NULL,
  snapshot {JSON} NOT NULL
) {OPTIONS};

CREATE TABLE IF NOT EXISTS dialer_audit (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  happened_at DATETIME(3) NOT NULL,
  actor VARCHAR(100) NOT NULL,
  action VARCHAR(50) NOT NULL,
  subject VARCHAR(100) NOT NULL,
  `before` {JSON} NULL,
  `after` {JSON} NULL,
  KEY ix_subject (subject, id),
  KEY ix_happened (happened_at)
) {OPTIONS}
"""


def upgrade() -> None:
    for table in LEGACY_COLUMNS:
        _take_over(table)
    for table, column, name in UNIQUE:
        if not _is_unique(table, column):
            op.execute(f"CREATE UNIQUE INDEX IF NOT EXISTS {name} ON {table} ({column})")
    for statement in OWN_TABLES.split(";"):
        op.execute(statement)


def _take_over(table: str) -> None:
    op.execute(f"CREATE TABLE IF NOT EXISTS {table} ({_new_columns(table)}) {OPTIONS}")
    if _engine(table) != "InnoDB":
        op.execute(f"ALTER TABLE {table} ENGINE=InnoDB")
    missing = [f"ADD COLUMN IF NOT EXISTS `{name}` {kind}" for name, kind in LEGACY_COLUMNS[table]]
    missing += [f"ADD COLUMN IF NOT EXISTS `{name}` {kind} INVISIBLE" for name, kind in ADDED_COLUMNS[table]]
    missing += [f"ADD INDEX IF NOT EXISTS {name} ({columns})" for name, columns in INDICES[table]]
    op.execute(f"ALTER TABLE {table} {', '.join(missing)}")
    for change in _widened(table):
        op.execute(f"ALTER TABLE {table} {change}")


def _new_columns(table: str) -> str:
    return ", ".join([LEGACY_KEYS[table], *(f"`{name}` {kind}" for name, kind in LEGACY_COLUMNS[table])])


def _widened(table: str) -> list[str]:
    """Columns that are too narrow for what the dialer writes, such as an old Asterisk's `unique_id`."""
    changes = []
    for column, needed in NEEDED_LENGTHS.get(table, ()):
        length, collation, charset, is_nullable, default = (
            op.get_bind()
            .execute(
                text(
                    "SELECT character_maximum_length, collation_name, character_set_name, is_nullable, column_default "
                    "FROM information_schema.columns "
                    "WHERE table_schema = DATABASE() AND table_name = :table AND column_name = :column"
                ),
                {"table": table, "column": column},
            )
            .one()
        )
        if length is not None and length < needed:
            null = "NULL" if is_nullable == "YES" else "NOT NULL"
            default = "" if default is None else f"DEFAULT {default}"
            kind = f"VARCHAR({needed}) CHARACTER SET {charset} COLLATE {collation} {null} {default}"
            changes.append(f"MODIFY COLUMN `{column}` {kind}")
    return changes


def _engine(table: str) -> str:
    return str(
        op.get_bind()
        .execute(
            text("SELECT engine FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = :t"),
            {"t": table},
        )
        .scalar_one()
    )


def _is_unique(table: str, column: str) -> bool:
    """Whether an index, whatever its name, keeps this one column unique."""
    found = op.get_bind().execute(
        text(
            "SELECT 1 FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = :t "
            "AND non_unique = 0 GROUP BY index_name HAVING COUNT(*) = 1 AND MAX(column_name) = :c"
        ),
        {"t": table, "c": column},
    )
    return found.first() is not None
