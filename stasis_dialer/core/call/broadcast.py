"""A call without an agent: the message, and what the person who hears it asks for by a key.

A key counts while the message plays and for a while after it. Who asks for an agent waits for one; who asks not to be
called again is on the do-not-call list with this call's record; who asks for a callback is dialled again later.
"""

from __future__ import annotations

from typing import Final

from stasis_dialer.core import messages as m
from stasis_dialer.core.call.meeting import wait_for_agent
from stasis_dialer.core.call.state import Call, S, Step, close, marked, not_played
from stasis_dialer.core.evolve import evolve
from stasis_dialer.core.model import Disposition, Wish

LONGEST_MESSAGE_SECONDS: Final = 300.0
"""The longest broadcast message. Not measured."""
CONFIRMATION_SECONDS: Final = 30.0
"""The longest answer to a key. Not measured."""
CONFIRMATION: Final = "confirmation"
"""Name of the playback that answers a key."""
WANTS_AGENT: Final = f"wants {Wish.AGENT}"
"""In the timeline when somebody asked for an agent: a restart goes on from there."""


MESSAGE_PLAYED: Final = "message played"


def begin(call: Call, now: float) -> Step:
    """The person hears the message."""
    media = call.campaign.broadcast.media
    if media is None:
        return close(marked(call, now, "no message"), now, by="dialer")
    playing = evolve(call, state=S.PLAYING, message_began_at=now, deadline=now + LONGEST_MESSAGE_SECONDS)
    return playing, (m.PlayMessage(call.leg_id, media), m.Save())


def message_over(call: Call, event: m.Event, now: float) -> Step:
    """Heard to the end: time for a key, when there is one to press."""
    assert isinstance(event, m.MessageEnded)
    if call.message_played_at is not None:
        return call, ()
    if not event.is_heard:
        return not_played(call, now)
    played = marked(call, now, MESSAGE_PLAYED, message_played_at=now)
    options = call.campaign.broadcast
    if not options.has_keys:
        return close(played, now, by="dialer")
    return evolve(played, deadline=now + options.key_wait_seconds), ()


def key_pressed(call: Call, event: m.Event, now: float) -> Step:
    """The first key that means something counts."""
    assert isinstance(event, m.DigitPressed)
    options = call.campaign.broadcast
    if event.digit == options.agent_digit:
        waiting, commands = wait_for_agent(marked(call, now, WANTS_AGENT, wish=Wish.AGENT), now)
        return waiting, (*_hush(call), *commands, m.StartMusic(call.leg_id))
    if event.digit == options.opt_out_digit:
        return _granted(call, now, Wish.OPT_OUT, options.opt_out_media)
    if event.digit == options.callback_digit:
        return _granted(call, now, Wish.CALLBACK, options.callback_media)
    return call, ()


def _granted(call: Call, now: float, wish: Wish, media: str | None) -> Step:
    """Written down at once, confirmed when there is something to say, and the end."""
    asked = marked(call, now, f"wants {wish}", wish=wish)
    if media is None:
        closing, commands = close(asked, now, by="dialer")
        return closing, (*commands, m.Save())
    confirming = evolve(asked, state=S.CONFIRMING, deadline=now + CONFIRMATION_SECONDS)
    return confirming, (*_hush(call), m.PlayMessage(call.leg_id, media, CONFIRMATION), m.Save())


def _hush(call: Call) -> tuple[m.Command, ...]:
    return () if call.message_played_at is not None else (m.StopMessage(call.leg_id),)


def confirmed(call: Call, event: m.Event, now: float) -> Step:
    """The end of the message that the key cut short is none of the confirmation."""
    assert isinstance(event, m.MessageEnded)
    if event.name != CONFIRMATION:
        return call, ()
    return close(call, now, by="dialer") if event.is_heard else not_played(call, now)


def outcome(call: Call) -> Disposition | None:
    """How a broadcast came out for who did not speak to an agent; None: not by the broadcast."""
    if call.wish is Wish.OPT_OUT:
        return Disposition.OPT_OUT
    if call.wish is Wish.CALLBACK:
        return Disposition.CALLBACK
    if call.wish is Wish.AGENT:
        return None
    return Disposition.PARTLY_PLAYED if call.message_played_at is None else Disposition.MESSAGE_PLAYED
