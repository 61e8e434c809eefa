"""Agents and their telephones: who gets a customer, who does not, and what becomes of a customer whom nobody takes."""

from datetime import timedelta

import pytest

from stasis_dialer.core.model import ConnectMode
from stasis_dialer.lab.fates import Fate, number
from tests.e2e.support import LIMIT_SECONDS, Stage, timeline, wait_for

ON_DEMAND = {"connect": ConnectMode.ON_DEMAND, "agent_ring_seconds": 1.0, "answer_deadline_seconds": 20.0}
FIRST, SECOND = "1001", "1002"
MESSAGE = "sound:vm-goodbye"
"""A short message, 0.9 s."""


# --- on demand ------------------------------------------------------------------------------------------------------


def test_given_an_on_demand_agent_when_a_customer_answers_then_the_phone_rings_and_both_talk(floor: Stage) -> None:
    dialer, ledger, phone = floor.dialers[0], floor.ledger, floor.lab.phone(FIRST)
    phone.answers_after(0.5)
    customer = number(Fate.HUMAN, talk=4, serial=1)
    campaign = ledger.campaign([customer], **ON_DEMAND)
    dialer.log_in(FIRST, campaign=campaign)

    dialer.wait_agent(FIRST, "ringing")
    talking = dialer.wait_agent(FIRST, "on_call")
    [(_, legs)] = floor.talking()
    heard = {leg: floor.media_of(leg) for leg in legs}
    wait_for(lambda: all(floor.media_of(leg) > heard[leg] for leg in legs), "both to be heard")
    row = ledger.ended_call(customer)
    dialer.wait_agent(FIRST, "available")

    assert talking["call_id"] == row["unique_id"]
    assert legs == {row["unique_id"], row["agent_leg_id"]}
    assert (row["disposition"], row["source_extension"], row["hung_up_by"]) == ("answered", FIRST, "customer")
    [ring] = floor.lab.carrier.rings()
    assert (ring.phone, ring.call_info) == (FIRST, "<sip:127.0.0.1>;answer-after=0")
    wait_for(lambda: not phone.channels(), "the phone to be free")
    floor.wait_empty()
    assert ledger.disagreements() == []


@pytest.mark.parametrize("behaviour", ["never_answers", "rejects"])
def test_given_a_phone_that_is_not_answered_then_its_agent_is_paused_and_the_next_one_gets_the_customer(
    floor: Stage, behaviour: str
) -> None:
    dialer, ledger = floor.dialers[0], floor.ledger
    getattr(floor.lab.phone(FIRST), behaviour)()
    customer = number(Fate.HUMAN, serial=2)
    campaign = ledger.campaign([customer], **ON_DEMAND)
    dialer.log_in(FIRST, campaign=campaign)
    missed = dialer.wait_agent(FIRST, "paused")
    dialer.log_in(SECOND, campaign=campaign)
    dialer.wait_agent(SECOND, "on_call")
    floor.customers_hang_up()
    row = ledger.ended_call(customer)

    assert missed["pause_reason"] == "no_answer"
    assert (row["disposition"], row["source_extension"]) == ("answered", SECOND)
    assert [ring.phone for ring in floor.lab.carrier.rings()] == [FIRST, SECOND]
    assert dialer.agent(FIRST)["state"] == "paused"
    assert [state["pause_reason"] for state in ledger.states(FIRST)][-1] == "no_answer"
    assert ledger.disagreements() == []


def test_given_an_on_demand_agent_when_the_agent_hangs_up_then_the_customer_is_let_go_too(floor: Stage) -> None:
    dialer, ledger = floor.dialers[0], floor.ledger
    floor.lab.phone(FIRST).hangs_up_after(0.6)
    customer = number(Fate.HUMAN, serial=3)
    dialer.log_in(FIRST, campaign=ledger.campaign([customer], **ON_DEMAND))

    row = ledger.ended_call(customer)
    dialer.wait_agent(FIRST, "available")

    assert (row["disposition"], row["hung_up_by"]) == ("answered", "agent")
    floor.wait_empty()
    assert ledger.disagreements() == []


def test_given_an_on_demand_agent_when_the_phone_unregisters_then_nobody_is_dialled_for_it(floor: Stage) -> None:
    dialer, ledger, phone = floor.dialers[0], floor.ledger, floor.lab.phone(FIRST)
    customer = number(Fate.HUMAN, talk=1, serial=4)
    campaign = ledger.campaign(**ON_DEMAND)
    dialer.log_in(FIRST, campaign=campaign)
    phone.unregister()
    gone = dialer.wait_agent(FIRST, "paused")
    ledger.add_leads(campaign, [customer])
    wait_for(lambda: dialer.ask("GET", "/snapshot")["pacing"].get(str(campaign)) == "no_agents", "pacing to look")
    dialled = ledger.calls()
    phone.register()
    row = ledger.ended_call(customer)

    assert gone["pause_reason"] == "unregistered"
    assert dialled == []
    assert (row["disposition"], row["source_extension"]) == ("answered", FIRST)


def test_given_an_on_demand_agent_in_a_call_when_the_phone_unregisters_then_the_call_goes_on(floor: Stage) -> None:
    dialer, ledger, phone = floor.dialers[0], floor.ledger, floor.lab.phone(FIRST)
    customer, next_one = number(Fate.HUMAN, talk=3, serial=5), number(Fate.HUMAN, talk=1, serial=6)
    campaign = ledger.campaign([customer, next_one], **ON_DEMAND)
    dialer.log_in(FIRST, campaign=campaign)
    dialer.wait_agent(FIRST, "on_call")
    phone.unregister()
    row = ledger.ended_call(customer)
    after = dialer.wait_agent(FIRST, "paused")
    dialled = len(ledger.calls())
    phone.register()
    ledger.ended_call(next_one)

    assert (row["disposition"], row["hung_up_by"]) == ("answered", "customer")
    assert (after["pause_reason"], dialled) == ("unregistered", 1)


# --- always on ------------------------------------------------------------------------------------------------------


def test_given_an_always_on_agent_when_customers_come_then_the_phone_rings_once_and_gets_them_all(floor: Stage) -> None:
    dialer, ledger = floor.dialers[0], floor.ledger
    customers = [number(Fate.HUMAN, talk=1, serial=serial) for serial in range(10, 14)]
    dialer.log_in(FIRST, campaign=ledger.campaign(customers))
    rows = [ledger.ended_call(customer) for customer in customers]

    assert [(row["disposition"], row["source_extension"]) for row in rows] == [("answered", FIRST)] * len(customers)
    assert len(floor.lab.carrier.rings()) == 1
    assert len({row["agent_leg_id"] for row in rows}) == 1
    assert dialer.agent(FIRST)["calls_taken"] == len(customers)
    assert ledger.disagreements() == ledger.overlaps() == []


def test_given_an_always_on_agent_when_the_agent_hangs_up_in_a_call_then_both_are_out(floor: Stage) -> None:
    dialer, ledger = floor.dialers[0], floor.ledger
    customer, never = number(Fate.HUMAN, serial=15), number(Fate.HUMAN, serial=16)
    dialer.log_in(FIRST, campaign=ledger.campaign([customer, never]))
    dialer.wait_agent(FIRST, "on_call")
    floor.lab.phone(FIRST).hang_up()
    row = ledger.ended_call(customer)
    dialer.wait_agent(FIRST, "")

    assert (row["disposition"], row["hung_up_by"]) == ("answered", "agent")
    assert ledger.only_call(never) is None
    floor.wait_empty()
    assert ledger.disagreements() == []


def test_given_an_agent_in_a_call_when_asked_to_pause_and_log_out_then_it_happens_after_the_call(floor: Stage) -> None:
    dialer, ledger = floor.dialers[0], floor.ledger
    first, second = number(Fate.HUMAN, talk=2, serial=17), number(Fate.HUMAN, talk=2, serial=18)
    campaign = ledger.campaign([first])
    dialer.log_in(FIRST, campaign=campaign)
    dialer.wait_agent(FIRST, "on_call")
    dialer.ask("POST", f"/agents/{FIRST}/pause", {"reason": "lunch"})
    during = dialer.agent(FIRST)["state"]
    paused = dialer.wait_agent(FIRST, "paused")
    ledger.add_leads(campaign, [second])
    dialer.ask("POST", f"/agents/{FIRST}/unpause")
    dialer.wait_agent(FIRST, "on_call")
    dialer.ask("POST", f"/agents/{FIRST}/logout")
    dialer.wait_agent(FIRST, "")

    assert (during, paused["pause_reason"]) == ("on_call", "lunch")
    rows = [ledger.ended_call(customer) for customer in (first, second)]
    assert [(row["disposition"], row["hung_up_by"]) for row in rows] == [("answered", "customer")] * 2


def test_given_wrap_up_time_when_a_call_ends_then_the_next_customer_is_dialled_after_it(floor: Stage) -> None:
    dialer, ledger = floor.dialers[0], floor.ledger
    customers = [number(Fate.HUMAN, talk=1, serial=serial) for serial in (19, 20)]
    dialer.log_in(FIRST, campaign=ledger.campaign(customers, wrap_up_seconds=1.5))
    first, second = (ledger.ended_call(customer) for customer in customers)

    assert second["started_at"] - first["ended_at"] >= timedelta(seconds=1.5)
    assert "wrap_up" in [state["state"] for state in ledger.states(FIRST)]


def test_given_a_phone_that_is_not_registered_when_it_is_to_be_called_to_log_in_then_that_is_refused(
    floor: Stage,
) -> None:
    dialer, phone = floor.dialers[0], floor.lab.phone(FIRST)
    phone.unregister()
    wait_for(lambda: panel_of(floor, FIRST)["registered"] == 0, "the panel to know")

    status, words = dialer.refusal("POST", f"/agents/{FIRST}/login")

    assert (status, words) == (409, f"the telephone is not registered: extension={FIRST}; is it switched on?")


@pytest.mark.parametrize("behaviour", ["never_answers", "rejects"])
def test_given_a_phone_that_is_not_answered_when_it_is_called_to_log_in_then_nobody_is_logged_in(
    floor: Stage, behaviour: str
) -> None:
    dialer, phone = floor.dialers[0], floor.lab.phone(FIRST)
    getattr(phone, behaviour)()
    dialer.ask("POST", f"/agents/{FIRST}/login")
    if behaviour == "never_answers":
        wait_for(lambda: floor.lab.carrier.rings(), "the phone to ring")
        dialer.ask("POST", f"/agents/{FIRST}/logout")
    dialer.wait_agent(FIRST, "")

    floor.wait_empty()
    assert floor.ledger.states(FIRST)[-1]["state"] == "ringing"


def test_given_a_campaign_made_this_moment_when_an_agent_logs_in_for_it_then_it_is_known(floor: Stage) -> None:
    dialer, ledger = floor.dialers[0], floor.ledger

    for extension, connect in ((FIRST, ConnectMode.ON_DEMAND), (SECOND, ConnectMode.ALWAYS_ON)):
        campaign = ledger.campaign(connect=connect)
        assert dialer.ask("POST", f"/agents/{extension}/login", {"campaigns": [campaign]})["connect"] == connect
    unknown = dialer.refusal("POST", "/agents/1003/login", {"campaigns": [campaign + 1]})

    assert unknown == (404, f"there is no such campaign: id={campaign + 1}")


# --- one customer at a time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("connect", [ConnectMode.ALWAYS_ON, ConnectMode.ON_DEMAND])
def test_given_many_customers_when_they_are_served_then_no_agent_ever_has_two(
    floor: Stage, connect: ConnectMode
) -> None:
    dialer, ledger, lab = floor.dialers[0], floor.ledger, floor.lab
    agents = lab.extensions[:4]
    customers = [number(Fate.HUMAN, talk=1, serial=serial) for serial in range(100, 116)]
    campaign = ledger.campaign(customers, is_active=False, connect=connect, answer_deadline_seconds=10.0)
    dialer.log_in(*agents, campaign=campaign)
    crowds: list[object] = []

    def all_served() -> bool:
        channels, bridges = floor.channels(), floor.bridges()
        crowds.extend(legs for legs in bridges.values() if len(legs) > 2)
        rung = [channel["name"].split("/")[1].split("-")[0] for channel in channels.values()]
        crowds.extend(agent for agent in agents if rung.count(agent) > 1)
        return ledger.undecided() == 0

    ledger.set_status(campaign, "active")
    wait_for(all_served, "all customers to be served", 2 * LIMIT_SECONDS)
    ledger.wait_quiet()

    assert crowds == []
    assert [row["disposition"] for row in ledger.calls()] == ["answered"] * len(customers)
    assert {row["source_extension"] for row in ledger.calls()} == set(agents)
    assert ledger.overlaps() == ledger.disagreements() == []
    if connect is ConnectMode.ON_DEMAND:
        assert len(lab.carrier.rings()) == len(customers)


# --- nobody is free -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["pauses", "logs_out", "hangs_up", "unregisters"])
def test_given_the_only_agent_leaves_while_it_rings_when_the_customer_answers_then_it_is_abandoned_in_time(
    floor: Stage, how: str
) -> None:
    dialer, ledger, phone = floor.dialers[0], floor.ledger, floor.lab.phone(FIRST)
    connect = ConnectMode.ON_DEMAND if how == "unregisters" else ConnectMode.ALWAYS_ON
    customer, deadline = number(Fate.HUMAN, ring=3, serial=30), 0.5
    campaign = ledger.campaign(
        [customer], connect=connect, answer_deadline_seconds=deadline, safe_harbour_media=MESSAGE
    )
    dialer.log_in(FIRST, campaign=campaign)
    wait_for(lambda: any(call["state"] == "ringing" for call in dialer.ask("GET", "/calls")), "the customer to ring")
    leave = {
        "pauses": lambda: dialer.ask("POST", f"/agents/{FIRST}/pause", {"reason": "lunch"}),
        "logs_out": lambda: dialer.ask("POST", f"/agents/{FIRST}/logout"),
        "hangs_up": phone.hang_up,
        "unregisters": phone.unregister,
    }
    leave[how]()
    dialer.wait_agent(FIRST, "paused", "")
    call_id = (ledger.only_call(customer) or {})["unique_id"]
    played = wait_for(lambda: floor.playback(f"{call_id}-message"), "the message to be played")
    row = ledger.ended_call(customer)

    assert played["media_uri"] == MESSAGE
    assert played["target_uri"] == f"channel:{call_id}"
    assert (row["disposition"], row["hung_up_by"], row["source_extension"]) == ("abandoned", "dialer", "")
    at = timeline(row)
    assert list(at)[-4:] == ["answered", "given up", "message played", "ended abandoned"]
    assert timedelta(0) <= at["given up"] - at["answered"] - timedelta(seconds=deadline) <= timedelta(seconds=1)
    assert at["message played"] - at["given up"] >= timedelta(seconds=0.7)
    assert row["bridged_at"] is None
    assert dialer.ask("GET", "/snapshot")["calls"] == {}
    assert ledger.disagreements() == []


def test_given_no_agent_is_free_when_the_customer_hangs_up_before_the_deadline_then_it_is_abandoned(
    floor: Stage,
) -> None:
    dialer, ledger = floor.dialers[0], floor.ledger
    customer = number(Fate.HUMAN, ring=3, talk=1, serial=31)
    dialer.log_in(FIRST, campaign=ledger.campaign([customer], answer_deadline_seconds=20.0))
    wait_for(lambda: ledger.only_call(customer), "the call")
    dialer.ask("POST", f"/agents/{FIRST}/pause")
    row = ledger.ended_call(customer)

    assert (row["disposition"], row["hung_up_by"]) == ("abandoned", "customer")
    assert ledger.disagreements() == []


def test_given_a_customer_who_waits_when_an_agent_becomes_free_then_they_talk(floor: Stage) -> None:
    dialer, ledger = floor.dialers[0], floor.ledger
    customer = number(Fate.HUMAN, ring=3, talk=2, serial=32)
    dialer.log_in(FIRST, campaign=ledger.campaign([customer], answer_deadline_seconds=20.0))
    wait_for(lambda: ledger.only_call(customer), "the call")
    dialer.ask("POST", f"/agents/{FIRST}/pause")
    wait_for(lambda: any(call["state"] == "queued" for call in dialer.ask("GET", "/calls")), "the customer to wait")
    dialer.ask("POST", f"/agents/{FIRST}/unpause")
    row = ledger.ended_call(customer)

    assert (row["disposition"], row["source_extension"]) == ("answered", FIRST)
    assert ledger.disagreements() == []


def panel_of(stage: Stage, extension: str) -> dict[str, object]:
    """A telephone's row of the panel; {} while there is none."""
    found = stage.ledger.rows("SELECT * FROM painel_ramais WHERE number = %s", extension)
    return found[0] if found else {"registered": None}
