"""Before the answer: the leg is created, dialled, rings."""

from __future__ import annotations

from stasis_dialer.core import messages as m
from stasis_dialer.core.call import by_hand, ending
from stasis_dialer.core.call.state import RING_SLACK_SECONDS, Call, S, Step, close, finish, marked, trunk_works
from stasis_dialer.core.model import Disposition, Fault


def created(call: Call, event: m.Event, now: float) -> Step:
    """Dialled from the moment the command is given: the far end may answer before Asterisk answers our request."""
    if call.dialled_at is not None:
        return call, ()
    timeout = call.campaign.ring_timeout_seconds
    deadline = now + timeout + RING_SLACK_SECONDS
    dialled = marked(call, now, "dialled", dialled_at=now, deadline=deadline, is_heard=False)
    return dialled, (*by_hand.early_join(call), m.DialLeg(call.leg_id, timeout))


def create_refused(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.OriginateRejected)
    refused = marked(call, now, f"refused {event.status}")
    if call.tries:
        return ending.as_last_try(refused, now)
    return finish(refused, now, Disposition.ERROR, Fault.OURS)


def dial_refused(call: Call, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.DialRejected)
    return close(marked(call, now, f"dial refused {event.status}", dialled_at=None), now, by="network")


def unsure(call: Call, event: m.Event, now: float) -> Step:
    """No answer to our request. What may have been created is hung up; what may have been dialled counts as dialled."""
    assert isinstance(event, m.RequestUnanswered)
    unsure = marked(call, now, f"unanswered {event.request}")
    if call.dialled_at is not None:
        return unsure, ()
    return close(unsure, now, by="network")


def ringing(call: Call, event: m.Event, now: float) -> Step:
    return trunk_works(marked(call, now, "ringing", state=S.RINGING, ringing_at=now))


def early_media(call: Call, event: m.Event, now: float) -> Step:
    if call.early_media_at is not None:
        return call, ()
    return marked(call, now, "early_media", early_media_at=now), ()


def never_rang_out(call: Call, event: m.Event, now: float) -> Step:
    rung_out = marked(call, now, "deadline", is_rung_out=call.dialled_at is not None)
    return close(rung_out, now, by="dialer")
