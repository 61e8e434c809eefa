"""The dialer dies, ends or is replaced in the middle of calls: no lead is lost or dialled twice, and pairs go on."""

from collections import Counter
from typing import Any

from stasis_dialer.lab.fates import Fate, number
from tests.e2e.support import LIMIT_SECONDS, Dialer, Stage, wait_for
from tests.e2e.support_pairs import assert_served, hear, sessions, wait_heard, wait_pairs

RINGS_FOR_EVER, RINGS_12_SECONDS, STAYS, TALKS_1_SECOND = 9, 7, 0, 2


def test_given_calls_that_talk_and_ring_when_the_dialer_is_killed_and_started_then_they_go_on_and_get_their_cdr(
    stage: Stage,
) -> None:
    ledger, agents = stage.ledger, stage.lab.extensions[:7]
    talk = [number(Fate.HUMAN, talk=STAYS, serial=serial) for serial in range(3)]
    ring = [number(Fate.HUMAN, ring=RINGS_12_SECONDS, talk=TALKS_1_SECOND, serial=serial) for serial in range(10, 14)]
    later = [number(Fate.HUMAN, talk=1, serial=serial) for serial in range(20, 26)]
    campaign = ledger.campaign([*talk, *ring])
    dialer = stage.dialer().start()
    dialer.log_in(*agents)
    pairs = wait_pairs(stage, 3)
    wait_for(lambda: live(dialer) == {"bridged": 3, "ringing": 4}, "4 to ring")
    before = sessions(stage)

    dialer.kill()
    wait_heard(stage, pairs, hear(stage, pairs))
    dialer.start()
    found = live(dialer)
    wait_heard(stage, pairs, hear(stage, pairs))
    busy = {agent["call_id"] for agent in dialer.ask("GET", "/agents") if agent["state"] == "on_call"}
    stage.customers_hang_up()
    ledger.add_leads(campaign, later)
    wait_for(lambda: ledger.undecided() == 0, "every lead to be dialled")
    ledger.wait_quiet()

    assert found == {"bridged": 3, "ringing": 4}
    assert busy == pairs.keys()
    assert sessions(stage) == before
    assert len(stage.lab.carrier.rings()) == len(agents)
    assert_served(stage, pairs)
    assert ledger.lead_counts() == {"completed": 13}
    assert ledger.disagreements() == ledger.overlaps() == []


def live(dialer: Dialer) -> Counter[str]:
    """The live calls by state."""
    return Counter(call["state"] for call in dialer.ask("GET", "/calls"))


def test_given_many_short_calls_when_the_dialer_is_killed_again_and_again_then_no_lead_is_lost_or_dialled_twice(
    stage: Stage,
) -> None:
    ledger, lab = stage.ledger, stage.lab
    fates = (Fate.BUSY, Fate.HUMAN, Fate.CONGESTION, Fate.REJECTED, Fate.NO_ANSWER)
    customers = [number(fates[serial % len(fates)], talk=1, serial=serial) for serial in range(150)]
    campaign = ledger.campaign(customers, is_active=False, answer_deadline_seconds=30.0)
    dialer = stage.dialer().start()
    dialer.log_in(*lab.extensions)
    ledger.set_status(campaign, "active")

    for so_many in (40, 100):
        wait_for(lambda limit=so_many: len(ledger.calls()) >= limit, f"{so_many} calls")
        dialer.kill()
        dialer.start()
    wait_for(lambda: ledger.undecided() == 0, "every lead to be dialled", 2 * LIMIT_SECONDS)
    ledger.wait_quiet()

    assert len(ledger.leads()) == len(customers)
    assert ledger.disagreements(is_complete=False) == ledger.overlaps() == []
    assert max(Counter(call.number for call in lab.carrier.invites()).values()) == 1
    assert {extension for extension, _ in sessions(stage).items()} == set(lab.extensions)


def test_given_live_calls_when_the_dialer_is_asked_to_end_then_it_waits_for_them_and_leaves_those_who_talk(
    stage: Stage,
) -> None:
    ledger, agents = stage.ledger, stage.lab.extensions[:3]
    talks = number(Fate.HUMAN, talk=STAYS, serial=1)
    rings = number(Fate.NO_ANSWER, ring=RINGS_FOR_EVER, serial=2)
    finishes = number(Fate.HUMAN, ring=3, talk=TALKS_1_SECOND, serial=3)
    others = [number(Fate.BUSY, serial=serial) for serial in range(10, 20)]
    ledger.campaign([talks, rings, finishes, *others])
    dialer = stage.dialer(engine={"stop_timeout_seconds": 5}).start()
    dialer.log_in(*agents)
    pairs = wait_pairs(stage, 1)
    wait_for(lambda: len(stage.lab.carrier.invites()) == 3, "three calls")
    before = sessions(stage)

    dialer.ask_to_end()
    wait_for(lambda: not dialer.is_ready, "the dialer to be not ready any more")
    code = dialer.wait_ended()
    wait_heard(stage, pairs, hear(stage, pairs))
    given_up, finished = ledger.ended_call(rings), ledger.ended_call(finishes)
    left = set(stage.channels())
    invites = [invite.number for invite in stage.lab.carrier.invites()]
    dialer.start()
    wait_heard(stage, pairs, hear(stage, pairs))
    stage.customers_hang_up()
    ledger.ended_call(talks)
    wait_for(lambda: ledger.undecided() == 0, "the others to be dialled")
    ledger.wait_quiet()

    assert code == 0
    assert sorted(invites) == sorted([talks, rings, finishes])
    assert (finished["disposition"], finished["hung_up_by"]) == ("answered", "customer")
    assert (given_up["disposition"], given_up["hung_up_by"]) == ("cancelled", "dialer")
    assert left == pairs.keys() | {leg for _, leg in before.values()}
    assert sessions(stage) == before
    assert_served(stage, pairs)
    assert ledger.disagreements() == []


def test_given_a_running_dialer_when_another_takes_the_application_then_the_first_ends_and_none_is_dialled_twice(
    stage: Stage,
) -> None:
    ledger, lab = stage.ledger, stage.lab
    talks = [number(Fate.HUMAN, talk=STAYS, serial=serial) for serial in range(2)]
    others = [number(Fate.BUSY, serial=serial) for serial in range(120)]
    ledger.campaign([*talks, *others])
    first = stage.dialer().start()
    first.log_in(*lab.extensions[:6])
    pairs = wait_pairs(stage, 2)

    second = stage.dialer().start()
    code = first.wait_ended()
    wait_heard(stage, pairs, hear(stage, pairs))
    stage.customers_hang_up()
    wait_for(lambda: ledger.undecided() == 0, "every lead to be dialled", 2 * LIMIT_SECONDS)
    ledger.wait_quiet()

    assert code == 1
    assert "another dialer registered the application" in first.log
    assert second.is_running
    assert_served(stage, pairs)
    assert ledger.disagreements(is_complete=False) == ledger.overlaps() == []
    assert max(Counter(call.number for call in lab.carrier.invites()).values()) == 1


def orphan(stage: Stage, campaign: int, phone_number: str) -> dict[str, Any]:
    """A reservation whose dialer never learned that it was committed: the answer was lost with the connection."""
    ledger, attempt = stage.ledger, "stasis_dialer-c-0-0123456789ab"
    ledger.execute(
        "INSERT INTO discador_chamadas (unique_id, destination_extension, status, start_time, app, campaign_id, "
        "lead_id, started_at) SELECT %s, %s, 'ringing', UTC_TIMESTAMP(), 'stasis_dialer', %s, id, "
        "UTC_TIMESTAMP(3) - INTERVAL 5 MINUTE FROM discador_contatos WHERE phone_number = %s",
        attempt,
        phone_number.lstrip("+"),
        campaign,
        phone_number,
    )
    ledger.execute(
        "UPDATE discador_contatos SET status = 'calling', attempts = 1, attempt_id = %s, "
        "reserved_by = 'stasis_dialer', reserved_until = UTC_TIMESTAMP(3) + INTERVAL 1 MINUTE WHERE phone_number = %s",
        attempt,
        phone_number,
    )
    return {"attempt": attempt}


def test_given_a_reservation_whose_answer_was_lost_when_time_has_passed_then_the_lead_comes_back(stage: Stage) -> None:
    ledger = stage.ledger
    lost = number(Fate.BUSY, serial=7)
    campaign = ledger.campaign([lost])
    dialer = stage.dialer().start()
    attempt = orphan(stage, campaign, lost)["attempt"]

    wait_for(lambda: ledger.lead_counts() == {"pending": 1}, "the lead to come back", 2 * LIMIT_SECONDS)

    assert ledger.call(attempt)["status"] == "finished"
    assert dialer.ask("GET", "/calls") == []
    assert ledger.disagreements(is_complete=False) == []
