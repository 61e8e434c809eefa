"""Agents at their real phones: keys that dispose, pause and leave; PINs; legs that fall."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from stasis_dialer.core.model import ConnectMode
from stasis_dialer.core.options import Choice, Dispositions
from stasis_dialer.lab.fates import Fate, number
from tests.e2e.support import Stage, wait_for
from tests.e2e.vanishing import VanishingPhone

FIRST, SECOND, PINNED = "1001", "1002", "1003"
"""The last one keeps its PIN, and is locked for a while."""
CHOICES = (
    Choice("sale", "1", success=True),
    Choice("stop", "2", do_not_call=True),
    Choice("later", "3", callback=True),
    Choice("nobody", "4"),
    Choice("other", "77"),
)
FORCED = Dispositions(CHOICES, is_forced=True, max_wrap_up_seconds=60.0, default="nobody")


def lead(floor: Stage, customer: str) -> dict[str, Any]:
    return next(row for row in floor.ledger.leads() if row["phone_number"] == customer)


def disposed(floor: Stage, customer: str, code: str) -> dict[str, Any]:
    """The call's row, once the disposition is on it and on its lead."""

    def done() -> dict[str, Any] | None:
        row = floor.ledger.only_call(customer)
        return row if row and row["agent_disposition"] == lead(floor, customer)["result"] == code else None

    row: dict[str, Any] = wait_for(done, f"the call of {customer} to be disposed {code}")
    return row


def test_given_the_work_after_calls_when_digits_are_pressed_then_leads_are_closed_listed_or_called_back(
    floor: Stage,
) -> None:
    dialer, ledger, phone = floor.dialers[0], floor.ledger, floor.lab.phone(FIRST)
    customers = [number(Fate.HUMAN, talk=1, serial=serial) for serial in (401, 402, 403)]
    campaign = ledger.campaign(dispositions=FORCED, wrap_up_seconds=1.0)
    dialer.log_in(FIRST, campaign=campaign)
    for customer, digit, code in zip(customers, "123", ("sale", "stop", "later"), strict=True):
        ledger.add_leads(campaign, [customer])
        waits = dialer.wait_agent(FIRST, "wrap_up")
        assert waits["must_dispose"]
        phone.send_dtmf(digit)
        dialer.wait_agent(FIRST, "available")
        disposed(floor, customer, code)

    sold, stopped, later = (lead(floor, customer) for customer in customers)
    assert [sold["status"], stopped["status"], later["status"]] == ["completed", "completed", "pending"]
    assert later["next_attempt"] > datetime.now(UTC).replace(tzinfo=None)
    listed = ledger.rows("SELECT number, source FROM dialer_do_not_call")
    assert [row["number"] for row in listed] == [customers[1].lstrip("+")]
    [counters] = ledger.rows("SELECT successful_calls, processed_contacts FROM discador_campanhas")
    assert (counters["successful_calls"], counters["processed_contacts"]) == (1, 2)


def test_given_an_idle_telephone_when_disposition_and_done_are_dialled_then_they_count(floor: Stage) -> None:
    """On demand there is no line of the agent's own once the customer has gone."""
    dialer, ledger, phone = floor.dialers[0], floor.ledger, floor.lab.phone(FIRST)
    disposes, done = (number(Fate.HUMAN, talk=1, serial=serial) for serial in (411, 412))
    on_demand = {"connect": ConnectMode.ON_DEMAND, "answer_deadline_seconds": 20.0}
    forced = ledger.campaign([disposes], dispositions=FORCED, **on_demand)
    dialer.log_in(FIRST, campaign=forced)
    for dialled in ("*55", "*569"):
        dialer.wait_agent(FIRST, "wrap_up")
        wait_for(lambda: not phone.channels(), "the telephone to be idle")
        phone.dial(dialled)
        wait_for(lambda: not phone.channels(), "the refusal to be over")
        assert dialer.agent(FIRST)["must_dispose"]
    phone.dial("*5677")
    dialer.wait_agent(FIRST, "available")
    disposed(floor, disposes, "other")

    dialer.log_all_out()
    free = ledger.campaign([done], wrap_up_seconds=60.0, **on_demand)
    dialer.log_in(FIRST, campaign=free)
    dialer.wait_agent(FIRST, "wrap_up")
    wait_for(lambda: not phone.channels(), "the telephone to be idle")
    phone.dial("*55")
    dialer.wait_agent(FIRST, "available")


def test_given_a_call_that_is_on_when_codes_are_pressed_then_only_codes_count(floor: Stage) -> None:
    dialer, ledger, phone = floor.dialers[0], floor.ledger, floor.lab.phone(FIRST)
    customer = number(Fate.HUMAN, serial=404)
    dialer.log_in(FIRST, campaign=ledger.campaign([customer], dispositions=Dispositions(CHOICES)))
    dialer.wait_agent(FIRST, "on_call")
    phone.send_dtmf("12*564#")
    wait_for(lambda: dialer.agent(FIRST)["disposition"] == "nobody", "the disposition")
    phone.send_dtmf("*53")
    wait_for(lambda: dialer.agent(FIRST)["pause_reason"] == "phone", "the wish to pause")
    assert dialer.agent(FIRST)["state"] == "on_call"
    floor.customers_hang_up()
    row = disposed(floor, customer, "nobody")
    dialer.wait_agent(FIRST, "paused")
    phone.send_dtmf("*54")
    dialer.wait_agent(FIRST, "available")
    phone.send_dtmf("*52")
    dialer.wait_agent(FIRST, "")

    assert (row["disposition"], row["hung_up_by"]) == ("answered", "customer")
    assert lead(floor, customer)["status"] == "pending"
    floor.wait_empty()


def test_given_a_flood_of_keys_then_the_call_goes_on_and_little_happens(floor: Stage) -> None:
    dialer, ledger, phone = floor.dialers[0], floor.ledger, floor.lab.phone(FIRST)
    customer = number(Fate.HUMAN, serial=405)
    dialer.log_in(FIRST, campaign=ledger.campaign([customer]))
    dialer.wait_agent(FIRST, "on_call")
    before = dialer.log.count("feature-code")
    for _ in range(4):
        phone.send_dtmf("*54" * 12 + "0123456789#*")
    wait_for(lambda: dialer.log.count("feature-code") >= before + 8, "the codes that count")
    assert dialer.agent(FIRST)["state"] == "on_call"
    floor.customers_hang_up()
    assert ledger.ended_call(customer)["disposition"] == "answered"
    assert dialer.log.count("feature-code") < before + 40


def test_given_a_disposition_long_after_the_call_then_cli_and_rows_agree(floor: Stage) -> None:
    dialer, ledger = floor.dialers[0], floor.ledger
    customer = number(Fate.HUMAN, talk=1, serial=406)
    dialer.log_in(FIRST, campaign=ledger.campaign([customer], dispositions=Dispositions(CHOICES)))
    row = ledger.ended_call(customer)
    dialer.ask("POST", f"/agents/{FIRST}/logout")
    dialer.wait_agent(FIRST, "")
    said = dialer.cli("agent", "dispose", FIRST, "sale", "--json")
    assert (said.code, said.json["call_id"]) == (0, row["unique_id"]), said.err
    disposed(floor, customer, "sale")
    wrong = dialer.cli("agent", "dispose", FIRST, "none")
    assert wrong.code == 1
    assert "no such disposition" in wrong.err


# --- logging in by phone --------------------------------------------------------------------------------------------


def test_given_a_pin_then_the_right_one_lets_in_and_wrong_ones_end_the_call_and_lock(floor: Stage) -> None:
    dialer, ledger, phone = floor.dialers[0], floor.ledger, floor.lab.phone(PINNED)
    ledger.campaign()
    ledger.set_pin(PINNED, "4321")
    phone.dial("*51")
    wait_for(phone.is_talking, "the phone to be asked")
    phone.send_dtmf("4321#")
    dialer.wait_agent(PINNED, "available")
    phone.send_dtmf("*52")
    dialer.wait_agent(PINNED, "")
    wait_for(lambda: not phone.channels(), "the phone to be free")

    phone.dial("*51")
    wait_for(phone.is_talking, "the phone to be asked again")
    for tries in range(1, 4):
        phone.send_dtmf("1111#")
        if tries < 3:
            wait_for(lambda n=tries: dialer.log.count("pin-wrong") >= n, "the wrong PIN to be noticed")
    wait_for(lambda: "pin-locked" in dialer.log, "the extension to be locked")
    wait_for(lambda: not phone.channels(), "the call to be ended")
    assert dialer.agent(PINNED) == {}
    assert not re.search(r"\b4321\b", dialer.log), "the log has the PIN"
    assert "1111" not in dialer.log
    phone.dial("*51")
    wait_for(lambda: "too many wrong PINs" in dialer.log, "the refusal")
    assert dialer.agent(PINNED) == {}


def test_given_a_phone_that_was_switched_off_and_on_when_it_logs_in_again_then_it_takes_over(floor: Stage) -> None:
    dialer, ledger, phone = floor.dialers[0], floor.ledger, floor.lab.phone(FIRST)
    ledger.campaign()
    phone.dial("*51")
    first = dialer.wait_agent(FIRST, "available")
    phone.dial("*51")
    second = wait_for(
        lambda: (it := dialer.agent(FIRST)) and it.get("logged_in_at") != first["logged_in_at"] and it, "a new session"
    )
    assert second["state"] in ("ringing", "available")
    wait_for(lambda: len(phone.channels()) == 1, "the old call to end")
    dialer.wait_agent(FIRST, "available")


# --- telephones that are gone ---------------------------------------------------------------------------------------


@pytest.fixture
def vanishing(floor: Stage) -> Iterator[VanishingPhone]:
    """A telephone in place of the lab's own SECOND."""
    lab = floor.lab
    lab.phone(SECOND).unregister()
    phone = VanishingPhone(SECOND, lab.state.phones[SECOND], lab.sipp_address, lab.state.block.pbx)
    phone.switch_on()
    wait_for(lab.phone(SECOND).is_registered, "the telephone to be known")
    floor.wait_phones()
    yield phone
    phone.close()


def test_given_a_telephone_that_loses_its_power_then_no_customer_meets_it_and_its_leg_is_over_in_time(
    floor: Stage, vanishing: VanishingPhone
) -> None:
    dialer, ledger = floor.dialers[0], floor.ledger
    talks, comes_later = number(Fate.HUMAN, serial=421), number(Fate.HUMAN, serial=422)
    campaign = ledger.campaign([talks])
    dialer.log_in(SECOND, campaign=campaign)
    dialer.wait_agent(SECOND, "on_call")
    vanishing.lose_power()
    wait_for(lambda: not floor.lab.phone(SECOND).is_registered(), "its silence to be noticed")
    floor.customers_hang_up()
    assert dialer.wait_agent(SECOND, "paused")["pause_reason"] == "unregistered"
    ledger.add_leads(campaign, [comes_later])
    wait_for(lambda: dialer.agent(SECOND) == {}, "the session to be over", limit_seconds=120.0)

    assert ledger.ended_call(talks)["source_extension"] == SECOND
    assert [call["unique_id"] for call in ledger.calls()] == [ledger.ended_call(talks)["unique_id"]]
    floor.wait_empty()


@pytest.mark.parametrize("connect", list(ConnectMode), ids=str)
def test_given_a_telephone_that_lost_its_power_while_talking_when_it_dials_in_again_then_the_customer_is_on_its_new_leg(
    floor: Stage, vanishing: VanishingPhone, connect: ConnectMode
) -> None:
    dialer, ledger, phone = floor.dialers[0], floor.ledger, floor.lab.phone(SECOND)
    talks = number(Fate.HUMAN, serial=423)
    campaign = ledger.campaign([talks], connect=connect, answer_deadline_seconds=20.0)
    dialer.log_in(SECOND, campaign=campaign)
    first = dialer.wait_agent(SECOND, "on_call")
    customer = ledger.only_call(talks)["unique_id"]
    [(bridge, pair)] = floor.talking()
    dead = pair - {customer}
    vanishing.lose_power()
    wait_for(lambda: not phone.is_registered(), "its silence to be noticed")
    phone.register()
    phone.dial("*51")
    wait_for(phone.is_talking, "the telephone to be in a call again")
    wait_for(lambda: not dead & set(floor.channels()), "the dead leg to be over")
    wait_for(lambda: [(b, customer in legs, len(legs)) for b, legs in floor.talking()] == [(bridge, True, 2)], "them")
    again = dialer.agent(SECOND)
    floor.customers_hang_up()
    row = ledger.ended_call(talks)

    assert (again["state"], again["logged_in_at"]) == ("on_call", first["logged_in_at"])
    assert (row["source_extension"], row["hung_up_by"]) == (SECOND, "customer")
    assert row["agent_leg_id"] not in dead
    dialer.wait_agent(SECOND, "wrap_up", "available")


# --- legs that fall -------------------------------------------------------------------------------------------------


@pytest.fixture
def caller_back(stage: Stage) -> Stage:
    """A dialer that calls agents back whose leg falls."""
    agents = {"lost_leg": {"action": "call_back", "after_seconds": 0.5, "most": 2, "wait_seconds": 30}}
    stage.dialer(agents=agents).start()
    stage.wait_phones()
    return stage


def test_given_a_leg_that_falls_then_the_phone_is_called_back_and_gets_the_next_customer(caller_back: Stage) -> None:
    floor = caller_back
    dialer, ledger, phone = floor.dialers[0], floor.ledger, floor.lab.phone(FIRST)
    first, second = number(Fate.HUMAN, serial=407), number(Fate.HUMAN, talk=1, serial=408)
    campaign = ledger.campaign([first])
    dialer.log_in(FIRST, campaign=campaign)
    dialer.wait_agent(FIRST, "on_call")
    phone.hang_up()
    fallen = ledger.ended_call(first)
    dialer.wait_agent(FIRST, "available")
    ledger.add_leads(campaign, [second])
    row = ledger.ended_call(second)

    assert (fallen["disposition"], fallen["hung_up_by"]) == ("answered", "agent")
    assert (row["disposition"], row["source_extension"]) == ("answered", FIRST)
    assert row["agent_leg_id"] != fallen["agent_leg_id"]
    assert len({state["session_id"] for state in ledger.states(FIRST)}) == 1
    assert len(floor.lab.carrier.rings()) == 2


def test_given_a_phone_that_starts_anew_then_it_is_called_when_it_is_registered_again(caller_back: Stage) -> None:
    floor = caller_back
    dialer, ledger, phone = floor.dialers[0], floor.ledger, floor.lab.phone(FIRST)
    dialer.log_in(FIRST, campaign=ledger.campaign())
    phone.unregister()
    phone.hang_up()
    dialer.wait_agent(FIRST, "ringing")
    wait_for(lambda: "ringing" in [s["state"] for s in ledger.states(FIRST)][-1:], "the row to say so")
    phone.register()
    dialer.wait_agent(FIRST, "available")
    assert phone.is_talking()
