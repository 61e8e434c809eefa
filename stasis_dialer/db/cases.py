"""Leads as cases for the gates: everything in the database that decides whether each may be called.

The reservation and whoever explains read through here, so that both see the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from stasis_dialer.core import law
from stasis_dialer.core.gates import Case, Phone
from stasis_dialer.core.model import Campaign, Lead
from stasis_dialer.core.settling import phones_in_turn, read_phone
from stasis_dialer.core.zones import NOWHERE, ON_AGENDA, zone_by_code
from stasis_dialer.db.clock import LegacyClock
from stasis_dialer.db.database import Statements
from stasis_dialer.db.dnc import registries_of
from stasis_dialer.db.number_facts import OwnPhones, calls_of_leads, known_phones, own_phones

Phones = list[tuple[int, Phone]]
"""A lead's phones with their places, in their turn."""


class CaseReader:
    """Reads leads' cases within one transaction; what it knows of a number it does not ask again."""

    def __init__(
        self,
        statements: Statements,
        clock: LegacyClock,
        campaign: Campaign,
        holidays: law.Holidays,
        now: datetime,
        to_number: Callable[[str], str],
    ) -> None:
        self._statements = statements
        self._clock = clock
        self._campaign = campaign
        self._holidays = holidays
        self._now = now
        self._to_number = to_number
        self._known: dict[str, Phone] = {}
        self._registries: tuple[law.Registry, ...] | None = None

    async def read(self, leads: Sequence[Lead]) -> list[tuple[Case, Phones]]:
        """Each lead's case without a phone, and its phones. Numbers may be known better when they are asked for."""
        own = await own_phones(self._statements, [lead.id for lead in leads])
        whole = [replace(lead, more_phones=own[lead.id].more) if lead.id in own else lead for lead in leads]
        turns = {lead.id: self._phones(lead, own.get(lead.id, OwnPhones())) for lead in whole}
        await self._learn([phone for phones in turns.values() for _, phone in phones])
        ids = [lead.id for lead in whole] if self._campaign.retry.calls_per_lead else []
        called = await calls_of_leads(self._statements, self._clock, ids, self._now)
        registries = await self.registries()
        return [
            (
                Case(
                    self._campaign,
                    lead,
                    holidays=self._holidays,
                    lead_called_at=called.get(lead.id, ()),
                    registries=registries,
                ),
                turns[lead.id],
            )
            for lead in whole
        ]

    async def registries(self) -> tuple[law.Registry, ...]:
        """The do-not-call registries of the campaign, read once."""
        if self._registries is None:
            self._registries = await registries_of(self._statements, self._campaign.id)
        return self._registries

    async def open_zones(self) -> Callable[[str | None], bool]:
        """Says of a zone's code whether its numbers may be called now, by law and registries; unknown ones: yes."""
        registries = await self.registries()
        known: dict[str | None, bool] = {None: True, NOWHERE: True, ON_AGENDA: False}

        def is_open(code: str | None) -> bool:
            if code not in known:
                zone, rules = zone_by_code(code or ""), self._campaign.law
                is_lawful = law.ruling(rules, zone, self._holidays, self._now).is_open
                known[code] = is_lawful and law.stale_registry(rules, zone, registries, self._now) is None
            return known[code]

        return is_open

    def known(self, phones: Phones) -> Phones:
        """The phones with what is known of them by now, this transaction's own calls included."""
        return [
            (index, replace(self._known.get(it.number, it), attempts=it.attempts, is_retired=it.is_retired))
            for index, it in phones
        ]

    def called(self, phone: Phone) -> None:
        """A call to this number is being written."""
        self._known[phone.number] = replace(phone, called_at=(*phone.called_at, self._now))

    def _phones(self, lead: Lead, own: OwnPhones) -> Phones:
        return [(index, own.of(read_phone(text, self._to_number))) for index, text in phones_in_turn(lead)]

    async def _learn(self, phones: Sequence[Phone]) -> None:
        new = [phone for phone in phones if phone.number and phone.number not in self._known]
        is_limited = self._campaign.retry.calls_per_number > 0 or any(
            phone.zone and law.calls_a_day(self._campaign.law, phone.zone) for phone in new
        )
        known = await known_phones(
            self._statements, self._clock, new, self._campaign.id, self._now, are_calls_wanted=is_limited
        )
        self._known.update(known)
