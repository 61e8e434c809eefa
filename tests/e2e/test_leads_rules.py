"""The rules as their user meets them: a lead that waits, and why."""

from stasis_dialer.core.lead_options import Law
from stasis_dialer.lab.fates import Fate, number
from tests.e2e.support import Stage


def test_given_a_lead_that_is_not_dialled_when_explained_then_the_gate_that_holds_it_is_named(stage: Stage) -> None:
    ledger = stage.ledger
    dialer = stage.dialer()
    ledger.campaign([number(Fate.HUMAN, serial=1)], is_active=False, name="spring", law=Law())
    lead_id = ledger.leads()[0]["id"]

    explained = dialer.cli("leads", "explain", str(lead_id), "--json")
    assert explained.code == 1
    (lead,) = explained.json["leads"]
    assert (lead["held_by"], lead["why"], lead["callable_at"]) == ("campaign", "the campaign is paused", None)
    gates = {row["gate"]: row["result"] for row in lead["phones"][0]["gates"]}
    assert gates["trunk"] == "fail" and gates["do_not_call"] == "pass"

    said = dialer.cli("leads", "explain", number(Fate.HUMAN, serial=1))
    assert said.code == 1 and "no lead is known by that" in said.err, "no list and no call has it yet"

    promised = dialer.cli("leads", "callback", str(lead_id), "--at", "2099-01-01 10:00", "--agent", "1001")
    assert promised.code == 0 and "2099-01-01 10:00" in promised.out
    text = dialer.cli("leads", "explain", str(lead_id)).out
    assert "a callback is promised for 2099-01-01 13:00 UTC by agent 1001" in text
    counted = dialer.cli("campaign", "explain", "spring", "--json").json
    assert {row["gate"]: row["leads"] for row in counted["gates"]}["callback"] == 1
    assert dialer.cli("leads", "callback", str(lead_id), "--cancel").code == 0
    assert dialer.cli("leads", "callback", str(lead_id), "--cancel").code == 1
    assert dialer.cli("leads", "callback", str(lead_id), "--at", "yesterday").code == 2
