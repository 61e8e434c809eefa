"""A predictive campaign on real Asterisk against the simulator's prediction of the same hours."""

import asyncio
import random
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from stasis_dialer.db.database import Database
from stasis_dialer.db.store import Store
from stasis_dialer.lab.fates import Fate, fate_of, number
from stasis_dialer.simulate import Scenario, Summary, summarise
from stasis_dialer.simulate.plan import run_day
from stasis_dialer.simulate.scenario import Times
from tests.e2e.support import Ledger, Stage, at_utc, wait_for

LEADS = 1200
"""More than the time takes: the list's end is no part of what is compared."""
DIALLED = 325
"""About so many of them are: the simulator is given these numbers' shares."""
RING_DIGITS = (2, 3, 4)
TALK_DIGITS = (6, 7)
WRAP_UP_SECONDS = 2.0
RUN_SECONDS = 200.0
SETTLE_SECONDS = 20.0
"""The start is dialled, and left out of the utilisation on both sides."""
PROMPT_SECONDS = 2.5
"""Measured: the voicemail prompt of the carrier."""
POST_DIAL_SECONDS = 0.05
"""From the reservation to the carrier's first answer, or its refusal, on loopback."""
LONGEST_SECONDS = 600.0
CHANNELS = 100
CAP = 0.03
SEEDS = range(10)
POINTS_APART = 0.05


@dataclass(frozen=True)
class Measured:
    """What the database says of the live hours."""

    utilisation: float
    answers: int
    abandoned: int
    attempts: int

    @property
    def abandonment(self) -> float:
        """Share of the answers that found no agent."""
        return self.abandoned / max(1, self.answers)


def mix(seed: int) -> list[str]:
    """Leads of the seeded mix with short ringing and short talks."""
    chosen = random.Random(seed)
    return [
        number(None, ring=chosen.choice(RING_DIGITS), talk=chosen.choice(TALK_DIGITS), serial=serial)
        for serial in range(LEADS)
    ]


def prediction(numbers: Sequence[str], seed: int, agents: int) -> Summary:
    """The same world in the simulator: the shares and times that the carrier has for these numbers."""
    truths = [fate_of(each, seed) for each in numbers]
    fates = Counter(truth.fate for truth in truths)
    answered = [truth for truth in truths if truth.is_answered]
    others = len(truths) - len(answered)
    prompt = {Fate.NO_ANSWER: 0.0, Fate.VOICEMAIL_PROMPT: PROMPT_SECONDS}
    world = Scenario(
        name="lab",
        hours=RUN_SECONDS / 3600.0,
        agents=((0.0, agents),),
        ramp_seconds=0.0,
        answer=((0.0, len(answered) / len(truths)),),
        post_dial=fixed(POST_DIAL_SECONDS),
        person_rings=samples([truth.ring_seconds for truth in answered]),
        unanswered_rings=samples([t.ring_seconds + prompt[t.fate] for t in truths if t.fate in prompt]),
        busy=fates[Fate.BUSY] / others,
        failed=sum(fates[fate] for fate in (Fate.CONGESTION, Fate.UNALLOCATED, Fate.REJECTED)) / others,
        busy_after=POST_DIAL_SECONDS,
        failed_after=POST_DIAL_SECONDS,
        machine=0.0,
        amd=False,
        greeting=fixed(0.0),
        patience=fixed(LONGEST_SECONDS),
        talk=samples([truth.talk_seconds or LONGEST_SECONDS for truth in answered]),
        quick=0.0,
        wrap_up=fixed(WRAP_UP_SECONDS),
        channels=CHANNELS,
        calls_per_second=100.0,
        grain=0.02,
        settle_seconds=SETTLE_SECONDS,
        limits={"abandon_cap": CAP, "average_call_time": 10.0},
    )
    return summarise([run_day(world, "predictive", day) for day in SEEDS])


def fixed(seconds: float) -> Times:
    return Times(seconds, samples=(seconds,))


def samples(seconds: Sequence[float]) -> Times:
    return Times(statistics.mean(seconds), samples=tuple(seconds))


def measure(ledger: Ledger, since: datetime, until: datetime) -> Measured:
    """The agents' time from their states, the calls from their rows."""

    async def agents() -> tuple[float, float]:
        async with Store(Database(ledger.lab.mariadb.url(ledger.database))) as store:
            found = await store.reports.agents(since, until)
        busy = sum(a.seconds.get(state, 0.0) for a in found for state in ("reserved", "on_call", "wrap_up"))
        return busy, sum(a.logged_in_seconds for a in found)

    busy, logged_in = asyncio.run(agents())
    rows = ledger.calls()
    answers = [row for row in rows if row["disposition"] in ("answered", "abandoned")]
    abandoned = [row for row in answers if row["disposition"] == "abandoned"]
    return Measured(busy / logged_in, len(answers), len(abandoned), len(rows))


def since_first_call(ledger: Ledger) -> datetime | None:
    return at_utc(ledger.rows("SELECT MIN(started_at) AS at FROM discador_chamadas")[0], "at")


def has_passed(ledger: Ledger, moment: datetime) -> bool:
    return bool(ledger.rows("SELECT 1 FROM DUAL WHERE UTC_TIMESTAMP(3) >= %s", moment.replace(tzinfo=None)))


def test_given_a_predictive_campaign_when_dialled_live_then_it_does_what_the_simulator_said(stage: Stage) -> None:
    lab, ledger = stage.lab, stage.ledger
    numbers = mix(lab.seed)
    campaign = ledger.campaign(
        numbers,
        is_active=False,
        name="live",
        mode="predictive",
        max_channels=CHANNELS,
        abandon_cap=CAP,
        wrap_up_seconds=WRAP_UP_SECONDS,
        max_attempts=1,
    )
    predicted = prediction(numbers[:DIALLED], lab.seed, len(lab.extensions))
    dialer = stage.dialer().start()
    dialer.log_in(*lab.extensions)

    ledger.set_status(campaign, "active")
    began = wait_for(lambda: since_first_call(ledger), "the first call")
    end = began + timedelta(seconds=RUN_SECONDS)
    wait_for(lambda: has_passed(ledger, end), "the time to pass", RUN_SECONDS + 30)
    ledger.set_status(campaign, "paused")
    ledger.wait_quiet()

    live = measure(ledger, began + timedelta(seconds=SETTLE_SECONDS), end)
    print(
        f"\nmeasured  {100 * live.utilisation:.1f} % busy, {100 * live.abandonment:.2f} % abandoned "
        f"({live.abandoned} of {live.answers}), {live.attempts / live.answers:.2f} calls for an answer"
        f"\npredicted {100 * predicted.utilisation:.1f} % busy, {100 * predicted.abandonment:.2f} % abandoned, "
        f"{predicted.calls_per_connect:.2f} calls for an answer"
    )
    assert ledger.disagreements() == []
    assert ledger.overlaps() == []
    there = [call for call in lab.carrier.calls() if call.end and call.end.answered_at]
    assert len(there) == live.answers
    assert len(lab.carrier.calls()) == live.attempts
    assert live.abandonment <= CAP
    assert predicted.abandonment <= CAP
    assert abs(live.utilisation - predicted.utilisation) <= POINTS_APART, (live, predicted)
    learned = dialer.cli("simulate", "--from-campaign", "live", "--days", "1", "--modes", "predictive", "--json")
    assert learned.code == 0, learned.err
    assert f"learned from {live.attempts} calls of live" in learned.err
    assert "with up to 10 agents" in learned.err
    (row,) = learned.json
    assert abs(row["calls_per_connect"] - live.attempts / live.answers) <= 0.25
    dialer.log_all_out()
    stage.wait_empty()
