"""What is odd about a row that the old panel wrote, and what adoption does about it.

A value is changed only where the row would otherwise be lost, or dialled more often than it may: a lead left `calling`
by a dialer that is gone, an attempt counter that is no count. Everything else stays as it is, and is told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from stasis_dialer.core.model import LeadStatus
from stasis_dialer.core.numbers import normalise
from stasis_dialer.errors import NumberRefused

CALLING_STALE_SECONDS: Final = 3600.0
"""A lead that has been `calling` for so long is in no call: twenty of the legacy's average calls (not measured)."""

MOST_ATTEMPTS: Final = 100
"""More attempts than this, made or allowed, are no plan (not measured)."""


class Oddity(StrEnum):
    """What may be odd about a lead."""

    CALLING_LEFT_OVER = "calling_left_over"
    CALLING_NOW = "calling_now"
    BAD_ATTEMPTS = "bad_attempts"
    NUMBER_READ = "number_read"
    NUMBER_INVALID = "number_invalid"
    NO_ATTEMPTS_ALLOWED = "no_attempts_allowed"
    MANY_ATTEMPTS = "many_attempts"
    UNKNOWN_STATUS = "unknown_status"
    ZERO_DATE = "zero_date"
    NO_LAST_ATTEMPT = "no_last_attempt"
    CAMPAIGN_GONE = "campaign_gone"
    UTF8_IN_LATIN1 = "utf8_in_latin1"


FIXED: Final = frozenset(
    {Oddity.CALLING_LEFT_OVER, Oddity.BAD_ATTEMPTS, Oddity.NUMBER_READ, Oddity.NUMBER_INVALID},
)
"""Found once: adoption leaves none of them behind."""


@dataclass(frozen=True, slots=True)
class LegacyLead:
    """A lead as the columns have it; times are the columns' texts, in the legacy's zone."""

    id: int
    campaign_id: int | None
    name: str | None
    phones: tuple[str | None, str | None]
    attempts: int | None
    max_attempts: int | None
    status: str | None
    last_attempt: str | None
    next_attempt: str | None
    created_at: str | None
    updated_at: str | None
    is_reserved: bool = False
    """A dialer of ours has it, or had it last."""
    is_known: bool = False
    """Its phones are known already."""


@dataclass(frozen=True, slots=True)
class ReadPhone:
    """A phone's text, and its number as E.164 without plus; empty when the text is no number."""

    position: int
    text: str
    number: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is odd about a lead, the columns that adoption changes, and its phones."""

    oddities: tuple[Oddity, ...]
    changes: Mapping[str, object]
    phones: tuple[ReadPhone, ...]


def judge(lead: LegacyLead, regions: Mapping[int, str], alive_after: str) -> Judgement:
    """A lead's oddities.

    `regions`: of every campaign there is, the country in which its numbers are read. `alive_after`: a `calling` lead
    of which nothing was heard since then, in the legacy's zone, is left over.
    """
    found: list[Oddity] = []
    changes: dict[str, object] = {}
    attempts, allowed = lead.attempts, lead.max_attempts
    if attempts is None or attempts < 0:
        found.append(Oddity.BAD_ATTEMPTS)
        changes["attempts"] = 0
    elif attempts > MOST_ATTEMPTS or (allowed or 0) > MOST_ATTEMPTS:
        found.append(Oddity.MANY_ATTEMPTS)
    if allowed is None or allowed <= 0:
        found.append(Oddity.NO_ATTEMPTS_ALLOWED)
    status = (lead.status or "").strip().lower()
    if status == LeadStatus.CALLING and not lead.is_reserved:
        is_alive = max(_time(lead.last_attempt), _time(lead.updated_at)) >= alive_after
        found.append(Oddity.CALLING_NOW if is_alive else Oddity.CALLING_LEFT_OVER)
        if not is_alive:
            changes["status"] = LeadStatus.PENDING.value
    elif status not in _STATUSES:
        found.append(Oddity.UNKNOWN_STATUS)
    times = (lead.last_attempt, lead.next_attempt, lead.created_at, lead.updated_at)
    if any(time is not None and not _time(time) for time in times):
        found.append(Oddity.ZERO_DATE)
    if (attempts or 0) > 0 and not _time(lead.last_attempt):
        found.append(Oddity.NO_LAST_ATTEMPT)
    region = regions.get(lead.campaign_id or 0)
    if region is None:
        found.append(Oddity.CAMPAIGN_GONE)
    if is_utf8_read_as_latin1(lead.name or ""):
        found.append(Oddity.UTF8_IN_LATIN1)
    phones = () if lead.is_known else read_phones(lead.phones, region or "BR")
    if any(phone.number and phone.number != phone.text for phone in phones):
        found.append(Oddity.NUMBER_READ)
    if any(not phone.number for phone in phones):
        found.append(Oddity.NUMBER_INVALID)
    return Judgement(tuple(found), changes, phones)


def read_phones(texts: Collection[str | None], region: str) -> tuple[ReadPhone, ...]:
    """A lead's phones in their order; the first is there even when it is empty."""
    phones = []
    for position, text in enumerate(text or "" for text in texts):
        if position and not text:
            continue
        try:
            number = normalise(text, region)
        except NumberRefused:
            number = ""
        phones.append(ReadPhone(position, text, number))
    return tuple(phones)


def is_utf8_read_as_latin1(text: str) -> bool:
    """Whether the text's bytes were UTF-8 that went into a latin1 column: `JoÃ£o` for `João`.

    Source: MariaDB's latin1 is cp1252, with the five bytes that cp1252 lacks as they are.
    """
    if text.isascii():
        return False
    try:
        return len(_latin1(text).decode("utf-8")) < len(text)
    except UnicodeError:
        return False


def _latin1(text: str) -> bytes:
    try:
        return text.encode("cp1252")
    except UnicodeError:
        return b"".join(sign.encode("latin-1" if "\x80" <= sign <= "\x9f" else "cp1252") for sign in text)


def _time(text: str | None) -> str:
    """A time's text, empty for none and for a date that does not exist: both come before all times."""
    return "" if text is None or text.startswith("0000") or "-00" in text[:10] else text


_STATUSES: Final = frozenset(status.value for status in LeadStatus)
