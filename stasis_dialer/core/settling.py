"""What becomes of a lead that is up for dialling: called at one of its phones, closed, put off, or left alone.

The gates decide (`core.gates`); this says what follows. Guarantees that a lead is called only when every gate is open,
and that one which is not called keeps a way back: a time, a zone, or the result with which it was closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from stasis_dialer.core import gates
from stasis_dialer.core.gates import Case, Gate, Phone, Verdict
from stasis_dialer.core.model import Lead
from stasis_dialer.core.zones import zone_of
from stasis_dialer.errors import NumberRefused

BY_ZONE: Final = frozenset({Gate.HOLIDAY, Gate.LAW, Gate.REGISTRY})
"""Gates that a lead's zone stands for: while the zone is shut, no reservation reads the lead."""

BEFORE_PHONE: Final = frozenset(Gate) - gates.OF_PHONE
PUT_OFF: Final = frozenset({Gate.LEAD_CAP})
"""Gates of the lead itself that a later next attempt stands for."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What becomes of a lead. Exactly one of `case`, `closed` and `until`/`zone` is set, or none: it is left alone."""

    case: Case | None = None
    """The lead is called, at this case's phone."""
    phone_index: int = 0
    closed: Verdict | None = None
    """The gate whose `ends` is the lead's result."""
    until: datetime | None = None
    """Not before then; None: as before."""
    zone: str | None = None
    """The zone that it waits for, or is called in."""

    @property
    def is_put_off(self) -> bool:
        """The lead waits for a time or for its zone's hours."""
        return self.case is None and self.closed is None and (self.until is not None or self.zone is not None)


def phones_in_turn(lead: Lead) -> list[tuple[int, str]]:
    """The lead's phones with their places, beginning with the one to be called next."""
    phones = lead.phones
    first = (lead.attempts if lead.next_phone is None else lead.next_phone) % len(phones)
    return [(index % len(phones), phones[index % len(phones)]) for index in range(first, first + len(phones))]


def read_phone(text: str, to_number: Callable[[str], str]) -> Phone:
    """A phone of which only its text is known yet."""
    try:
        number = to_number(text)
    except NumberRefused as error:
        return Phone(refusal=error.reason, refusal_why=str(error))
    return Phone(number, zone=zone_of(number))


def next_zone(lead: Lead, to_number: Callable[[str], str]) -> str | None:
    """The zone's code of the first of the lead's phones, in their turn, that is a number."""
    for _, text in phones_in_turn(lead):
        zone = read_phone(text, to_number).zone
        if zone is not None:
            return zone.code
    return None


def settle(case: Case, phones: Sequence[tuple[int, Phone]], now: datetime) -> Settled:
    """What becomes of the case's lead; `phones` are all of its, in their turn. Units: `now` is aware UTC."""
    shut = gates.shut(case, now, BEFORE_PHONE)
    if shut:
        ended = gates.ending(shut)
        if ended is not None and all(verdict.ends for verdict in shut):
            return Settled(closed=ended)
        if all(verdict.gate in PUT_OFF for verdict in shut):
            return Settled(until=_latest(shut))
        return Settled()
    cases = [replace(case, phone=phone) for _, phone in phones]
    chosen, held = gates.first_open(cases, now)
    if chosen is not None:
        place = next(index for (index, _), one in zip(phones, cases, strict=True) if one is chosen)
        zone = chosen.phone.zone
        return Settled(chosen, place, zone=zone.code if zone else None)
    ended = gates.ending(held)
    if ended is not None:
        return Settled(closed=ended)
    waiting = _waiting_phone(cases, now) or next((one.phone for one in cases if one.phone.zone is not None), Phone())
    waits_in = waiting.zone.code if waiting.zone is not None else None
    later = [verdict for verdict in held if verdict.gate not in BY_ZONE]
    return Settled(until=_latest(later), zone=waits_in)


def _waiting_phone(cases: Sequence[Case], now: datetime) -> Phone | None:
    """The phone that opens first."""
    best: tuple[datetime, Phone] | None = None
    for case in cases:
        shut = gates.shut(case, now, gates.OF_PHONE)
        at = _latest(shut)
        if at is not None and gates.ending(shut) is None and (best is None or at < best[0]):
            best = (at, case.phone)
    return best[1] if best is not None else None


def _latest(shut: Sequence[Verdict]) -> datetime | None:
    return max((verdict.opens_at for verdict in shut if verdict.opens_at is not None), default=None)
