"""Calls as rows: their progress, their end together with their lead, and what the old panel asks of them.

An end is written once: progress that arrives late does not reopen a finished call, and a repeated `finish` changes
nothing. Only an end that was an estimate gives way to the true one. A lead that another attempt has taken meanwhile is
left alone. Call row, lead and the campaign's counters are one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from stasis_dialer.core.caller_ids import bare
from stasis_dialer.core.lead_options import NextPhone
from stasis_dialer.core.model import (
    CallRecord,
    CallStatus,
    Direction,
    DisposedCall,
    Disposition,
    LeadOutcome,
    LeadStatus,
    Wish,
)
from stasis_dialer.core.schedule import disposed_outcome
from stasis_dialer.core.zones import ON_AGENDA
from stasis_dialer.db.agenda import Callback, kept_by_customers, put_on_agenda, waiting_callbacks
from stasis_dialer.db.clock import LegacyClock, utc_text
from stasis_dialer.db.database import Database, Statements, placeholders
from stasis_dialer.db.dnc import list_number
from stasis_dialer.db.number_facts import note_ends
from stasis_dialer.db.reservation_sql import LEASE_EXPIRED, PROCESSED
from stasis_dialer.db.rows import (
    CALL_COLUMNS,
    CALL_JSON,
    LEAD_JSON,
    call_from,
    call_values,
    counts_as_success,
    files_from,
    lead_from,
)

_ROW: Final = f"({', '.join(['%s'] * len(CALL_COLUMNS))})"
_STORED: Final = "discador_chamadas."
_IS_FINAL: Final = f"{_STORED}status = 'finished' AND ({_STORED}is_end_estimated = 0 OR VALUES(is_end_estimated) = 1)"
_IS_ENDED: Final = f"{_STORED}status = 'finished'"


def _upsert(guard: str) -> str:
    def new(column: str) -> str:
        """What an agent said stays, even when the call's own record has not heard of it; an erased number, too."""
        if column == "destination_extension":
            return f"IF({_STORED}{column} = '', '', VALUES({column}))"
        kept = f"COALESCE(VALUES({column}), {_STORED}{column})"
        return kept if column in ("agent_disposition", "callback_at") else f"VALUES({column})"

    kept = ", ".join(f"{column} = IF({guard}, {_STORED}{column}, {new(column)})" for column in CALL_COLUMNS[1:])
    return f" ON DUPLICATE KEY UPDATE {kept}"


_INSERT: Final = f"INSERT INTO discador_chamadas ({', '.join(CALL_COLUMNS)}) VALUES "
_UNLESS_ENDED: Final = _upsert(_IS_ENDED)
_UNLESS_FINAL: Final = _upsert(_IS_FINAL)

_LOCK_LEADS: Final = (
    "SELECT JSON_ARRAY(id, campaign_id, status, attempt_id, reserved_until IS NOT NULL, result) "
    "FROM discador_contatos WHERE id IN ({ids}) ORDER BY id FOR UPDATE"
)
_CLOSE_LEADS: Final = (
    "UPDATE discador_contatos SET attempts = GREATEST(0, CAST(attempts AS SIGNED) - ELT(FIELD(id, {ids}), {ids})), "
    "max_attempts = IF(ELT(FIELD(id, {ids}), {ids}) = 1, GREATEST(max_attempts, attempts + 1), max_attempts), "
    "result = ELT(FIELD(id, {ids}), {ids}), next_attempt = ELT(FIELD(id, {ids}), {ids}), "
    "status = ELT(FIELD(id, {ids}), {ids}), zone = COALESCE(ELT(FIELD(id, {ids}), {ids}), zone), "
    "next_phone = next_phone + ELT(FIELD(id, {ids}), {ids}), updated_at = COALESCE(%s, updated_at), "
    "reserved_by = NULL, reserved_until = NULL WHERE id IN ({ids})"
)
_MAX_RESULT: Final = 100
_OF_CALL: Final = (
    "SELECT JSON_ARRAY(lead_id, destination_extension, status, disposition, agent_disposition, is_success) "
    "FROM discador_chamadas WHERE unique_id = %s"
)
_SAY: Final = (
    "UPDATE discador_chamadas SET agent_disposition = %s, callback_at = %s, is_success = %s WHERE unique_id = %s"
)


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls to list; None: any."""

    campaign_id: int | None = None
    lead_id: int | None = None
    agent: str | None = None
    disposition: Disposition | None = None
    direction: Direction | None = None
    number: str | None = None
    """E.164 without plus."""
    since: datetime | None = None
    until: datetime | None = None


def call_terms(which: CallFilter, clock: LegacyClock) -> list[tuple[str, object]]:
    """The conditions of a filter, and their values."""
    terms: list[tuple[str, object]] = [
        ("campaign_id = %s", which.campaign_id),
        ("lead_id = %s", which.lead_id),
        ("source_extension = %s", which.agent),
        ("disposition = %s", which.disposition and which.disposition.value),
        ("direction = %s", which.direction and which.direction.value),
        ("destination_extension = %s", which.number),
        ("start_time >= %s", clock.text(which.since)),
        ("start_time < %s", clock.text(which.until)),
    ]
    return [(term, value) for term, value in terms if value is not None]


class Calls:
    """The call rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, records: Sequence[CallRecord]) -> None:
        """Write the progress of calls, or add calls that no lead was reserved for; one statement."""
        if not records:
            return

        async def write(statements: Statements) -> None:
            self._write(statements, records, _UNLESS_ENDED)
            _keep_opt_outs(statements, records)

        await self._database.run(write, may_repeat=True)

    async def finish(self, closed: Sequence[tuple[CallRecord, LeadOutcome | None]]) -> list[str]:
        """Write ended calls with what becomes of their leads; ids of calls whose lead another attempt has.

        Raises: DatabaseUnavailable; then it is to be repeated, whatever was already written.
        """
        if not closed:
            return []
        outcomes = {outcome.lead_id: outcome for _, outcome in closed if outcome is not None}
        successes = {record.call_id: int(counts_as_success(record)) for record, _ in closed}

        async def write(statements: Statements) -> list[str]:
            leads = await self._lock(statements, sorted(outcomes))
            self._write(statements, [record for record, _ in closed], _UNLESS_FINAL)
            _keep_opt_outs(statements, [record for record, _ in closed])
            mine = [row for row in leads if _is_mine(row, outcomes[row[0]])]
            note_ends(statements, [record for record, _ in closed])
            if mine:
                called_in = [record for record, _ in closed if record.direction is Direction.INBOUND]
                kept_by_customers(statements, called_in)
                promised = await waiting_callbacks(statements, [row[0] for row in mine])
                moment = max((record.ended_at for record, _ in closed if record.ended_at), default=None)
                self._close(statements, [(row, outcomes[row[0]]) for row in mine], promised, successes, moment)
            return [outcomes[row[0]].call_id for row in leads if row[3] != outcomes[row[0]].call_id]

        return await self._database.run(write, may_repeat=True)

    async def dispose(self, made: DisposedCall) -> bool:
        """Write what an agent said of a call, in one transaction: the row, the lead, the counters, do-not-call.

        A lead whose attempt is still on is left to the call's end, one that another attempt has taken is left alone.
        False when there is no such call. To be repeated after a failure: a repetition changes nothing.
        """

        async def write(statements: Statements) -> bool:
            found = await statements.rows(_OF_CALL, made.call_id)
            if not found:
                return False
            lead_id = found[0][0]
            leads = await self._lock(statements, [lead_id] if lead_id is not None else [])
            _, number, status, disposition, said, was_success = (
                await statements.rows(f"{_OF_CALL} FOR UPDATE", made.call_id)
            )[0]
            is_over = status == CallStatus.FINISHED.value
            is_success = int(made.choice.success) if is_over else was_success
            statements.later(_SAY, made.choice.code, utc_text(made.callback_at), is_success, made.call_id)
            if made.choice.do_not_call:
                list_number(statements, number, f"agent {made.by}: {made.choice.code}", made.at)
            if is_over and leads and _is_last(leads[0], made.call_id, (disposition, said)):
                rows = await statements.rows(f"SELECT {LEAD_JSON} FROM discador_contatos WHERE id = %s", lead_id)
                lead = lead_from(rows[0], self._database.clock)
                outcome = disposed_outcome(
                    made.call_id, lead, made.campaign, made.choice, callback_at=made.callback_at, now=made.at
                )
                counted = disposition == Disposition.ANSWERED.value if was_success is None else bool(was_success)
                delta = {made.call_id: int(made.choice.success) - int(counted)}
                self._close(statements, [(leads[0], outcome)], {}, delta, made.at)
            return True

        return await self._database.run(write, may_repeat=True)

    async def open_calls(self, app: str) -> list[CallRecord]:
        """Calls of `app` that have not ended, as far as the database knows: what recovery starts from."""
        return await self._select(
            "WHERE app = %s AND status IN (%s, %s)", app, CallStatus.RINGING.value, CallStatus.CONNECTED.value
        )

    async def get(self, call_id: str) -> CallRecord | None:
        """One call, or None."""
        found = await self._select("WHERE unique_id = %s", call_id)
        return found[0] if found else None

    async def last_of(self, agent: str) -> CallRecord | None:
        """The last call in which an agent spoke, or None."""
        found = await self._select(
            "WHERE source_extension = %s AND bridged_at IS NOT NULL ORDER BY start_time DESC, unique_id DESC LIMIT 1",
            agent,
        )
        return found[0] if found else None

    async def find(
        self, which: CallFilter | None = None, limit: int = 100, before: CallRecord | None = None
    ) -> list[CallRecord]:
        """Calls, the newest first; `before` is the last one of the page that came before."""
        clock = self._database.clock
        used = call_terms(which or CallFilter(), clock)
        where, values = [term for term, _ in used], [value for _, value in used]
        if before is not None:
            started = clock.text(before.started_at)
            where += ["start_time <= %s", "(start_time < %s OR unique_id < %s)"]
            values += [started, started, before.call_id]
        condition = f"WHERE {' AND '.join(where)} " if where else ""
        return await self._select(f"{condition}ORDER BY start_time DESC, unique_id DESC LIMIT %s", *values, limit)

    async def to_number(self, number: str, limit: int) -> list[CallRecord]:
        """The latest calls that we made to a number (E.164 without plus), the newest first."""
        return await self.find(CallFilter(number=number, direction=Direction.OUTBOUND), limit)

    async def caller_id_counts(self, since: datetime) -> dict[str, int]:
        """How many calls showed each number since then, by number without plus."""
        text = self._database.clock.text(since)

        async def count(statements: Statements) -> list[list[Any]]:
            return await statements.rows(
                "SELECT JSON_ARRAY(caller_id, COUNT(*)) FROM discador_chamadas "
                "WHERE start_time >= %s AND caller_id IS NOT NULL AND direction = 'outbound' GROUP BY caller_id",
                text,
            )

        rows = await self._database.run(count, may_repeat=True)
        counts: dict[str, int] = {}
        for number, calls in rows:
            counts[bare(number)] = counts.get(bare(number), 0) + calls
        return counts

    async def recordings_over(self, app: str, now: datetime, limit: int) -> list[tuple[str, tuple[str, ...]]]:
        """Calls whose recordings are to be deleted, each with its files; the longest overdue first."""

        async def read(statements: Statements) -> list[list[Any]]:
            return await statements.rows(
                "SELECT JSON_ARRAY(unique_id, recordings) FROM discador_chamadas "
                "WHERE app = %s AND recordings_until <= %s AND status = %s ORDER BY recordings_until LIMIT %s",
                app,
                utc_text(now),
                CallStatus.FINISHED.value,
                limit,
            )

        rows = await self._database.run(read, may_repeat=True)
        return [(call_id, files_from(files)) for call_id, files in rows]

    async def forget_recordings(self, call_ids: Sequence[str]) -> None:
        """These calls' recordings are deleted."""
        if not call_ids:
            return

        async def write(statements: Statements) -> None:
            await statements.execute(
                "UPDATE discador_chamadas SET recordings = NULL, recordings_until = NULL "
                f"WHERE unique_id IN ({placeholders(call_ids)})",
                *call_ids,
            )

        await self._database.run(write, may_repeat=True)

    async def calls_per_hour(self, since: datetime, until: datetime) -> float:
        """The legacy's answer: calls started in the window, an hour."""
        hours = (until - since).total_seconds() / 3600
        count, _ = await self._started(since, until)
        return count / hours if hours > 0 else 0.0

    async def average_call_duration(self, since: datetime, until: datetime) -> float:
        """The legacy's answer: mean seconds of answered calls started in the window; 0 when there are none."""
        _, mean = await self._started(since, until)
        return mean

    async def _started(self, since: datetime, until: datetime) -> tuple[int, float]:
        clock = self._database.clock

        async def count(statements: Statements) -> tuple[int, float]:
            rows = await statements.rows(
                "SELECT JSON_ARRAY(COUNT(*), AVG(IF(answer_time IS NULL, NULL, duration))) FROM discador_chamadas "
                "WHERE start_time >= %s AND start_time < %s",
                clock.text(since),
                clock.text(until),
            )
            return rows[0][0], float(rows[0][1] or 0.0)

        return await self._database.run(count, may_repeat=True)

    async def _select(self, rest: str, *values: object) -> list[CallRecord]:
        async def read(statements: Statements) -> list[list[Any]]:
            return await statements.rows(f"SELECT {CALL_JSON} FROM discador_chamadas {rest}", *values)

        rows = await self._database.run(read, may_repeat=True)
        return [call_from(row, self._database.clock) for row in rows]

    def _write(self, statements: Statements, records: Sequence[CallRecord], unless: str) -> None:
        values: list[object] = []
        for record in records:
            values += call_values(record, self._database.clock)
        statements.later(_INSERT + ", ".join([_ROW] * len(records)) + unless, *values)

    async def _lock(self, statements: Statements, ids: Sequence[int]) -> list[list[Any]]:
        return await statements.rows(_LOCK_LEADS.format(ids=placeholders(ids)), *ids) if ids else []

    def _close(
        self,
        statements: Statements,
        closed: Sequence[tuple[list[Any], LeadOutcome]],
        promised: Mapping[int, Callback],
        successes: Mapping[str, int],
        moment: datetime | None,
    ) -> None:
        clock = self._database.clock
        stamp = clock.text(moment)
        leads = [(row, _with_promise(outcome, promised.get(outcome.lead_id))) for row, outcome in closed]
        ids = [outcome.lead_id for _, outcome in leads]
        statements.later(
            _CLOSE_LEADS.format(ids=placeholders(ids)),
            *ids,
            *(1 if outcome.is_attempt_given_back else 0 for _, outcome in leads),
            *ids,
            *(1 if outcome.is_callback else 0 for _, outcome in leads),
            *ids,
            *(outcome.result[:_MAX_RESULT] for _, outcome in leads),
            *ids,
            *(clock.text_not_before(outcome.next_attempt_at) for _, outcome in leads),
            *ids,
            *(_status(row, outcome) for row, outcome in leads),
            *ids,
            *(ON_AGENDA if one.is_callback or one.lead_id in promised else None for _, one in leads),
            *ids,
            *(1 if outcome.phone is NextPhone.NEXT else 0 for _, outcome in leads),
            stamp,
            *ids,
        )
        for row, outcome in leads:
            if outcome.is_callback and outcome.next_attempt_at is not None and outcome.lead_id not in promised:
                put_on_agenda(statements, row[1], outcome.lead_id, outcome.next_attempt_at, moment, outcome.result)
        counts: dict[int, list[int]] = {}
        for row, outcome in leads:
            count = counts.setdefault(row[1], [0, 0])
            count[0] += _is_closed(_status(row, outcome)) - _is_closed(row[2])
            count[1] += successes[outcome.call_id]
        for campaign_id, (processed, successful) in sorted(counts.items()):
            if processed or successful:
                statements.later(PROCESSED, processed, successful, stamp, campaign_id)


def _keep_opt_outs(statements: Statements, records: Sequence[CallRecord]) -> None:
    """Who asked by a key not to be called again is listed by the same transaction that says so."""
    for record in records:
        moment = record.ended_at or record.answered_at
        if record.wish is Wish.OPT_OUT and moment is not None:
            list_number(statements, record.number, f"opt-out: {record.call_id}", moment)


def _is_mine(row: Sequence[Any], outcome: LeadOutcome) -> bool:
    """The attempt still holds the lead, or was taken for dead and nothing has happened to the lead since."""
    _, _, _, attempt_id, is_reserved, result = row
    return bool(attempt_id == outcome.call_id and (is_reserved or result == LEASE_EXPIRED))


def _is_last(row: Sequence[Any], call_id: str, results: Sequence[str | None]) -> bool:
    """The call was the lead's last attempt, is over, and its result still stands."""
    _, _, _, attempt_id, is_reserved, result = row
    return attempt_id == call_id and not is_reserved and result in (*results, LEASE_EXPIRED)


def _with_promise(outcome: LeadOutcome, callback: Callback | None) -> LeadOutcome:
    """A lead to which a call was promised meanwhile waits for it, whatever became of this one."""
    if callback is None:
        return outcome
    return replace(outcome, status=LeadStatus.PENDING, next_attempt_at=callback.due_at)


def _status(row: Sequence[Any], outcome: LeadOutcome) -> str:
    """A status that the old panel gave the lead during the call stays."""
    status = str(row[2])
    is_ours = status == LeadStatus.CALLING.value or not row[4]
    return outcome.status.value if is_ours else status


def _is_closed(status: str) -> int:
    return int(status in (LeadStatus.COMPLETED.value, LeadStatus.FAILED.value))
