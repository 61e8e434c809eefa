"""Rows as the core's values, also those that the old panel left odd."""

from datetime import UTC, datetime

from stasis_dialer.core.model import CallRecord, CallStatus, LeadStatus
from stasis_dialer.db.clock import LegacyClock
from stasis_dialer.db.rows import CALL_COLUMNS, call_from, call_values, lead_from, timeline_from

CLOCK = LegacyClock("America/Sao_Paulo")


def test_given_a_lead_with_nulls_and_a_word_of_the_panels_when_read_then_it_is_not_dialled() -> None:
    row: list[object] = [1, 2, None, None, "", None, None, "0000-00-00 00:00:00", None, "agendado", None, "[1]"]
    row += [0, None, None, None, None]
    lead = lead_from(row, CLOCK)
    assert (lead.name, lead.phone_number, lead.alternate_phone) == ("", "", None)
    assert (lead.attempts, lead.max_attempts, lead.last_attempt_at) == (0, 0, None)
    assert lead.attributes == ()
    assert lead.status is LeadStatus.FAILED


def test_given_values_beyond_their_columns_when_written_then_they_are_cut() -> None:
    record = CallRecord(
        "c", "app", number="1" * 90, agent="2" * 90, trunk="t" * 90, hangup_cause=99_999, hung_up_by="x" * 90
    )
    values = call_values(record, CLOCK)
    assert [len(value) for value in values if isinstance(value, str) and len(value) > 10] == [20, 20, 64, 20]
    assert 32767 in values


def test_given_a_call_that_the_legacy_wrote_when_read_then_its_times_are_the_legacys() -> None:
    row: list[object] = ["17", "1001", "11987650001", "2026-03-02 09:00:00", "2026-03-02 09:00:05", None, 30]
    row += [None] * (len(CALL_COLUMNS) - len(row) - 2) + [0, "desligada"]
    call = call_from(row, CLOCK)
    assert call.started_at == datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert call.answered_at == datetime(2026, 3, 2, 12, 0, 5, tzinfo=UTC)
    assert (call.status, call.app, call.agent) == (CallStatus.FINISHED, "", "1001")


def test_given_a_timeline_that_cannot_be_read_when_read_then_it_is_empty() -> None:
    for text in (None, "", "{", "7", '["x"]', "[[1, 2, 3]]"):
        assert timeline_from(text) == ()
