"""Every pair of state and event of a call: it does something, it changes nothing, or it is a defect."""

import dataclasses

import pytest

from stasis_dialer.core import messages as m
from stasis_dialer.core.call import EARLY, LATE, STAY, TRANSITIONS, CallState, advance
from stasis_dialer.errors import IllegalEvent
from tests.unit.core.builders import EVENTS, in_state

LIVE = [state for state in CallState if state is not CallState.ENDED]
NO_LEG = (CallState.REROUTING, CallState.PREVIEWING, CallState.FETCHING)
WITH_LEG = [state for state in LIVE if state not in NO_LEG]
"""States in which there is something to hang up."""
PAIRS = [(state, kind) for state in LIVE for kind in EVENTS]
ids = [f"{state}-{kind.__name__}" for state, kind in PAIRS]


def of_kind(base: type) -> set[type]:
    """The messages of the vocabulary that are of this kind."""
    return {item for item in vars(m).values() if isinstance(item, type) and issubclass(item, base) and item is not base}


def test_the_table_of_events_knows_every_event() -> None:
    assert set(EVENTS) == of_kind(m.Event)


@pytest.mark.parametrize(("state", "kind"), PAIRS, ids=ids)
def test_every_event_in_every_state_is_legal_or_stays_or_is_illegal(state: CallState, kind: type[m.Event]) -> None:
    call = in_state(state)
    if (state, kind) in TRANSITIONS:
        after, _ = advance(call, EVENTS[kind], 20.0)
        assert after.call_id == call.call_id
    elif (state, kind) in STAY:
        assert advance(call, EVENTS[kind], 20.0) == (call, ())
    else:
        with pytest.raises(IllegalEvent, match=f"state={state} event={kind.__name__}"):
            advance(call, EVENTS[kind], 20.0)


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_given_ended_when_anything_comes_then_nothing_happens(kind: type[m.Event]) -> None:
    call = in_state(CallState.ENDED)
    assert advance(call, EVENTS[kind], 99.0) == (call, ())


def test_no_pair_is_both_a_transition_and_a_stay() -> None:
    assert not set(TRANSITIONS) & STAY
    assert not set(TRANSITIONS) & EARLY


@pytest.mark.parametrize("state", LIVE, ids=str)
def test_every_live_state_has_a_deadline_and_hears_it_and_the_end_of_its_leg(state: CallState) -> None:
    assert in_state(state).deadline is not None
    assert (state, m.DeadlineReached) in TRANSITIONS
    assert (state, m.LegGone) in TRANSITIONS


@pytest.mark.parametrize("state", WITH_LEG, ids=str)
def test_given_any_live_state_when_its_deadline_passes_then_a_later_deadline_stands(state: CallState) -> None:
    call = in_state(state)
    assert call.deadline is not None
    after, _ = advance(call, m.DeadlineReached(), call.deadline)
    assert after.deadline is not None
    assert after.deadline > call.deadline


@pytest.mark.parametrize("state", WITH_LEG, ids=str)
def test_given_any_live_state_when_stopped_then_the_leg_is_hung_up(state: CallState) -> None:
    call, commands = advance(in_state(state), m.StopRequested("supervisor"), 20.0)
    assert call.state is CallState.CLOSING
    if state is not CallState.CLOSING:
        assert m.HangUp("c1") in commands
        assert call.hung_up_by == "supervisor"


def test_given_an_agent_is_sought_when_stopped_then_the_search_is_withdrawn() -> None:
    _, commands = advance(in_state(CallState.QUEUED), m.StopRequested(), 20.0)
    assert commands == (m.WithdrawSeek(), m.HangUp("c1"))


def test_given_a_join_under_way_when_stopped_then_the_agent_is_kept_until_the_leg_is_gone() -> None:
    joining = in_state(CallState.OFFERING)
    assert joining.is_joining
    _, commands = advance(joining, m.StopRequested(), 20.0)
    assert commands == (m.HangUp("c1"),)


@pytest.mark.parametrize("state", LIVE, ids=str)
@pytest.mark.parametrize("kind", sorted(LATE, key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_given_an_event_that_may_be_late_when_it_comes_twice_then_the_second_commands_nothing_new(
    state: CallState, kind: type[m.Event]
) -> None:
    """A request repeated is a request refused: twice heard is once done. Hanging up again is harmless."""
    if (state, kind) in EARLY:
        return
    once, first = advance(in_state(state), EVENTS[kind], 20.0)
    if (once.state, kind) in EARLY:
        return
    _, second = advance(once, EVENTS[kind], 20.0)
    assert not [command for command in second if command in first and not isinstance(command, m.HangUp)]


def test_messages_are_frozen_values() -> None:
    for kind in of_kind(m.Event) | of_kind(m.Command):
        assert dataclasses.is_dataclass(kind)
        assert kind.__dataclass_params__.frozen
