"""When the law lets a number be called: rule packs of hours by place, day and purpose, and holidays.

A pack gives each day its hours in the called number's own wall time; a state's rules narrow those of its country.
Where a number may be in several time zones, all of them must be open. Laws change: have counsel confirm the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Final

from stasis_dialer.core.lead_options import Law, LawPack, Purpose
from stasis_dialer.core.windows import Hours, is_open, opens_at, zone_info
from stasis_dialer.core.zones import Zone

Holidays = Mapping[str, Mapping[date, str]]
"""By place (`BR-SP`, `US`) the names of its holidays: national ones and the state's own."""

NO_HOLIDAYS: Final[Holidays] = {}

_SATURDAY, _SUNDAY = 5, 6
MAX_STEPS: Final = 64
"""Time zones whose hours are tried one after the other until all are open."""


@dataclass(frozen=True, slots=True)
class Week:
    """The hours of each kind of day; None: no calls."""

    weekday: Hours | None
    saturday: Hours | None
    sunday: Hours | None = None
    holiday: Hours | None = None

    def hours(self, day: date, is_holiday: bool) -> Hours | None:
        """The hours of one day."""
        if is_holiday:
            return self.holiday
        weekday = day.weekday()
        return self.sunday if weekday == _SUNDAY else self.saturday if weekday == _SATURDAY else self.weekday


@dataclass(frozen=True, slots=True)
class Pack:
    """A country's rules. `calls_a_day`: calls to one number in 24 hours by state, where the law limits them."""

    name: str
    country: Week
    states: Mapping[str, Week] = field(default_factory=dict)
    calls_a_day: Mapping[str, int] = field(default_factory=dict)
    has_holidays: bool = True
    registry_days: int | None = None
    """How old a do-not-call registry's file may be; None: no rule."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether the law lets a number be called at a moment; if not, why, and when it will."""

    is_open: bool
    why: str = ""
    opens_at: datetime | None = None
    holiday: str | None = None
    """The day's name, when that is the reason."""


def _from(start: int, end: int) -> Hours:
    return time(start), time(end)


_ALWAYS: Final = (time.min, time.min)
_TELEMARKETING: Final = Week(_from(9, 21), _from(10, 16))
"""Source: Código de Conduta do setor de telecomunicações (25 September 2019): no calls on Sundays and holidays."""
_COLLECTION: Final = Week(_from(8, 20), _from(8, 14))
"""Source: São Paulo, Lei 15.426/2014; where a state has no rule of its own, taken for want of a federal one."""

BRAZIL: Final = Pack(
    "br",
    _TELEMARKETING,
    {
        "RJ": Week(_from(8, 18), None),  # Lei 7.853/2018
        "CE": Week(_from(8, 18), None),  # Lei 16.836/2019
    },
    registry_days=30,
)
BRAZIL_COLLECTION: Final = Pack(
    "br",
    _COLLECTION,
    {
        "RJ": Week(_from(9, 19), None),  # Lei 7.868/2018
        "ES": Week(_from(8, 19), None),  # Lei 10.626/2017
        "AM": Week(_from(8, 19), None),  # Lei 306/2016: until 19 h
        "CE": Week(_from(8, 18), None),  # Lei 16.836/2019
        "AL": Week(_from(8, 20), _from(8, 14)),  # Lei 7.782/2016
        "SP": Week(_from(8, 20), _from(8, 14)),  # Lei 15.426/2014
    },
    registry_days=30,
)
"""Source: product-anchors §4, the states' laws beside each line."""

_US_DAY: Final = _from(8, 21)
_FLORIDA_DAY: Final = _from(8, 20)
USA: Final = Pack(
    "us",
    Week(_US_DAY, _US_DAY, _US_DAY, _US_DAY),  # 16 CFR 310.4(c): 8 a.m. to 9 p.m. local time of the person called
    {"FL": Week(_FLORIDA_DAY, _FLORIDA_DAY, _FLORIDA_DAY, _FLORIDA_DAY)},  # Florida, SB 1120 (2021)
    {"FL": 3},  # the same: three calls in 24 hours
    has_holidays=False,
    registry_days=31,
)
ELSEWHERE: Final = Pack("elsewhere", Week(_from(9, 20), _from(10, 16)))
"""Countries that no pack is written for: hours that are lawful nearly everywhere, as caution, not as law."""


def pack_of(law: Law, zone: Zone) -> Pack | None:
    """The rule pack for a number, or None when the campaign has turned them off."""
    if law.pack is LawPack.OFF:
        return None
    country = zone.country if law.pack is LawPack.AUTO else law.pack.value.upper()
    if country == "BR":
        return BRAZIL_COLLECTION if law.purpose is Purpose.COLLECTION else BRAZIL
    return USA if country == "US" else ELSEWHERE


def ruling(law: Law, zone: Zone, holidays: Holidays, now: datetime) -> Ruling:
    """Whether a number of this zone may be called now. Units: `now` is aware UTC."""
    pack = pack_of(law, zone)
    if pack is None:
        return Ruling(True)
    opening = _opening(law, pack, zone, holidays)
    if all(is_open(opening, timezone, now) for timezone in zone.timezones):
        return Ruling(True)
    shut = next(timezone for timezone in zone.timezones if not is_open(opening, timezone, now))
    today = now.astimezone(zone_info(shut)).date()
    holiday = _holiday(law, pack, zone, holidays, today)
    place = zone.place or "an unknown place"
    local = f"{now.astimezone(zone_info(shut)):%a %H:%M} in {shut}"
    why = f"holiday: {holiday}, {place}" if holiday else f"outside the {pack.name} hours: {local}, {place}"
    return Ruling(False, why, _all_open_at(opening, zone, now), holiday)


@dataclass(frozen=True, slots=True)
class Registry:
    """A do-not-call registry that was imported; `dated_at` is its file's own time, None: cannot be read."""

    source: str
    dated_at: datetime | None


def registry_days(law: Law, zone: Zone) -> int | None:
    """How old a registry may be where numbers of this zone are called; None: no rule."""
    pack = pack_of(law, zone)
    if pack is None:
        return None
    return pack.registry_days if law.registry_days is None else law.registry_days or None


def stale_registry(law: Law, zone: Zone, registries: Iterable[Registry], now: datetime) -> str | None:
    """Why no number of this zone may be called: a registry is missing, too old, or of an unknown age; else None.

    Those meant are the law's `registries`; when it names none, all that were imported. Of a registry that was imported
    for all campaigns and for one, the newer file counts. A date in the future is no date.
    """
    days = registry_days(law, zone)
    if days is None:
        return None
    dated: dict[str, datetime | None] = {}
    for one in registries:
        known = one.dated_at if one.dated_at is not None and one.dated_at <= now + _CLOCKS_DIFFER else None
        before = dated.get(one.source)
        dated[one.source] = max(before, known) if before and known else before or known
    for source in law.registries or sorted(dated):
        at = dated.get(source)
        if source not in dated:
            return f"registry {source} was never imported"
        if at is None:
            return f"the age of registry {source} is not known"
        if now - at > timedelta(days=days):
            return f"registry {source} is {(now - at).days} days old, at most {days} are allowed: import a newer file"
    return None


_CLOCKS_DIFFER: Final = timedelta(days=1)
"""A file of today may have tomorrow's date elsewhere."""


def calls_a_day(law: Law, zone: Zone) -> int | None:
    """The most calls to one number of this zone in 24 hours that the law allows, or None."""
    pack = pack_of(law, zone)
    return pack.calls_a_day.get(zone.state or "") if pack is not None else None


def _opening(law: Law, pack: Pack, zone: Zone, holidays: Holidays) -> Callable[[date], Hours | None]:
    def hours(day: date) -> Hours | None:
        if day in law.closed_dates:
            return None
        is_holiday = _holiday(law, pack, zone, holidays, day) is not None
        found = pack.country.hours(day, is_holiday)
        if zone.state is None or zone.state not in pack.states:
            narrower = [week.hours(day, is_holiday) for week in pack.states.values()] if zone.state is None else []
        else:
            narrower = [pack.states[zone.state].hours(day, is_holiday)]
        for other in narrower:
            found = _both(found, other)
        return found

    return hours


def _both(one: Hours | None, other: Hours | None) -> Hours | None:
    """The part of the day in which both allow calls; windows of law never pass midnight."""
    if one is None or other is None:
        return None
    if one == _ALWAYS or other == _ALWAYS:
        return other if one == _ALWAYS else one
    start, end = max(one[0], other[0]), min(one[1], other[1])
    return (start, end) if start < end else None


def _holiday(law: Law, pack: Pack, zone: Zone, holidays: Holidays, day: date) -> str | None:
    if day in law.closed_dates:
        return "closed by the campaign"
    if not pack.has_holidays:
        return None
    known = holidays.get(zone.place)
    return known.get(day) if known is not None else None


def _all_open_at(opening: Callable[[date], Hours | None], zone: Zone, now: datetime) -> datetime | None:
    at = now
    for _ in range(MAX_STEPS):
        openings = [opens_at(opening, timezone, at) for timezone in zone.timezones]
        later = [moment for moment in openings if moment is not None]
        if len(later) < len(openings):
            return None
        latest = max(later)
        if latest == at:
            return at
        at = latest
    return None
