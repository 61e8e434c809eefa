"""A call in the hands of a transfer: on hold, with somebody else, back with its agent, or waiting for another one."""

from __future__ import annotations

from stasis_dialer.core import messages as m
from stasis_dialer.core.call.state import Call, S, Step, close, marked


def held(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.Held)
    if call.transfer_id == event.transfer_id:
        return call, ()
    return marked(call, now, "held", transfer_id=event.transfer_id), (m.Save(),)


def returned(call: Call, event: m.Event, now: float) -> Step:
    if call.transfer_id is None:
        return call, ()
    return marked(call, now, "returned", transfer_id=None), (m.Save(),)


def noted(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.TransferNoted)
    return marked(call, now, event.what), ()


def entered(call: Call, event: m.Event, now: float) -> Step:
    """The customer was seen to come into a bridge: a transfer may have had no answer to the request for it.

    Of the agent's own bridge the answers alone count: late news may be of the first time there.
    """
    assert isinstance(event, m.Joined)
    if call.transfer_id is None or event.bridge_id == call.bridge_id:
        return call, ()
    return call, (m.TellTransfer(call.transfer_id, m.Moved(call.leg_id, event.bridge_id)),)


def agent_lost(call: Call, event: m.Event, now: float) -> Step:
    """The agent hung up: the end, unless a transfer has the customer."""
    assert isinstance(event, m.AgentLost)
    if call.transfer_id is not None:
        return marked(call, now, f"agent lost {event.extension}"), (m.TellTransfer(call.transfer_id, event),)
    if event.extension != call.agent:
        return call, ()
    return close(marked(call, now, "agent hung up"), now, by="agent")


def agent_wanted(call: Call, event: m.Event, now: float) -> Step:
    """To the queue again, with music: this wait has its own limit."""
    assert isinstance(event, m.AgentWanted)
    queued = marked(
        call,
        now,
        "queued again",
        state=S.QUEUED,
        transfer_id=None,
        agent=None,
        agent_leg_id=None,
        bridge_id=None,
        offered_at=None,
        joins=0,
        waits_since=now,
        wait_seconds=event.seconds,
        deadline=now + event.seconds,
    )
    return queued, (m.SeekAgent(), m.Save())


def partner_joined(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.PartnerJoined)
    if call.partner is not None:
        return call, ()
    with_partner = marked(
        call, now, f"transferred to {event.partner}", partner=event.partner, bridge_id=event.bridge_id
    )
    return with_partner, (m.Save(),)


def partner_lost(call: Call, event: m.Event, now: float) -> Step:
    return close(marked(call, now, "partner hung up"), now, by="partner")


def agent_changed(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.AgentChanged)
    if call.agent_leg_id == event.leg_id and call.transfer_id is None:
        return call, ()
    if call.agent == event.extension and call.transfer_id is None:
        on_new_leg = marked(call, now, f"new leg of {event.extension}", agent_leg_id=event.leg_id)
        return on_new_leg, (m.TellJoined(is_again=True), m.Save())
    with_agent = marked(
        call,
        now,
        f"transferred to {event.extension}",
        transfer_id=None,
        agent=event.extension,
        agent_leg_id=event.leg_id,
        bridge_id=event.bridge_id,
    )
    return with_agent, (m.Save(),)
