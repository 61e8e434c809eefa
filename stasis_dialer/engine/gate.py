"""Whether a number that somebody asks for by hand may be dialled: the same rules as for a lead.

Hours, the do-not-call list and the campaign's rules for numbers, whoever asks and for whatever purpose.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from stasis_dialer.core import schedule
from stasis_dialer.core.model import Campaign
from stasis_dialer.core.numbers import masked, normalise
from stasis_dialer.engine.clock import Clock
from stasis_dialer.errors import Refused


class DoNotCall(Protocol):
    """The list, as this module needs it."""

    async def contains(self, number: str, campaign_id: int | None, now: datetime) -> bool: ...


class NumberGate:
    """Every number passes here before it is dialled by hand or by a transfer."""

    def __init__(self, clock: Clock, dnc: DoNotCall) -> None:
        self._clock = clock
        self._dnc = dnc

    async def pass_through(self, campaign: Campaign, text: str) -> str:
        """The number in E.164 without plus.

        Raises: NumberRefused when it is none, or of a kind that the campaign excludes; Refused outside the hours or
        for a number on the do-not-call list; DatabaseUnavailable, because a list that cannot be read forbids all.
        """
        number = normalise(text, campaign.default_region, campaign.numbers)
        now = self._clock.utc_now()
        if not schedule.is_in_working_hours(campaign, now):
            raise Refused(f"outside the campaign's hours: campaign={campaign.name} number={masked(number)}")
        if await self._dnc.contains(number, campaign.id, now):
            raise Refused(f"on the do-not-call list: number={masked(number)}")
        return number
