"""Servers go away in the middle of calls: events are cut, MariaDB stops or dies, Asterisk dies."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from stasis_dialer.lab.fates import Fate, number
from stasis_dialer.lab.proxy import CuttableProxy
from stasis_dialer.lab.world import Lab
from tests.e2e.support import Dialer, Stage, wait_for
from tests.e2e.support_pairs import assert_served, hear, pairs_of, sessions, wait_heard, wait_pairs

OUTAGE = timedelta(seconds=5)
STAYS, TALKS_3_SECONDS = 0, 4


@pytest.fixture
def proxy(lab: Lab) -> Iterator[CuttableProxy]:
    """A link to Asterisk that can be cut."""
    with lab.ari_proxy() as link:
        yield link


def wait_outage(began: datetime) -> None:
    """Let an outage last as long as it shall."""
    wait_for(lambda: datetime.now(UTC) - began >= OUTAGE, "the outage to have lasted")


@pytest.mark.parametrize("how", ["cut_events", "cut_all"])
def test_given_calls_when_the_link_to_asterisk_is_cut_for_5_seconds_then_none_is_lost_or_dialled_twice(
    proxy: CuttableProxy, stage: Stage, how: str
) -> None:
    ledger, lab = stage.ledger, stage.lab
    talks = [number(Fate.HUMAN, talk=STAYS, serial=serial) for serial in range(2)]
    answers_meanwhile = [number(Fate.HUMAN, ring=4, talk=STAYS, serial=serial) for serial in range(10, 12)]
    later = [number(Fate.BUSY, serial=serial) for serial in range(20, 60)]
    campaign = ledger.campaign([*talks, *answers_meanwhile], answer_deadline_seconds=20.0)
    dialer = stage.dialer(ari={"url": proxy.url}).start()
    dialer.log_in(*lab.extensions[:6])
    pairs = wait_pairs(stage, 2)
    before = sessions(stage)
    wait_for(lambda: ringing(dialer) == 2, "two customers to ring")

    getattr(proxy, how)()
    began = datetime.now(UTC)
    wait_for(lambda: not dialer.is_ready, "the dialer to notice")
    noticed = len(lab.carrier.invites())
    ledger.add_leads(campaign, later)
    wait_for(lambda: sum(it["state"] == "Up" for it in stage.channels().values()) == 6 + 4, "the answers")
    wait_outage(began)
    wait_heard(stage, pairs, hear(stage, pairs))
    dialled_blind = len(lab.carrier.invites()) - noticed
    proxy.restore()
    dialer.wait_ready()
    wait_for(lambda: len(pairs_of(stage)) == 4, "those who answered meanwhile to be served")
    stage.customers_hang_up()
    wait_for(lambda: ledger.undecided() == 0, "every lead to be dialled")
    ledger.wait_quiet()

    assert dialled_blind == 0
    assert sessions(stage) == before
    assert_served(stage, pairs)
    assert Counter(row["disposition"] for row in ledger.calls()) == {"answered": 4, "busy": len(later)}
    assert ledger.overlaps() == []
    assert ledger.disagreements(apart_seconds=OUTAGE.total_seconds() + 5) == []


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_given_calls_when_the_database_is_away_for_5_seconds_then_they_go_on_and_are_written_afterwards(
    stage: Stage, how: str
) -> None:
    ledger, lab = stage.ledger, stage.lab
    talks = [number(Fate.HUMAN, talk=STAYS, serial=serial) for serial in range(2)]
    ends_meanwhile = [number(Fate.HUMAN, talk=TALKS_3_SECONDS, serial=serial) for serial in range(10, 12)]
    others = [number(Fate.BUSY if serial % 2 else Fate.HUMAN, talk=1, serial=serial) for serial in range(20, 80)]
    ledger.campaign([*talks, *ends_meanwhile, *others])
    dialer = stage.dialer().start()
    dialer.log_in(*lab.extensions[:8])
    pairs = wait_pairs(stage, 4, at_least=True)

    getattr(lab.mariadb, how)()
    began = datetime.now(UTC)
    wait_for(lambda: not dialer.is_ready, "the dialer to notice")
    wait_for(lambda: len(pairs_of(stage)) == 2, "the short calls to end")
    staying = pairs_of(stage)
    wait_heard(stage, staying, hear(stage, staying))
    wait_outage(began)
    ended = datetime.now(UTC)
    lab.mariadb.start()
    dialer.wait_ready()
    stage.customers_hang_up()
    wait_for(lambda: ledger.undecided() == 0, "every lead to be dialled")
    ledger.wait_quiet()

    late = [call for call in lab.carrier.invites() if began + timedelta(seconds=1) < call.arrived_at < ended]
    assert late == []
    assert staying.items() <= pairs.items()
    assert_served(stage, staying)
    assert Counter(row["disposition"] for row in ledger.calls()) == {"answered": 34, "busy": 30}
    assert ledger.overlaps() == ledger.disagreements() == []


def test_given_calls_when_asterisk_dies_and_comes_back_then_they_are_closed_and_dialling_goes_on(stage: Stage) -> None:
    ledger, lab = stage.ledger, stage.lab
    talks = [number(Fate.HUMAN, talk=STAYS, serial=serial) for serial in range(2)]
    rings = [number(Fate.NO_ANSWER, ring=9, serial=serial) for serial in range(10, 12)]
    later = [number(Fate.HUMAN, talk=1, serial=serial) for serial in range(20, 26)]
    campaign = ledger.campaign([*talks, *rings, *later])
    dialer = stage.dialer().start()
    agents = lab.extensions[:4]
    dialer.log_in(*agents)
    pairs = wait_pairs(stage, 2)
    wait_for(lambda: ringing(dialer) == 2, "two customers to ring")

    lab.pbx.kill()
    wait_for(lambda: not dialer.is_ready, "the dialer to notice")
    lab.pbx.start()
    lab.register_phones()
    dialer.wait_ready()
    wait_for(lambda: dialer.ask("GET", "/calls") == dialer.ask("GET", "/agents") == [], "all to be closed")
    closed = [ledger.ended_call(each) for each in (*talks, *rings)]
    stage.wait_phones()
    dialer.log_in(*agents, campaign=campaign)
    served = [ledger.ended_call(each) for each in later]

    assert [row["is_end_estimated"] for row in closed] == [1] * 4
    assert [row["disposition"] for row in closed] == ["answered"] * 2 + ["error"] * 2
    assert {row["unique_id"] for row in closed[:2]} == pairs.keys()
    assert [row["disposition"] for row in served] == ["answered"] * len(later)
    assert ledger.lead_counts() == {"completed": 8, "pending": 2}
    stage.customers_hang_up("Up", "Ring")
    ledger.wait_quiet()
    assert ledger.overlaps() == ledger.disagreements() == []


def ringing(dialer: Dialer) -> int:
    """How many customers ring."""
    return sum(call["state"] == "ringing" for call in dialer.ask("GET", "/calls"))
