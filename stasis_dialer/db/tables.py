"""The tables: the legacy's four under their own names, and ours, prefixed `dialer_`.

Legacy columns keep name and meaning. What we add to a legacy table is nullable or defaulted and INVISIBLE, so that the
old panel's `SELECT *` and `INSERT INTO t VALUES (...)` go on working beside its named columns. Legacy states are
VARCHAR, not ENUM: any word of the old panel survives. There are no foreign keys, which could refuse the panel's writes.
Legacy datetimes are whole seconds in the legacy's zone (`LegacyClock` converts); ours are DATETIME(3) in UTC.
"""

from __future__ import annotations

from datetime import datetime, time
from typing import Any, Final

from sqlalchemy import BigInteger, Double, Index, Integer, SmallInteger, String, Text, Time, text
from sqlalchemy.dialects.mysql import DATETIME, LONGTEXT, TINYINT, VARCHAR
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateColumn
from sqlalchemy.sql.compiler import DDLCompiler

TABLE_OPTIONS: Final = {
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_unicode_ci",
}
"""`utf8mb4_unicode_ci` exists in every MariaDB that the dialer supports; later defaults do not."""

ID_LENGTH: Final = 64
"""Characters of an attempt's, channel's, bridge's or session's id. Source: ours are shorter; Asterisk allows 150."""


def _id_type() -> VARCHAR:
    """Ids compare byte by byte: two ids that differ in case only are two calls."""
    return VARCHAR(ID_LENGTH, charset="utf8mb4", collation="utf8mb4_bin")


def _json_type() -> LONGTEXT:
    """JSON as MariaDB stores it, without its CHECK: a legacy table takes no constraint that may refuse a write."""
    return LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin")


def _digits_type() -> VARCHAR:
    """E.164 without the plus sign."""
    return VARCHAR(20, charset="ascii", collation="ascii_bin")


def _moment() -> DATETIME:
    return DATETIME(fsp=3)


def _added(type_: Any, **options: Any) -> Any:
    """A column that the old panel does not see unless it asks for it by name."""
    return mapped_column(type_, info={"invisible": True}, **options)


@compiles(CreateColumn, "mysql", "mariadb")
def _create_column(element: CreateColumn, compiler: DDLCompiler, **options: Any) -> str:
    definition = compiler.visit_create_column(element, **options)  # type: ignore[no-untyped-call]
    return f"{definition} INVISIBLE" if element.element.info.get("invisible") else definition


class Base(DeclarativeBase):
    """All tables that alembic owns."""


EMPTY: Final = text("''")
NOW: Final = text("CURRENT_TIMESTAMP")
NOW_ON_UPDATE: Final = text("CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP")


class CampaignTable(Base):
    """A campaign; `settings` holds what the legacy has no column for, as one JSON object."""

    __tablename__ = "discador_campanhas"
    __table_args__ = (Index("ix_dialer_status", "status"), TABLE_OPTIONS)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(20), server_default="paused")
    max_channels: Mapped[int] = mapped_column(Integer, server_default="10")
    impulse_factor: Mapped[float] = mapped_column(Double, server_default="6")
    max_multiplier: Mapped[float] = mapped_column(Double, server_default="20")
    average_call_time: Mapped[float] = mapped_column(Double, server_default="180")
    start_time: Mapped[time | None] = mapped_column(Time)
    end_time: Mapped[time | None] = mapped_column(Time)
    total_contacts: Mapped[int] = mapped_column(Integer, server_default="0")
    processed_contacts: Mapped[int] = mapped_column(Integer, server_default="0")
    successful_calls: Mapped[int] = mapped_column(Integer, server_default="0")
    created_at: Mapped[datetime] = mapped_column(DATETIME, server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(DATETIME, server_default=NOW_ON_UPDATE)

    settings: Mapped[str | None] = _added(_json_type(), nullable=True)


class LeadTable(Base):
    """A lead. A reservation is `attempt_id` with `reserved_by` until `reserved_until`.

    `ix_dialer_lane` serves the dialer: within one campaign, `pending`, one zone and one priority it holds the fresh
    leads (no next attempt) in order of id, then the retries in order of their time, so both are read in order, a
    hundred at a time. `ix_dialer_due` counts them.
    """

    __tablename__ = "discador_contatos"
    __table_args__ = (
        Index("ix_dialer_due", "campaign_id", "status", "next_attempt"),
        Index("ix_dialer_lane", "campaign_id", "status", "zone", "priority", "next_attempt"),
        Index("ix_dialer_campaign", "campaign_id"),
        Index("ix_dialer_lease", "reserved_until"),
        TABLE_OPTIONS,
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    campaign_id: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(String(255), server_default=EMPTY)
    phone_number: Mapped[str] = mapped_column(String(20))
    alternate_phone: Mapped[str | None] = mapped_column(String(20))
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    max_attempts: Mapped[int] = mapped_column(Integer, server_default="3")
    last_attempt: Mapped[datetime | None] = mapped_column(DATETIME)
    next_attempt: Mapped[datetime | None] = mapped_column(DATETIME)
    status: Mapped[str] = mapped_column(String(50), server_default="pending")
    result: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(DATETIME, server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(DATETIME, server_default=NOW_ON_UPDATE)

    attempt_id: Mapped[str | None] = _added(_id_type(), nullable=True)
    reserved_by: Mapped[str | None] = _added(String(64), nullable=True)
    reserved_until: Mapped[datetime | None] = _added(_moment(), nullable=True)
    attributes: Mapped[str | None] = _added(_json_type(), nullable=True)
    """JSON object with the columns of its list that have no column here."""
    zone: Mapped[str | None] = _added(VARCHAR(64, charset="ascii", collation="ascii_bin"), nullable=True)
    """Of the number that is called next (`core.zones`); `-`: on the agenda; NULL: not known yet."""
    priority: Mapped[int] = _added(TINYINT, server_default="0")
    next_phone: Mapped[int | None] = _added(TINYINT, nullable=True)
    expires_at: Mapped[datetime | None] = _added(_moment(), nullable=True)


class LeadPhoneTable(Base):
    """One phone of a lead, with its own state; the first two are the lead's `phone_number` and `alternate_phone`.

    A lead's phones are read by its id; whether a number is known, in a campaign or anywhere, by `ix_number`.
    """

    __tablename__ = "dialer_lead_phones"
    __table_args__ = (Index("ix_number", "number", "campaign_id"), TABLE_OPTIONS)

    lead_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    """From 0, in the order in which they are to be tried."""
    campaign_id: Mapped[int] = mapped_column(Integer)
    number: Mapped[str] = mapped_column(_digits_type())
    """E.164 without plus; empty for a text of the old panel's that is no number."""
    original: Mapped[str | None] = mapped_column(String(64))
    """How the list had it; NULL: as `number`."""
    status: Mapped[str] = mapped_column(String(20), server_default="pending")
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    last_attempt_at: Mapped[datetime | None] = mapped_column(_moment())
    result: Mapped[str | None] = mapped_column(String(30))


class ImportTable(Base):
    """One import of a list that was committed; `digest` is the SHA-256 of its file."""

    __tablename__ = "dialer_imports"
    __table_args__ = (Index("ix_file", "campaign_id", "digest"), TABLE_OPTIONS)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    campaign_id: Mapped[int] = mapped_column(Integer)
    file_name: Mapped[str] = mapped_column(String(255))
    digest: Mapped[str] = mapped_column(VARCHAR(64, charset="ascii", collation="ascii_bin"))
    actor: Mapped[str] = mapped_column(String(100))
    started_at: Mapped[datetime] = mapped_column(_moment())
    finished_at: Mapped[datetime] = mapped_column(_moment())
    imported: Mapped[int] = mapped_column(Integer)
    refused: Mapped[int] = mapped_column(Integer)
    phones_known_to: Mapped[int] = mapped_column(BigInteger)
    """Every lead up to this id had its phones in `dialer_lead_phones` when the import began."""


class ExtensionTable(Base):
    """The panel's view of a telephone."""

    __tablename__ = "painel_ramais"
    __table_args__ = (Index("uq_dialer_number", "number", unique=True), TABLE_OPTIONS)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    number: Mapped[str] = mapped_column(String(10))
    name: Mapped[str | None] = mapped_column(String(255))
    status_line1: Mapped[str] = mapped_column(String(20), server_default="unregistered")
    status_line2: Mapped[str] = mapped_column(String(20), server_default="unregistered")
    last_activity: Mapped[datetime | None] = mapped_column(DATETIME)
    registered: Mapped[int] = mapped_column(TINYINT(1), server_default="0")


class CallTable(Base):
    """One attempt. The legacy's columns are what the panel reads; ours hold the same times exact, and the rest.

    `source_extension` is the agent ('' while nobody is joined), `destination_extension` the number dialled.
    """

    __tablename__ = "discador_chamadas"
    __table_args__ = (
        Index("ix_dialer_start", "start_time"),
        Index("ix_dialer_campaign", "campaign_id", "start_time"),
        Index("ix_dialer_lead", "lead_id"),
        Index("ix_dialer_open", "app", "status"),
        Index("ix_dialer_recordings", "app", "recordings_until"),
        Index("ix_dialer_number", "destination_extension", "start_time"),
        TABLE_OPTIONS,
    )

    unique_id: Mapped[str] = mapped_column(_id_type(), primary_key=True)
    source_extension: Mapped[str] = mapped_column(String(80), server_default=EMPTY)
    destination_extension: Mapped[str] = mapped_column(String(80), server_default=EMPTY)
    status: Mapped[str] = mapped_column(String(20), server_default="ringing")
    start_time: Mapped[datetime | None] = mapped_column(DATETIME)
    answer_time: Mapped[datetime | None] = mapped_column(DATETIME)
    end_time: Mapped[datetime | None] = mapped_column(DATETIME)
    duration: Mapped[int] = mapped_column(Integer, server_default="0")

    app: Mapped[str | None] = _added(String(64), nullable=True)
    campaign_id: Mapped[int | None] = _added(Integer, nullable=True)
    lead_id: Mapped[int | None] = _added(BigInteger, nullable=True)
    trunk: Mapped[str | None] = _added(String(64), nullable=True)
    agent_leg_id: Mapped[str | None] = _added(_id_type(), nullable=True)
    bridge_id: Mapped[str | None] = _added(_id_type(), nullable=True)
    started_at: Mapped[datetime | None] = _added(_moment(), nullable=True)
    dialled_at: Mapped[datetime | None] = _added(_moment(), nullable=True)
    ringing_at: Mapped[datetime | None] = _added(_moment(), nullable=True)
    answered_at: Mapped[datetime | None] = _added(_moment(), nullable=True)
    detected_at: Mapped[datetime | None] = _added(_moment(), nullable=True)
    bridged_at: Mapped[datetime | None] = _added(_moment(), nullable=True)
    ended_at: Mapped[datetime | None] = _added(_moment(), nullable=True)
    disposition: Mapped[str | None] = _added(String(30), nullable=True)
    agent_disposition: Mapped[str | None] = _added(String(40), nullable=True)
    callback_at: Mapped[datetime | None] = _added(_moment(), nullable=True)
    is_success: Mapped[int | None] = _added(TINYINT(1), nullable=True)
    fault: Mapped[str | None] = _added(String(20), nullable=True)
    amd_result: Mapped[str | None] = _added(String(20), nullable=True)
    amd_cause: Mapped[str | None] = _added(String(64), nullable=True)
    wish: Mapped[str | None] = _added(String(20), nullable=True)
    hangup_cause: Mapped[int | None] = _added(SmallInteger, nullable=True)
    tech_cause: Mapped[int | None] = _added(SmallInteger, nullable=True)
    hung_up_by: Mapped[str | None] = _added(String(20), nullable=True)
    is_end_estimated: Mapped[int] = _added(TINYINT(1), server_default="0")
    timeline: Mapped[str | None] = _added(_json_type(), nullable=True)
    tries: Mapped[str | None] = _added(_json_type(), nullable=True)
    caller_id: Mapped[str | None] = _added(String(20), nullable=True)
    """The number that the customer saw, or called."""
    direction: Mapped[str] = _added(String(10), server_default="outbound")
    recordings: Mapped[str | None] = _added(_json_type(), nullable=True)
    """JSON array of files, as paths below Asterisk's recording folder; NULL again when they are deleted."""
    recordings_until: Mapped[datetime | None] = _added(_moment(), nullable=True)


class AgentSessionTable(Base):
    """An agent's time from login to logout, as a restart needs it."""

    __tablename__ = "dialer_agent_sessions"
    __table_args__ = (
        Index("ix_open", "app", "logged_out_at"),
        Index("ix_extension", "extension", "logged_in_at"),
        Index("ix_logged_in", "logged_in_at"),
        TABLE_OPTIONS,
    )

    session_id: Mapped[str] = mapped_column(_id_type(), primary_key=True)
    extension: Mapped[str] = mapped_column(String(40))
    app: Mapped[str] = mapped_column(String(64))
    connect: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20))
    state_since: Mapped[datetime] = mapped_column(_moment())
    pause_reason: Mapped[str | None] = mapped_column(String(100))
    campaigns: Mapped[str] = mapped_column(Text)
    """JSON array of campaign ids; empty: all."""
    leg_id: Mapped[str | None] = mapped_column(_id_type())
    bridge_id: Mapped[str | None] = mapped_column(_id_type())
    call_id: Mapped[str | None] = mapped_column(_id_type())
    logged_in_at: Mapped[datetime] = mapped_column(_moment())
    logged_out_at: Mapped[datetime | None] = mapped_column(_moment())


class AgentStateTable(Base):
    """When a session entered each state. A state lasts until the session's next one, or its logout.

    Only the beginnings are kept: the intervals of a session have no gap and no overlap by construction, so they sum
    exactly to the time logged in.
    """

    __tablename__ = "dialer_agent_states"
    __table_args__ = (TABLE_OPTIONS,)

    session_id: Mapped[str] = mapped_column(_id_type(), primary_key=True)
    since: Mapped[datetime] = mapped_column(_moment(), primary_key=True)
    state: Mapped[str] = mapped_column(String(20))
    pause_reason: Mapped[str | None] = mapped_column(String(100))
    call_id: Mapped[str | None] = mapped_column(_id_type())


class QueueMemberTable(Base):
    """An extension that serves a campaign; the lowest penalty is asked first."""

    __tablename__ = "dialer_queue_members"
    __table_args__ = (Index("ix_extension", "extension"), TABLE_OPTIONS)

    campaign_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    extension: Mapped[str] = mapped_column(String(40), primary_key=True)
    penalty: Mapped[int] = mapped_column(Integer, server_default="0")


class AgentPinTable(Base):
    """An extension's PIN, as a salted hash; an extension without a row needs none."""

    __tablename__ = "dialer_agent_pins"
    __table_args__ = (TABLE_OPTIONS,)

    extension: Mapped[str] = mapped_column(String(40), primary_key=True)
    pin_hash: Mapped[str] = mapped_column(VARCHAR(200, charset="ascii", collation="ascii_bin"))
    changed_at: Mapped[datetime] = mapped_column(_moment())


class DoNotCallTable(Base):
    """A number that must not be called, for one campaign or (campaign 0) for all of them, and who says so.

    The key is the lookup: a registry of millions of rows is probed once a number.
    """

    __tablename__ = "dialer_do_not_call"
    __table_args__ = (TABLE_OPTIONS,)

    number: Mapped[str] = mapped_column(_digits_type(), primary_key=True)
    campaign_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False, server_default="0")
    source: Mapped[str] = mapped_column(String(100), primary_key=True, server_default=EMPTY)
    created_at: Mapped[datetime] = mapped_column(_moment())
    expires_at: Mapped[datetime | None] = mapped_column(_moment())
    confirmed_at: Mapped[datetime | None] = mapped_column(_moment())
    """When its registry's file last had it; NULL: it came by hand."""


class DncPrefixTable(Base):
    """How numbers begin that must not be called; few, and all read at each lookup."""

    __tablename__ = "dialer_dnc_prefixes"
    __table_args__ = (TABLE_OPTIONS,)

    prefix: Mapped[str] = mapped_column(_digits_type(), primary_key=True)
    campaign_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False, server_default="0")
    source: Mapped[str] = mapped_column(String(100), primary_key=True, server_default=EMPTY)
    created_at: Mapped[datetime] = mapped_column(_moment())
    expires_at: Mapped[datetime | None] = mapped_column(_moment())


class DncSourceTable(Base):
    """A registry whose file was imported: how old it is decides whether one may dial by it."""

    __tablename__ = "dialer_dnc_sources"
    __table_args__ = (TABLE_OPTIONS,)

    source: Mapped[str] = mapped_column(String(100), primary_key=True)
    campaign_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False, server_default="0")
    registry_at: Mapped[datetime] = mapped_column(_moment())
    imported_at: Mapped[datetime] = mapped_column(_moment())
    entries: Mapped[int] = mapped_column(Integer)


class NumberTable(Base):
    """What is known of a number across all campaigns; there is a row only for one with which something went wrong."""

    __tablename__ = "dialer_numbers"
    __table_args__ = (TABLE_OPTIONS,)

    number: Mapped[str] = mapped_column(VARCHAR(20, charset="ascii", collation="ascii_bin"), primary_key=True)
    invalid_count: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """How often in a row the network refused it as no number."""
    invalid_at: Mapped[datetime | None] = mapped_column(_moment())
    abandoned_at: Mapped[datetime | None] = mapped_column(_moment())


class CallbackTable(Base):
    """A call that was promised to a lead: the agenda. `agent` NULL: anybody may make it.

    Within a campaign those that wait are read in order of their time.
    """

    __tablename__ = "dialer_callbacks"
    __table_args__ = (
        Index("ix_due", "campaign_id", "state", "due_at"),
        Index("ix_lead", "lead_id", "state"),
        TABLE_OPTIONS,
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    campaign_id: Mapped[int] = mapped_column(Integer)
    lead_id: Mapped[int] = mapped_column(BigInteger)
    agent: Mapped[str | None] = mapped_column(String(40))
    due_at: Mapped[datetime] = mapped_column(_moment())
    state: Mapped[str] = mapped_column(String(20))
    """`waiting`, `made`, `replaced` by a newer one, `cancelled`."""
    note: Mapped[str] = mapped_column(String(255), server_default=EMPTY)
    moved: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """How often it was put off because its agent was away."""
    created_at: Mapped[datetime] = mapped_column(_moment())
    created_by: Mapped[str] = mapped_column(String(100), server_default=EMPTY)
    call_id: Mapped[str | None] = mapped_column(_id_type())


class PacingDecisionTable(Base):
    """How many leads the pacing asked for and why; only the latest of each campaign are kept."""

    __tablename__ = "dialer_pacing_decisions"
    __table_args__ = (Index("ix_campaign", "campaign_id", "id"), TABLE_OPTIONS)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    campaign_id: Mapped[int] = mapped_column(Integer)
    decided_at: Mapped[datetime] = mapped_column(_moment())
    wanted: Mapped[int] = mapped_column(Integer)
    reserved: Mapped[int] = mapped_column(Integer)
    inputs: Mapped[str] = mapped_column(Text)
    """JSON object with what the policy saw, and its reason."""


class PacingSnapshotTable(Base):
    """What a campaign's pacing has learned, so that a restart of the dialer does not forget it."""

    __tablename__ = "dialer_pacing_snapshots"
    __table_args__ = (TABLE_OPTIONS,)

    campaign_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    mode: Mapped[str] = mapped_column(String(20))
    taken_at: Mapped[datetime] = mapped_column(_moment())
    snapshot: Mapped[str] = mapped_column(_json_type())


class AuditTable(Base):
    """Who changed what, from what, to what."""

    __tablename__ = "dialer_audit"
    __table_args__ = (Index("ix_subject", "subject", "id"), Index("ix_happened", "happened_at"), TABLE_OPTIONS)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    happened_at: Mapped[datetime] = mapped_column(_moment())
    actor: Mapped[str] = mapped_column(String(100))
    action: Mapped[str] = mapped_column(String(50))
    subject: Mapped[str] = mapped_column(String(100))
    before: Mapped[str | None] = mapped_column(_json_type())
    after: Mapped[str | None] = mapped_column(_json_type())


LEGACY_TABLES: Final = (CampaignTable, LeadTable, ExtensionTable, CallTable)
