"""Random lives of leads: imports, attempts, outcomes, promises, lists, panel's hands, and time that jumps.

The same stories are played in memory and on MariaDB. What may be called is judged here anew, in other words than the
dialer's: hours are read from a table of this module, counts from the story's own log.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from stasis_dialer.core import schedule
from stasis_dialer.core.lead_options import (
    Law,
    LeadList,
    LeadOrder,
    NextPhone,
    Retry,
    RetryRule,
    Weekday,
    WorkingDays,
)
from stasis_dialer.core.model import (
    CallRecord,
    CallStatus,
    Campaign,
    CampaignStatus,
    DialMode,
    Disposition,
    LeadStatus,
    Reservation,
)
from stasis_dialer.core.numbers import normalise
from stasis_dialer.db.dnc import DoNotCall
from stasis_dialer.db.leads import NewLead
from stasis_dialer.errors import NumberRefused

APP, LEASE_SECONDS = "story", 120.0
PLACES = {
    "5511": ("America/Sao_Paulo", 9, 21),
    "5568": ("America/Rio_Branco", 9, 21),
    "5521": ("America/Sao_Paulo", 9, 18),
}
"""Area to its zone and its hours on weekdays; Rio's law narrows them."""
HOLIDAYS = {date(2026, 9, 7), date(2026, 10, 12), date(2026, 11, 2)}
NEW_YORK = ("1212", "America/New_York", 8, 21)
"""Where the clock changes: on 1 November 2026 it goes back."""
FORWARD = datetime(2026, 3, 6, 18, 0, tzinfo=UTC)
BACK = datetime(2026, 10, 30, 18, 0, tzinfo=UTC)
JUMPS = (1, 30, 600, 1800, 3600, 5 * 3600, 12 * 3600, 26 * 3600, 3 * 86_400)
ENDS = (
    Disposition.ANSWERED,
    Disposition.BUSY,
    Disposition.NO_ANSWER,
    Disposition.INVALID_NUMBER,
    Disposition.MACHINE,
    Disposition.ABANDONED,
    Disposition.CONGESTION,
)
PATIENCE_DAYS = 150
"""After so many days without a hindrance every lead must be closed."""


@dataclass
class LeadStory:
    """One campaign's leads over some days."""

    store: Any
    chance: random.Random
    campaign: Campaign
    now: datetime
    live: list[Reservation] = field(default_factory=list)
    log: list[tuple[str, datetime]] = field(default_factory=list)
    """Every call that was made: number and time."""
    invalid: dict[str, int] = field(default_factory=dict)
    abandoned: dict[str, datetime] = field(default_factory=dict)
    listed: dict[str, datetime | None] = field(default_factory=dict)
    promised: dict[int, datetime] = field(default_factory=dict)
    leads: set[int] = field(default_factory=set)
    ids: Callable[[], str] = field(default_factory=lambda: map("call-{}".format, itertools.count(1)).__next__)
    numbers: Callable[[], int] = field(default_factory=lambda: itertools.count(10_000_000).__next__)

    async def play(self, steps: int) -> None:
        """Some steps, and then the end of every lead."""
        await self._import(self.chance.randint(1, 5))
        deeds = (
            (3, self._reserve),
            (4, self._end_one),
            (4, self._jump),
            (1, lambda: self._import(self.chance.randint(1, 3))),
            (1, self._promise),
            (1, self._list),
            (1, self._pause_or_start),
            (1, self._keep_house),
            (0.5, self._panel),
            (0.5, self._crash),
        )
        for _ in range(steps):
            (deed,) = self.chance.choices([deed for _, deed in deeds], [weight for weight, _ in deeds])
            await deed()
        await self._run_out()

    async def _reserve(self) -> None:
        agents = [one for one in ("1001", "1002") if self.chance.random() < 0.5]
        taken = await self.store.leads.reserve(
            self.campaign, self.chance.randint(1, 6), self.now, APP, LEASE_SECONDS, self._to_number, self.ids, agents
        )
        for one in taken.reservations:
            self._judge(one, agents)
            self.log.append((one.number, self.now))
            self.live.append(one)
            self.promised.pop(one.lead.id, None)
        for refused in taken.refused:
            self.promised.pop(refused.lead.id, None)

    def _judge(self, one: Reservation, agents: list[str]) -> None:
        """No gate said no."""
        campaign, lead, now = self.campaign, one.lead, self.now
        assert campaign.status is CampaignStatus.ACTIVE
        assert _campaign_open(campaign, now), (now, campaign.hours)
        assert is_lawful(one.number, now), (one.number, now)
        assert one.number in [self._to_number(text) for text in lead.phones if _is_number(text, self._to_number)]
        until = self.listed.get(one.number, now)
        assert until is not None and until <= now, (one.number, until)
        assert self.invalid.get(one.number, 0) < campaign.retry.retire_after
        recent = [at for number, at in self.log if number == one.number and at > now - timedelta(hours=24)]
        assert len(recent) < campaign.retry.calls_per_number, (one.number, recent)
        lost = self.abandoned.get(one.number)
        if campaign.mode is DialMode.POWER and lost is not None:
            assert lost + timedelta(hours=campaign.abandoned_lockout_hours) <= now
        assert lead.id not in [other.lead.id for other in self.live]
        if lead.callback_at is not None:
            assert lead.callback_at <= now and lead.callback_agent in (None, *agents)
            assert self.promised.get(lead.id, now) <= now
        else:
            assert lead.id not in self.promised
            assert lead.attempts <= lead.max_attempts
            assert lead.next_attempt_at is None or lead.next_attempt_at <= now
        assert lead.expires_at is None or now < lead.expires_at

    async def _end_one(self) -> None:
        if self.live:
            one = self.live.pop(self.chance.randrange(len(self.live)))
            await self._end(one, self.chance.choice(ENDS))

    async def _end(self, one: Reservation, disposition: Disposition) -> None:
        is_spoken = disposition in (Disposition.ANSWERED, Disposition.ABANDONED)
        record = CallRecord(
            one.call_id,
            APP,
            one.lead.campaign_id,
            one.lead.id,
            one.number,
            status=CallStatus.FINISHED,
            started_at=one.reserved_at,
            dialled_at=one.reserved_at,
            answered_at=self.now if is_spoken else None,
            bridged_at=self.now if disposition is Disposition.ANSWERED else None,
            ended_at=self.now,
            disposition=disposition,
        )
        outcome = schedule.lead_outcome(
            one.call_id, one.lead, self.campaign, disposition, is_attempt_given_back=False, now=self.now
        )
        for _ in range(self.chance.choice((1, 1, 2))):
            await self.store.calls.finish([(record, outcome)])
        if disposition is Disposition.INVALID_NUMBER:
            self.invalid[one.number] = self.invalid.get(one.number, 0) + 1
        elif disposition not in (Disposition.NO_ANSWER, Disposition.CONGESTION):
            self.invalid.pop(one.number, None)
        if disposition is Disposition.ABANDONED:
            self.abandoned[one.number] = self.now

    async def _jump(self) -> None:
        self.now += timedelta(seconds=self.chance.choice(JUMPS))
        await self.store.leads.renew(APP, self.now, LEASE_SECONDS)

    async def _import(self, count: int) -> None:
        new = []
        for _ in range(count):
            phones = [self._phone() for _ in range(self.chance.choice((1, 1, 2)))]
            second = phones[1] if len(phones) > 1 else None
            expiry = self.now + timedelta(days=self.chance.randint(1, 9)) if self.chance.random() < 0.2 else None
            limit = self.chance.randint(1, 4)
            new.append(NewLead("Ana", phones[0], second, limit, self.chance.randint(0, 2), expiry))
        await self.store.leads.insert_many(self.campaign.id, new, self.now)
        self.leads |= {lead.id for lead in await all_leads(self.store, self.campaign.id)}

    def _phone(self) -> str:
        kind = self.chance.random()
        if kind < 0.08:
            return self.chance.choice(("5511@evil", "x", "12345", "PJSIP/x&PJSIP/y"))
        if kind < 0.25:
            return f"+{NEW_YORK[0]}{self.chance.randint(2_000_000, 9_999_999)}"
        if kind < 0.4 and self.log:
            return f"+{self.chance.choice(self.log)[0]}"
        return f"{self.chance.choice(list(PLACES))}9{self.numbers() + 60_000_000}"

    async def _promise(self) -> None:
        if self.leads:
            lead_id = self.chance.choice(sorted(self.leads))
            lead = await self.store.leads.get(lead_id)
            at = self.now + timedelta(seconds=self.chance.choice(JUMPS))
            agent = self.chance.choice((None, "1001", "1003"))
            if lead is not None:
                await self.store.agenda.promise(lead_id, at, self.now, agent)
                self.promised[lead_id] = at

    async def _list(self) -> None:
        if self.log:
            number = self.chance.choice(self.log)[0]
            until = self.chance.choice((None, self.now + timedelta(days=2)))
            await self.store.dnc.add([DoNotCall(number, expires_at=until)], self.now)
            self.listed[number] = until

    async def _pause_or_start(self) -> None:
        is_active = self.campaign.status is CampaignStatus.ACTIVE
        self.campaign = replace(self.campaign, status=CampaignStatus.PAUSED if is_active else CampaignStatus.ACTIVE)

    async def _keep_house(self) -> None:
        await self.store.agenda.tidy(self.campaign.id, self.now, ("1001",))
        await self.store.leads.know_zones(self.campaign, self._to_number, 3)
        for lead_id in list(self.promised):
            promise = await self.store.agenda.of_lead(lead_id)
            if promise is None:
                del self.promised[lead_id]
            else:
                self.promised[lead_id] = promise.due_at

    async def _panel(self) -> None:
        """The old panel has hands too: it makes leads pending again, or late."""
        if self.leads:
            lead_id = self.chance.choice(sorted(self.leads))
            if lead_id not in [one.lead.id for one in self.live] and lead_id not in self.promised:
                at = self.chance.choice((None, self.now + timedelta(hours=3)))
                await panel_sets(self.store, lead_id, at)

    async def _crash(self) -> None:
        """The dialer dies: its leases run out, its calls end unseen."""
        if self.live:
            self.now += timedelta(seconds=LEASE_SECONDS + 1)
            await self.store.leads.release_expired(self.now)
            self.live.clear()

    async def _run_out(self) -> None:
        """Nothing hinders any more: in the end every lead is closed, and nobody was forgotten."""
        for one in self.live:
            await self._end(one, Disposition.ANSWERED)
        self.live.clear()
        if self.campaign.status is not CampaignStatus.ACTIVE:
            await self._pause_or_start()
        open_leads = self.leads
        for _ in range(PATIENCE_DAYS):
            for hour in (16, 19):
                day = self.now.date() + timedelta(days=1) if hour == 16 else self.now.date()
                self.now = datetime.combine(day, time(hour), UTC)
                await self.store.agenda.tidy(self.campaign.id, self.now, ("1001", "1002", "1003"))
                taken = await self.store.leads.reserve(
                    self.campaign, 50, self.now, APP, LEASE_SECONDS, self._to_number, self.ids, ("1001", "1002", "1003")
                )
                for one in taken.reservations:
                    assert is_lawful(one.number, self.now)
                    await self._end(one, Disposition.ANSWERED)
            found = await all_leads(self.store, self.campaign.id)
            assert {lead.id for lead in found} == self.leads, "a lead is lost"
            open_leads = {lead.id for lead in found if lead.status in (LeadStatus.PENDING, LeadStatus.CALLING)}
            if not open_leads:
                break
        assert not open_leads, [await self.store.leads.get(lead_id) for lead_id in sorted(open_leads)]
        for lead in await all_leads(self.store, self.campaign.id):
            assert lead.result, lead

    def _to_number(self, text: str) -> str:
        return normalise(text, "BR", replace(self.campaign.numbers, may_be_foreign=True))


def is_lawful(number: str, now: datetime) -> bool:
    """The law, in this module's words."""
    if number.startswith(NEW_YORK[0]):
        _, zone, start, end = NEW_YORK
        return start <= now.astimezone(ZoneInfo(zone)).hour < end
    zone, start, end = PLACES[number[:4]]
    local = now.astimezone(ZoneInfo(zone))
    if local.date() in HOLIDAYS or local.weekday() == 6:
        return False
    if local.weekday() == 5:
        return 10 <= local.hour < 16 and number[:4] != "5521"
    return start <= local.hour < end


def _campaign_open(campaign: Campaign, now: datetime) -> bool:
    local = now.astimezone(ZoneInfo(campaign.timezone))
    if list(Weekday)[local.weekday()] not in campaign.hours.days:
        return False
    start, end = campaign.window_start or time.min, campaign.window_end or time.max
    return start <= local.time() < end


def _is_number(text: str, to_number: Callable[[str], str]) -> bool:
    try:
        return bool(to_number(text))
    except NumberRefused:
        return False


def random_campaign(chance: random.Random) -> Campaign:
    """Rules of all kinds."""
    rules = tuple(
        RetryRule(
            str(on),
            delay_seconds=chance.choice((None, 60.0, 7200.0)),
            factor=chance.choice((1.0, 3.0)),
            attempts=chance.choice((None, 1, 2)),
            phone=chance.choice(list(NextPhone)),
            is_next_day=chance.random() < 0.3,
            shift_hours=chance.choice((0.0, 4.0)),
        )
        for on in chance.sample(list(ENDS[1:]), 3)
    )
    days = tuple(day for day in Weekday if day is not Weekday.SUN or chance.random() < 0.5)
    return Campaign(
        0,
        f"story {chance.random()}",
        CampaignStatus.ACTIVE,
        mode=chance.choice((DialMode.PROGRESSIVE, DialMode.POWER)),
        window_start=chance.choice((None, time(8), time(11, 30))),
        window_end=chance.choice((None, time(20))),
        law=Law(),
        hours=WorkingDays(days),
        retry=Retry(rules, calls_per_number=chance.randint(1, 3), retire_after=chance.randint(1, 3)),
        leads=LeadList(chance.choice(list(LeadOrder))),
    )


async def all_leads(store: Any, campaign_id: int) -> list[Any]:
    """Every lead of the campaign, in whichever store."""
    if hasattr(store, "rows"):
        return [lead for lead in store.rows.values() if lead.campaign_id == campaign_id]
    from stasis_dialer.db.leads import LeadFilter

    found: list[Any] = await store.leads.find(LeadFilter(campaign_id=campaign_id), 10_000)
    return found


async def panel_sets(store: Any, lead_id: int, at: datetime | None) -> None:
    """The panel makes a lead pending again, without asking anybody."""
    if hasattr(store, "rows"):
        lead = store.rows[lead_id]
        if lead.status is not LeadStatus.CALLING:
            store.change_lead(lead_id, status=LeadStatus.PENDING, next_attempt_at=at, attempts=0)
        return
    await store.database.run(
        lambda statements: statements.execute(
            "UPDATE discador_contatos SET status = 'pending', next_attempt = %s, attempts = 0 "
            "WHERE id = %s AND status <> 'calling'",
            store.database.clock.text_not_before(at),
            lead_id,
        )
    )
