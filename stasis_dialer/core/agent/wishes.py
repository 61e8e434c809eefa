"""What agents ask for, and what their telephones do between calls."""

from __future__ import annotations

from stasis_dialer.core import messages as m
from stasis_dialer.core.agent.state import UNREGISTERED, Agent, S, Step, enter, log_out, pause, settle
from stasis_dialer.core.evolve import evolve


def pause_requested(agent: Agent, event: m.Event, now: float) -> Step:
    assert isinstance(event, m.PauseRequested)
    if agent.state is S.PAUSED and event.reason != agent.pause_reason:
        agent = enter(agent, S.PAUSED, now, is_anew=True)
    if agent.state in (S.AVAILABLE, S.PAUSED):
        return pause(evolve(agent, pause_reason=event.reason), now)
    if agent.state is S.LOGGED_OFF:
        return agent, ()
    return evolve(agent, wants_pause=event.reason), (m.Save(),)


def serves_changed(agent: Agent, event: m.Event, now: float) -> Step:
    """Other campaigns from the next customer on; whoever is free may be asked for at once."""
    assert isinstance(event, m.ServesChanged)
    serving = evolve(agent, campaigns=event.campaigns, penalties=event.penalties)
    return serving, (m.Save(),) if agent.state is S.AVAILABLE else ()


def unpause_requested(agent: Agent, event: m.Event, now: float) -> Step:
    wanted = evolve(agent, wants_pause=None)
    if agent.state is not S.PAUSED:
        return wanted, (m.Save(),)
    return settle(evolve(wanted, pause_reason=None), now)


def logout_requested(agent: Agent, event: m.Event, now: float) -> Step:
    if agent.state is S.LOGGED_OFF:
        return agent, ()
    if agent.state in (S.RINGING, S.RESERVED, S.ON_CALL) and agent.call_id is not None:
        return evolve(agent, wants_logout=True), (m.Save(),)
    return log_out(agent, now)


def phone_registered(agent: Agent, event: m.Event, now: float) -> Step:
    registered = evolve(agent, is_registered=True, is_lost=False)
    wants = None if agent.wants_pause == UNREGISTERED else agent.wants_pause
    registered = evolve(registered, wants_pause=wants)
    if agent.state is S.PAUSED and agent.pause_reason == UNREGISTERED:
        return settle(evolve(registered, pause_reason=None), now)
    return registered, ()


def phone_unregistered(agent: Agent, event: m.Event, now: float) -> Step:
    """No customer is given to a telephone that cannot be reached, and none is taken from it: the leg may be well.

    A leg that is always on and whose telephone was not seen to go is let be: it may never have been registered.
    """
    assert isinstance(event, m.PhoneUnregistered)
    is_lost = agent.is_lost or (agent.is_registered and event.is_loss)
    is_leg_in_doubt = agent.is_leg_in_doubt or (is_lost and agent.leg_id is not None)
    gone = evolve(agent, is_registered=False, is_lost=is_lost, is_leg_in_doubt=is_leg_in_doubt)
    if agent.state is S.AVAILABLE and (gone.is_lost or not agent.is_always_on):
        return pause(evolve(gone, pause_reason=UNREGISTERED), now)
    return gone, ()
