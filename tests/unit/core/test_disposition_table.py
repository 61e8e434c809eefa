"""How a call comes out by where it stood and who ended it: a row for every state and every hand."""

from __future__ import annotations

import pytest

from stasis_dialer.core import messages as m
from stasis_dialer.core.call import Call, CallState, advance, arrive
from stasis_dialer.core.disposition import Ending, classify
from stasis_dialer.core.model import Disposition, Fault
from tests.unit.core.builders import CAMPAIGN, LEAD, NUMBER, READY, in_state

D, F, S = Disposition, Fault, CallState
NO_LEG = (S.REROUTING, S.PREVIEWING, S.FETCHING)

HANDS: dict[str, tuple[m.Event, ...]] = {
    "far end": (m.LegGone(16),),
    "dialer": (m.StopRequested("dialer"), m.LegGone(16)),
    "pacing": (m.StopRequested("pacing"), m.LegGone(16)),
    "agent": (m.AgentLost("1001"), m.LegGone(16)),
    "unseen": (m.LegGone(is_seen=False),),
}
LOST = (D.ABANDONED, F.OURS)
TABLE: dict[tuple[CallState, str], tuple[Disposition, Fault | None, str | None]] = {
    (S.PREVIEWING, "dialer"): (D.CANCELLED, F.OURS, "dialer"),
    (S.PREVIEWING, "agent"): (D.CANCELLED, F.OURS, "agent"),
    (S.FETCHING, "dialer"): (D.CANCELLED, F.OURS, "dialer"),
    (S.FETCHING, "agent"): (D.CANCELLED, F.OURS, "agent"),
    (S.ORIGINATING, "far end"): (D.ERROR, F.OURS, "network"),
    (S.ORIGINATING, "dialer"): (D.CANCELLED, F.OURS, "dialer"),
    (S.ORIGINATING, "pacing"): (D.CANCELLED, F.OURS, "pacing"),
    (S.ORIGINATING, "unseen"): (D.ERROR, F.OURS, None),
    (S.RINGING, "far end"): (D.NO_ANSWER, F.CALLEE, "network"),
    (S.RINGING, "dialer"): (D.CANCELLED, F.OURS, "dialer"),
    (S.RINGING, "pacing"): (D.CANCELLED, F.OURS, "pacing"),
    (S.RINGING, "unseen"): (D.ERROR, F.UNKNOWN, None),
    (S.REROUTING, "dialer"): (D.CONGESTION, F.CARRIER, "network"),
    (S.REROUTING, "pacing"): (D.CONGESTION, F.CARRIER, "network"),
    (S.DETECTING, "far end"): (*LOST, "customer"),
    (S.DETECTING, "dialer"): (*LOST, "dialer"),
    (S.DETECTING, "unseen"): (*LOST, None),
    (S.QUEUED, "far end"): (*LOST, "customer"),
    (S.QUEUED, "dialer"): (*LOST, "dialer"),
    (S.QUEUED, "unseen"): (*LOST, None),
    (S.OFFERING, "far end"): (*LOST, "customer"),
    (S.OFFERING, "dialer"): (*LOST, "dialer"),
    (S.OFFERING, "agent"): (*LOST, "dialer"),
    (S.OFFERING, "unseen"): (*LOST, None),
    (S.BRIDGED, "far end"): (D.ANSWERED, None, "customer"),
    (S.BRIDGED, "dialer"): (D.ANSWERED, None, "dialer"),
    (S.BRIDGED, "agent"): (D.ANSWERED, None, "agent"),
    (S.BRIDGED, "unseen"): (D.ANSWERED, None, None),
    (S.PLAYING, "far end"): (D.PARTLY_PLAYED, None, "customer"),
    (S.PLAYING, "dialer"): (D.PARTLY_PLAYED, None, "dialer"),
    (S.PLAYING, "unseen"): (D.PARTLY_PLAYED, None, None),
    (S.CONFIRMING, "far end"): (D.OPT_OUT, None, "customer"),
    (S.CONFIRMING, "dialer"): (D.OPT_OUT, None, "dialer"),
    (S.CONFIRMING, "unseen"): (D.OPT_OUT, None, None),
    (S.AWAITING_BEEP, "far end"): (D.MACHINE, None, "customer"),
    (S.AWAITING_BEEP, "dialer"): (D.MACHINE, None, "dialer"),
    (S.AWAITING_BEEP, "unseen"): (D.MACHINE, None, None),
    (S.LEAVING_MESSAGE, "far end"): (D.MACHINE, None, "customer"),
    (S.LEAVING_MESSAGE, "dialer"): (D.MACHINE, None, "dialer"),
    (S.LEAVING_MESSAGE, "unseen"): (D.MACHINE, None, None),
    (S.SAFE_HARBOUR, "far end"): (*LOST, "customer"),
    (S.SAFE_HARBOUR, "dialer"): (*LOST, "dialer"),
    (S.SAFE_HARBOUR, "unseen"): (*LOST, None),
    (S.CLOSING, "far end"): (D.ANSWERED, None, "dialer"),
    (S.CLOSING, "unseen"): (D.ANSWERED, None, None),
}
"""State and hand to disposition, fault and `hung_up_by`. Some have no leg to end; a `closing` one had talked."""


@pytest.mark.parametrize(("state", "hand"), TABLE, ids=[f"{state}, {hand}" for state, hand in TABLE])
def test_how_a_call_comes_out(state: CallState, hand: str) -> None:
    call = in_state(state)
    for event in HANDS[hand]:
        call, _ = advance(call, event, 40.0)
    assert (call.disposition, call.fault, call.hung_up_by) == TABLE[state, hand]


def test_every_live_state_has_its_rows() -> None:
    for state in CallState:
        if state is not S.ENDED:
            hands = {hand for at, hand in TABLE if at is state}
            assert hands >= ({"dialer"} if state in NO_LEG else {"far end", "unseen"}), state


def inbound(*events: m.Event) -> Call:
    call, _ = arrive("i1", CAMPAIGN, LEAD, NUMBER, "+551130000001", 0.0)
    for event in events:
        call, _ = advance(call, event, 5.0)
    return call


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        ((m.LegGone(16),), (D.MISSED, F.OURS, "customer")),
        ((m.StopRequested("dialer"), m.LegGone(16)), (D.MISSED, F.OURS, "dialer")),
        ((READY, m.LegGone(16)), (D.MISSED, F.OURS, "customer")),
        ((READY, m.Joined("b1"), m.LegGone(16)), (D.ANSWERED, None, "customer")),
        ((READY, m.Joined("b1"), m.AgentLost("1001"), m.LegGone(16)), (D.ANSWERED, None, "agent")),
        ((m.LegGone(is_seen=False),), (D.MISSED, F.OURS, None)),
    ],
    ids=["queue, customer", "queue, dialer", "offered, customer", "talked, customer", "talked, agent", "unseen"],
)
def test_how_a_customers_own_call_comes_out(events: tuple[m.Event, ...], outcome: tuple[object, ...]) -> None:
    call = inbound(*events)
    assert (call.disposition, call.fault, call.hung_up_by) == outcome


def test_a_customers_own_call_is_never_abandoned_nor_dialled() -> None:
    ending = Ending(is_dialled=False, is_answered=True, is_bridged=False, is_inbound=True, cause=34, tech_cause=503)
    assert classify(ending) == (D.MISSED, F.OURS)
