"""The statements of a reservation, of leases, and of what becomes of leads."""

from __future__ import annotations

from typing import Final

from stasis_dialer.db.rows import LEAD_JSON

MAX_RELEASED: Final = 500
"""Expired leases given back in one transaction."""

LEGACY_RETRY_SECONDS: Final = 1800.0
"""Source: the legacy's rule, thirty minutes."""

LEASE_EXPIRED: Final = "lease_expired"
"""Result of a lead whose dialer vanished; the attempt's true end, should it still come, replaces it."""

LOCK: Final = (
    f"SELECT {LEAD_JSON} FROM discador_contatos WHERE id IN ({{ids}}) AND campaign_id = %s AND status = 'pending' "
    "LIMIT %s FOR UPDATE SKIP LOCKED"
)
"""By their ids, past those that somebody else holds; whoever took one meanwhile has changed its status."""

TAKE: Final = (
    "UPDATE discador_contatos SET attempts = COALESCE(attempts, 0) + 1, last_attempt = %s, status = 'calling', "
    "updated_at = %s, reserved_by = %s, reserved_until = %s, attempt_id = ELT(FIELD(id, {ids}), {ids}), "
    "zone = ELT(FIELD(id, {ids}), {ids}), next_phone = ELT(FIELD(id, {ids}), {ids}) WHERE id IN ({ids})"
)
REFUSE: Final = (
    "UPDATE discador_contatos SET status = 'failed', next_attempt = NULL, updated_at = %s, "
    "result = ELT(FIELD(id, {ids}), {ids}) WHERE id IN ({ids})"
)
PUT_OFF: Final = (
    "UPDATE discador_contatos SET next_attempt = COALESCE(ELT(FIELD(id, {ids}), {ids}), next_attempt), "
    "zone = COALESCE(ELT(FIELD(id, {ids}), {ids}), zone) WHERE id IN ({ids})"
)
OPEN_CALLS: Final = (
    "INSERT INTO discador_chamadas (unique_id, destination_extension, status, start_time, duration, source_extension, "
    "app, campaign_id, lead_id, started_at) VALUES "
)
PROCESSED = (
    "UPDATE discador_campanhas SET processed_contacts = processed_contacts + %s, "
    "successful_calls = successful_calls + %s, updated_at = COALESCE(%s, updated_at) WHERE id = %s"
)
CLAIM: Final = (
    "UPDATE discador_contatos SET status = 'calling', max_attempts = GREATEST(max_attempts, attempts + 1), "
    "updated_at = %s, reserved_by = %s, reserved_until = %s, attempt_id = %s WHERE id = %s"
)
LOCK_ONE: Final = f"SELECT {LEAD_JSON} FROM discador_contatos WHERE id = %s FOR UPDATE"
RENEW: Final = (
    "UPDATE discador_contatos FORCE INDEX (ix_dialer_lease) SET reserved_until = %s "
    "WHERE reserved_until IS NOT NULL AND reserved_by = %s AND status = 'calling'"
)
EXPIRED: Final = (
    "SELECT JSON_ARRAY(id, campaign_id, attempts, max_attempts, status, attempt_id) "
    "FROM discador_contatos FORCE INDEX (ix_dialer_lease) "
    "WHERE reserved_until <= %s ORDER BY reserved_until LIMIT %s FOR UPDATE SKIP LOCKED"
)
TALKED: Final = (
    "SELECT JSON_ARRAY(unique_id) FROM discador_chamadas "
    "WHERE unique_id IN ({ids}) AND bridged_at IS NOT NULL FOR UPDATE"
)
GIVE_BACK: Final = (
    "UPDATE discador_contatos SET reserved_by = NULL, reserved_until = NULL, updated_at = %s, result = %s, "
    "next_attempt = %s, status = %s WHERE id IN ({ids})"
)
BACK_TO_AGENDA: Final = (
    "UPDATE discador_contatos SET zone = %s, next_attempt = ELT(FIELD(id, {ids}), {ids}) WHERE id IN ({ids})"
)
FORGET: Final = "UPDATE discador_contatos SET reserved_by = NULL, reserved_until = NULL WHERE id IN ({ids})"
CLOSE_CALLS: Final = (
    "UPDATE discador_chamadas SET ended_at = %s, end_time = %s, is_end_estimated = 1, fault = %s, "
    "disposition = IF(bridged_at IS NULL, %s, %s), "
    "duration = IF(answered_at IS NULL, 0, GREATEST(0, TIMESTAMPDIFF(SECOND, answered_at, %s))), "
    "status = 'finished' WHERE status <> 'finished' AND unique_id IN ({ids})"
)
