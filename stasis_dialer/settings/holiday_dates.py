"""Holidays of countries and their states, from the `holidays` library, as values for the core.

Each place is computed when it is first asked for; years are added as they are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

NONE: Mapping[date, str] = {}


class HolidayDates(dict[str, Mapping[date, str]]):
    """By place (`BR-SP`, `US`) the public holidays: national ones and the state's own; empty for one unknown."""

    def __missing__(self, place: str) -> Mapping[date, str]:
        import holidays  # takes 60 ms: only for who dials

        country, _, state = place.partition("-")
        try:
            found: Mapping[date, str] = holidays.country_holidays(country, subdiv=state or None)
        except NotImplementedError:
            found = self[country] if state else NONE
        self[place] = found
        return found

    def get(self, place: str, default: object = None) -> Mapping[date, str]:
        """As `[]`: every place has its holidays, if only none."""
        return self[place]
