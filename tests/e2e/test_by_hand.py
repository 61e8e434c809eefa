"""Previews and typed numbers on real phones: the agent hears it ring, accepts or not, and the gates hold."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from stasis_dialer.core.model import ConnectMode, DialMode
from stasis_dialer.core.options import OnTimeout, Preview
from stasis_dialer.db.database import Database
from stasis_dialer.db.dnc import DoNotCall
from stasis_dialer.db.store import Store
from stasis_dialer.lab.fates import Fate, number
from tests.e2e.support import Stage, wait_for

FIRST = "1001"


def heard(floor: Stage, extension: str = FIRST) -> int:
    """Media packets that the agent's phone has got so far."""
    [channel] = floor.lab.phone(extension).channels()
    return int(floor.lab.carrier.asterisk.ari.get(f"channels/{channel['id']}/rtp_statistics")["rxcount"])


@pytest.mark.parametrize("connect", [ConnectMode.ALWAYS_ON, ConnectMode.ON_DEMAND])
def test_given_a_preview_when_accepted_then_the_agent_hears_it_ring_and_talks(
    floor: Stage, connect: ConnectMode
) -> None:
    dialer, ledger = floor.dialers[0], floor.ledger
    customer = number(Fate.HUMAN, ring=3, talk=3, serial=501 + (connect is ConnectMode.ON_DEMAND))
    campaign = ledger.campaign([customer], mode=DialMode.PREVIEW, connect=connect)
    dialer.log_in(FIRST, campaign=campaign)
    shown = wait_for(lambda: dialer.agent(FIRST)["state"] == "reserved" and dialer.lead(FIRST), "the lead to be shown")
    assert (shown["number"], shown["state"]) == (customer.lstrip("+"), "previewing")
    assert floor.lab.carrier.calls() == []

    dialer.ask("POST", f"/agents/{FIRST}/preview/accept")
    wait_for(lambda: any(call["state"] == "ringing" for call in dialer.ask("GET", "/calls")), "the customer to ring")
    before = heard(floor)
    wait_for(lambda: heard(floor) > before + 10, "the agent to hear it ring")
    assert [call["state"] for call in dialer.ask("GET", "/calls")] == ["ringing"]
    dialer.wait_agent(FIRST, "on_call")
    row = ledger.ended_call(customer)
    dialer.wait_agent(FIRST, "available")

    assert (row["disposition"], row["hung_up_by"], row["source_extension"]) == ("answered", "customer", FIRST)
    assert (row["bridged_at"] - row["answered_at"]).total_seconds() < 0.5
    assert ledger.disagreements() == []


def test_given_previews_when_skipped_by_keys_or_let_pass_then_nothing_is_dialled(floor: Stage) -> None:
    dialer, ledger, phone = floor.dialers[0], floor.ledger, floor.lab.phone(FIRST)
    customers = [number(Fate.HUMAN, serial=serial) for serial in (503, 504)]
    preview = Preview(timeout_seconds=3.0, on_timeout=OnTimeout.PAUSE)
    dialer.log_in(FIRST, campaign=ledger.campaign(customers, mode=DialMode.PREVIEW, preview=preview))
    dialer.wait_agent(FIRST, "reserved")
    phone.send_dtmf("*58")
    wait_for(lambda: ledger.lead_counts().get("pending") == 2 or len(ledger.calls()) == 2, "the lead to be skipped")
    paused = dialer.wait_agent(FIRST, "paused")

    assert paused["pause_reason"] == "preview_timeout"
    assert floor.lab.carrier.calls() == []
    rows = wait_for(lambda: (it := ledger.calls()) and all(r["disposition"] for r in it) and it, "both to be over")
    assert [(row["disposition"], row["hung_up_by"]) for row in rows] == [
        ("cancelled", "agent"),
        ("cancelled", "dialer"),
    ]
    assert [lead["attempts"] for lead in ledger.leads()] == [0, 0]


def test_given_an_idle_telephone_when_it_dials_skip_and_accept_then_the_lead_shown_is_meant(floor: Stage) -> None:
    dialer, ledger, phone = floor.dialers[0], floor.ledger, floor.lab.phone(FIRST)
    passed_over, wanted = (number(Fate.HUMAN, talk=2, serial=serial) for serial in (531, 532))
    campaign = ledger.campaign([passed_over], mode=DialMode.PREVIEW, connect=ConnectMode.ON_DEMAND)
    dialer.log_in(FIRST, campaign=campaign)
    wait_for(lambda: dialer.lead(FIRST), "the first lead to be shown")
    phone.dial("*58")
    wait_for(lambda: dialer.lead(FIRST) is None, "it to be passed over")
    ledger.add_leads(campaign, [wanted])
    wait_for(lambda: dialer.lead(FIRST), "the next lead to be shown")
    phone.dial("*57")
    row = ledger.ended_call(wanted)

    assert (row["disposition"], row["source_extension"]) == ("answered", FIRST)
    assert [call.invite.number for call in floor.lab.carrier.calls()] == [wanted]


def test_given_a_typed_number_then_it_is_called_by_keys_and_by_the_command_line(floor: Stage) -> None:
    dialer, ledger, phone = floor.dialers[0], floor.ledger, floor.lab.phone(FIRST)
    first, second = (number(Fate.HUMAN, talk=1, serial=serial) for serial in (505, 506))
    dialer.log_in(FIRST, campaign=ledger.campaign(mode=DialMode.MANUAL))
    phone.send_dtmf(f"*50{first.lstrip('+')[2:]}#")
    row = ledger.ended_call(first)
    dialer.wait_agent(FIRST, "available")
    done = dialer.cli("agent", "dial", FIRST, second, "--json")
    assert done.code == 0, done.err
    again = ledger.ended_call(second)

    assert [(r["disposition"], r["source_extension"], r["lead_id"]) for r in (row, again)] == [
        ("answered", FIRST, None)
    ] * 2
    assert done.json["call_id"] == again["unique_id"]


def test_given_an_idle_phone_when_it_dials_a_number_then_it_is_rung_and_then_the_customer(floor: Stage) -> None:
    dialer, ledger, phone = floor.dialers[0], floor.ledger, floor.lab.phone(FIRST)
    customer = number(Fate.HUMAN, talk=1, serial=507)
    campaign = ledger.campaign(mode=DialMode.MANUAL, connect=ConnectMode.ON_DEMAND)
    dialer.log_in(FIRST, campaign=campaign)
    phone.dial(f"*50{customer.lstrip('+')[2:]}")
    row = ledger.ended_call(customer)

    assert (row["disposition"], row["source_extension"]) == ("answered", FIRST)
    dialer.wait_agent(FIRST, "available")


def test_given_a_number_on_the_list_then_no_way_of_typing_it_calls_it(floor: Stage) -> None:
    dialer, ledger, phone = floor.dialers[0], floor.ledger, floor.lab.phone(FIRST)
    customer = number(Fate.HUMAN, serial=508)

    async def forbid() -> None:
        async with Store(Database(floor.lab.mariadb.url(ledger.database))) as store:
            await store.dnc.add([DoNotCall(customer.lstrip("+"))], datetime.now(UTC))

    asyncio.run(forbid())
    dialer.log_in(FIRST, campaign=ledger.campaign(mode=DialMode.MANUAL))
    status, words = dialer.refusal("POST", f"/agents/{FIRST}/dial", {"number": customer})
    before = dialer.log.count("feature-refused")
    phone.send_dtmf(f"*50{customer.lstrip('+')[2:]}#")
    wait_for(lambda: dialer.log.count("feature-refused") > before, "the keys to be refused")

    assert (status, "do-not-call" in words) == (409, True)
    assert (floor.lab.carrier.calls(), ledger.calls()) == ([], [])


def test_given_busy_then_the_agent_is_free_at_once(floor: Stage) -> None:
    dialer, ledger = floor.dialers[0], floor.ledger
    customer = number(Fate.BUSY, serial=509)
    dialer.log_in(FIRST, campaign=ledger.campaign(mode=DialMode.MANUAL))
    dialer.ask("POST", f"/agents/{FIRST}/dial", {"number": customer})
    row = ledger.ended_call(customer)
    dialer.wait_agent(FIRST, "available")
    assert (row["disposition"], row["bridged_at"]) == ("busy", None)
