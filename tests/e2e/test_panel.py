"""`painel_ramais` follows the telephones, and the telephones' feature codes are obeyed."""

import statistics
import time
from typing import Any

import pytest

from stasis_dialer.core.model import ConnectMode
from stasis_dialer.lab.fates import Fate, number
from tests.e2e.support import Stage, wait_for

PHONE, OTHER = "1003", "1004"
PANEL_LIMIT_SECONDS = 2.0
"""The panel promises a second; a second more is for a machine that does other things too."""
TALKS_2_SECONDS = 3

FREE, BUSY, GONE = ("free", "free", 1), ("busy", "free", 1), ("unregistered", "unregistered", 0)


def row_of(stage: Stage, extension: str) -> tuple[str, str, int] | None:
    """What the panel shows of a telephone."""
    rows = stage.ledger.rows("SELECT * FROM painel_ramais WHERE number = %s", extension)
    return (rows[0]["status_line1"], rows[0]["status_line2"], rows[0]["registered"]) if rows else None


def delay_until(stage: Stage, expected: tuple[str, str, int]) -> float:
    """Seconds until the panel shows what is expected of the phone."""
    began = time.monotonic()
    wait_for(lambda: row_of(stage, PHONE) == expected, f"the panel to show {expected}", PANEL_LIMIT_SECONDS)
    return time.monotonic() - began


def test_given_a_phone_when_it_registers_calls_and_unregisters_then_the_panel_follows(
    floor: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    phone, dialer = floor.lab.phone(PHONE), floor.dialers[0]
    wait_for(lambda: row_of(floor, PHONE) == FREE, "the phone to be free")
    delays = []
    for _ in range(2):
        phone.unregister()
        delays.append(delay_until(floor, GONE))
        phone.register()
        delays.append(delay_until(floor, FREE))
        dialer.ask("POST", f"/agents/{PHONE}/login", {"connect": "always_on"})
        wait_for(phone.is_talking, "the phone to be in a call")
        delays.append(delay_until(floor, BUSY))
        dialer.wait_agent(PHONE, "available")
        phone.hang_up()
        wait_for(lambda: not phone.channels(), "the phone to have hung up")
        delays.append(delay_until(floor, FREE))

    shown = {it["number"]: it for it in dialer.ask("GET", "/extensions")}
    median = statistics.median(delays)
    with capsys.disabled():
        print(
            f"\nthe panel follows a telephone in {median:.3f} s (median of {len(delays)}, longest {max(delays):.3f} s)"
        )
    assert shown[PHONE] == {
        "number": PHONE,
        "line1": "free",
        "line2": "free",
        "is_registered": True,
        "is_available": True,
    }
    activity = floor.ledger.rows("SELECT last_activity FROM painel_ramais WHERE number = %s", PHONE)
    assert activity[0]["last_activity"] is not None
    assert len(shown) == len(floor.lab.extensions)


def test_given_a_phone_in_a_call_when_it_makes_another_then_both_lines_are_busy(floor: Stage) -> None:
    phone, dialer = floor.lab.phone(PHONE), floor.dialers[0]
    dialer.log_in(PHONE, connect=ConnectMode.ALWAYS_ON)
    phone.dial("*99")

    wait_for(lambda: row_of(floor, PHONE) == ("busy", "busy", 1), "both lines to be busy")


# --- feature codes --------------------------------------------------------------------------------------------------


def refusals(stage: Stage) -> int:
    """How often a feature code was refused so far."""
    return stage.dialers[0].log.count("entry-refused")


def press(stage: Stage, code: str) -> None:
    """Dial a code on the phone and listen to the answer to its end."""
    phone = stage.lab.phone(PHONE)
    channel = phone.dial(code)

    def is_over() -> bool:
        return channel not in {it["id"] for it in phone.channels()}

    wait_for(is_over, f"the answer to {code} to end")


def test_given_an_always_on_campaign_when_the_agent_dials_the_codes_then_the_leg_stays_and_gets_customers(
    floor: Stage,
) -> None:
    dialer, ledger, phone = floor.dialers[0], floor.ledger, floor.lab.phone(PHONE)
    first, second = (number(Fate.HUMAN, talk=TALKS_2_SECONDS, serial=serial) for serial in (1, 2))
    campaign = ledger.campaign([first])
    phone.dial("*51")
    logged_in = dialer.wait_agent(PHONE, "available", "on_call")
    served = ledger.ended_call(first)
    dialer.wait_agent(PHONE, "available")
    press(floor, "*53")
    paused = dialer.agent(PHONE)
    ledger.add_leads(campaign, [second])
    press(floor, "*54")
    next_one = ledger.ended_call(second)
    still_up = len(phone.channels())
    press(floor, "*52")
    dialer.wait_agent(PHONE, "")

    assert logged_in["connect"] == "always_on"
    assert (paused["state"], paused["pause_reason"]) == ("paused", "phone")
    assert still_up == 1
    for row in (served, next_one):
        assert (row["disposition"], row["source_extension"]) == ("answered", PHONE)
    assert next_one["agent_leg_id"] == served["agent_leg_id"]
    assert floor.lab.carrier.rings() == []
    wait_for(lambda: not phone.channels(), "the phone to be free")
    assert ledger.disagreements() == []


def test_given_an_agent_dialled_in_when_the_phone_hangs_up_then_the_agent_is_logged_out(floor: Stage) -> None:
    """Asterisk tells no end of a channel that came from the dialplan, unless it is asked to."""
    dialer, phone = floor.dialers[0], floor.lab.phone(PHONE)
    floor.ledger.campaign()
    phone.dial("*51")
    dialer.wait_agent(PHONE, "available")
    phone.hang_up()
    dialer.wait_agent(PHONE, "")


def test_given_an_on_demand_campaign_when_the_agent_logs_in_by_code_then_the_phone_is_free_and_rings_for_customers(
    floor: Stage,
) -> None:
    dialer, ledger, phone = floor.dialers[0], floor.ledger, floor.lab.phone(PHONE)
    customer = number(Fate.HUMAN, talk=1, serial=3)
    campaign = ledger.campaign(connect=ConnectMode.ON_DEMAND, answer_deadline_seconds=10.0)
    wait_for(lambda: str(campaign) in dialer.ask("GET", "/snapshot")["pacing"], "the campaign to be known")
    press(floor, "*51")
    logged_in = dialer.wait_agent(PHONE, "available")
    ledger.add_leads(campaign, [customer])
    row = ledger.ended_call(customer)

    assert logged_in["connect"] == "on_demand"
    assert (row["disposition"], row["source_extension"]) == ("answered", PHONE)
    assert [ring.phone for ring in floor.lab.carrier.rings()] == [PHONE]
    wait_for(lambda: not phone.channels(), "the phone to be free")


def test_given_nobody_is_logged_in_when_other_codes_are_dialled_then_they_are_refused(floor: Stage) -> None:
    before = refusals(floor)
    phones = [floor.lab.phone(extension) for extension in (PHONE, OTHER, "1005")]

    for phone, code in zip(phones, ("*52", "*53", "*54"), strict=True):
        phone.dial(code)
    wait_for(lambda: refusals(floor) == before + 3, "all to be refused")
    wait_for(lambda: not any(phone.channels() for phone in phones), "the answers to end")

    assert floor.dialers[0].ask("GET", "/agents") == []


def test_given_an_agent_who_is_logged_in_when_the_login_is_dialled_again_then_the_new_leg_takes_over(
    floor: Stage,
) -> None:
    """A telephone that was switched off and on again: whoever sits at it is the agent."""
    dialer, phone = floor.dialers[0], floor.lab.phone(PHONE)
    dialer.log_in(PHONE, connect=ConnectMode.ALWAYS_ON)
    (old,) = [channel["id"] for channel in phone.channels()]
    new = phone.dial("*51")
    wait_for(lambda: [channel["id"] for channel in phone.channels()] == [new], f"the new leg {new} to replace {old}")
    dialer.wait_agent(PHONE, "available")
    agents: list[dict[str, Any]] = dialer.ask("GET", "/agents")
    assert [(agent["extension"], agent["state"]) for agent in agents] == [(PHONE, "available")]
