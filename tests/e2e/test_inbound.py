"""Customers call a campaign's number on the real servers: the carrier dials in, the log is the referee."""

from __future__ import annotations

from typing import Any

from stasis_dialer.core.options import Inbound
from stasis_dialer.lab.carrier import Carrier
from stasis_dialer.lab.fates import Fate, number
from tests.e2e.support import Stage, at_utc, wait_for

OWN = "+551130000001"


def inbound_rows(stage: Stage) -> list[dict[str, Any]]:
    return [row for row in stage.ledger.calls() if row["direction"] == "inbound"]


def the_inbound(stage: Stage) -> dict[str, Any]:
    """The one inbound call, once it is finished."""
    wait_for(lambda: [row for row in inbound_rows(stage) if row["status"] == "finished"], "the inbound call to end")
    (row,) = inbound_rows(stage)
    return row


def test_given_a_customer_calls_back_then_the_agent_who_called_has_them_and_audio_flows_both_ways(
    stage: Stage, carrier: Carrier
) -> None:
    customer = number(Fate.HUMAN, talk=2, serial=11)
    dialer = stage.dialer().start()
    campaign = stage.ledger.campaign([customer], caller_id=OWN)
    dialer.log_in("1001")
    stage.ledger.ended_call(customer)
    dialer.log_in("1002", "1003")
    (called,) = carrier.invites()
    assert called.caller == OWN
    carrier.call_in(OWN, customer)
    agent = wait_for(lambda: dialer.agent("1001").get("state") == "on_call" and dialer.agent("1001"), "the agent")
    (pair,) = wait_for(stage.talking, "customer and agent in one bridge")
    before = {leg: stage.media_of(leg) for leg in pair[1]}
    wait_for(lambda: all(stage.media_of(leg) > before[leg] + 20 for leg in pair[1]), "audio from both")
    (lead,) = stage.ledger.leads()
    assert lead["status"] == "calling"
    stage.customers_hang_up()
    row = the_inbound(stage)
    assert row["unique_id"] == agent["call_id"]
    assert (row["disposition"], row["source_extension"], row["lead_id"]) == ("answered", "1001", lead["id"])
    assert (row["caller_id"], row["destination_extension"], row["trunk"]) == (OWN, customer.lstrip("+"), None)
    (lead,) = stage.ledger.leads()
    assert (lead["status"], lead["reserved_until"]) == ("completed", None)
    report = dialer.cli("report", "campaign", str(campaign), "--json").json
    assert report["calls"] == 1, "those that we placed"


def test_given_everybody_talks_then_music_a_place_in_the_queue_and_then_the_agent(
    stage: Stage, carrier: Carrier
) -> None:
    dialer = stage.dialer().start()
    stage.ledger.campaign(caller_id=OWN, inbound=Inbound(60.0, announce_seconds=3.0))
    dialer.log_in("1001")
    carrier.call_in(OWN, "+5511987650001", talk_seconds=9)
    wait_for(lambda: dialer.agent("1001").get("state") == "on_call", "the first customer to talk")
    carrier.call_in(OWN, "+5511987650002")
    waiting = wait_for(lambda: next((r for r in inbound_rows(stage) if r["status"] == "connected"), None), "the second")
    wait_for(lambda: len(inbound_rows(stage)) == 2, "both calls")
    second = inbound_rows(stage)[1]["unique_id"]
    assert waiting
    wait_for(lambda: stage.playback(f"{second}-place-0"), "the place in the queue to be said")
    wait_for(lambda: dialer.agent("1001").get("call_id") == second, "the second customer to have the agent")
    wait_for(lambda: len(stage.talking()) == 1, "both in one bridge")
    stage.customers_hang_up()
    wait_for(lambda: all(row["status"] == "finished" for row in inbound_rows(stage)), "both calls to end")
    first, later = inbound_rows(stage)
    assert (first["disposition"], later["disposition"]) == ("answered", "answered")
    joined, answered = at_utc(later, "bridged_at"), at_utc(later, "answered_at")
    assert joined is not None
    assert answered is not None
    assert (joined - answered).total_seconds() > 3.0


def test_given_nobody_comes_in_time_then_the_message_and_the_lead_is_called_back(
    stage: Stage, carrier: Carrier
) -> None:
    customer = number(Fate.HUMAN, talk=2, serial=12)
    dialer = stage.dialer().start()
    campaign = stage.ledger.campaign(
        [customer],
        caller_id=OWN,
        safe_harbour_media="sound:stasis-dialer/safe-harbour",
        inbound=Inbound(2.0, callback_seconds=1.0),
    )
    dialer.log_in("1001")
    stage.ledger.ended_call(customer)
    carrier.call_in(OWN, "+5511987650003", talk_seconds=12)
    wait_for(lambda: dialer.agent("1001").get("state") == "on_call", "somebody else to have the agent")
    carrier.call_in(OWN, customer)
    wait_for(lambda: [r for r in inbound_rows(stage) if r["disposition"] == "missed"], "the missed call")
    missed = next(row for row in inbound_rows(stage) if row["disposition"] == "missed")
    assert (missed["answered_at"] is not None, missed["fault"]) == (True, "ours")
    wait_for(lambda: len([i for i in carrier.invites() if i.number == customer]) == 2, "the callback")
    stage.ledger.wait_quiet()
    assert {row["disposition"] for row in stage.ledger.calls()} == {"answered", "missed"}
    assert dialer.cli("calls", "list", "--direction", "inbound", "--json").json
    report = dialer.cli("report", "campaign", str(campaign), "--json").json
    assert report["calls"] == 2, "those that we placed"


def test_given_a_number_that_is_no_campaigns_then_a_message_and_no_call(stage: Stage, carrier: Carrier) -> None:
    dialer = stage.dialer().start()
    stage.ledger.campaign(caller_id=OWN)
    dialer.log_in("1001")
    carrier.call_in("+551130009999", "+5511987650004")
    wait_for(lambda: "inbound-number-unknown" in dialer.log, "the refusal")
    wait_for(lambda: not stage.customers("Up", "Ring", "Ringing", "Down"), "the caller to be hung up")
    assert stage.ledger.calls() == []
