"""What an agent asked for by keys, done: the same actions as by the command line and the HTTP interface.

A wish that cannot be fulfilled is answered by a tone and a line in the log; it never disturbs the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import structlog

from stasis_dialer.core import messages as m
from stasis_dialer.core.agent import Agent
from stasis_dialer.core.feature_codes import Feature, Pressed
from stasis_dialer.core.model import AgentState
from stasis_dialer.errors import DialerError, Refused

log = structlog.get_logger(__name__)

PAUSED_BY_PHONE: Final = "phone"
DONE_MEDIA: Final = "sound:beep"
REFUSED_MEDIA: Final = "sound:stasis-dialer/agent-refused"


class Sessions(Protocol):
    """The desk, as the keys need it."""

    def tell(self, extension: str, event: m.Event) -> Agent: ...

    def say(self, extension: str, media: str) -> None: ...


class Parties(Protocol):
    """What may be done to the call that is on. Each raises Refused with the reason when it cannot be."""

    def hold(self, extension: str) -> None: ...

    def unhold(self, extension: str) -> None: ...

    def blind_transfer(self, extension: str, target: str) -> None: ...

    def attended_transfer(self, extension: str, target: str) -> None: ...

    def conference(self, extension: str) -> None: ...

    def complete(self, extension: str) -> None: ...

    def cancel(self, extension: str) -> None: ...


class Hands(Protocol):
    """Calls for a known agent. Each raises Refused with the reason."""

    def shown(self, extension: str) -> object: ...

    def accept(self, extension: str) -> object: ...

    def skip(self, extension: str) -> object: ...

    def check(self, extension: str, number: str) -> object: ...

    async def dial(self, extension: str, number: str) -> object: ...


class Recordings(Protocol):
    """The recording of the call that is on. Each raises Refused when there is nothing to do it to."""

    def pause(self, call_id: str | None) -> str: ...

    def resume(self, call_id: str | None) -> str: ...


class Features:
    """Carries out what keys ask for."""

    def __init__(
        self,
        sessions: Sessions,
        parties: Parties | None = None,
        recordings: Recordings | None = None,
        hand: Hands | None = None,
        reason_of: Callable[[str], str] = lambda digits: PAUSED_BY_PHONE,
    ) -> None:
        self._sessions = sessions
        self._reason_of = reason_of
        self._actions: dict[Feature, Callable[[Agent, str], None]] = {
            Feature.LOGOUT: lambda agent, _: self._tell(agent, m.LogoutRequested()),
            Feature.PAUSE: lambda agent, digits: self._tell(agent, m.PauseRequested(self._reason_of(digits))),
            Feature.UNPAUSE: lambda agent, _: self._tell(agent, m.UnpauseRequested()),
            Feature.WRAP_UP_DONE: lambda agent, _: wrap_up_done(sessions, agent),
            Feature.DISPOSITION: lambda agent, digits: dispose(sessions, agent, digits),
        }
        self._tasks: set[asyncio.Task[None]] = set()
        if hand is not None:
            self._actions[Feature.PREVIEW_ACCEPT] = lambda agent, _: _ignore(hand.accept(agent.extension))
            self._actions[Feature.PREVIEW_SKIP] = lambda agent, _: _ignore(hand.skip(agent.extension))
            self._actions[Feature.DIAL] = lambda agent, number: self._dial(hand, agent, number)
        if recordings is not None:
            self._actions[Feature.RECORDING_PAUSE] = lambda agent, _: _ignore(recordings.pause(agent.call_id))
            self._actions[Feature.RECORDING_RESUME] = lambda agent, _: _ignore(recordings.resume(agent.call_id))
        if parties is not None:
            self._actions |= _of_parties(parties)

    def carry_out(self, agent: Agent, pressed: Pressed) -> None:
        """Do it, or say that it cannot be."""
        action = self._actions.get(pressed.feature)
        try:
            if action is None:
                raise Refused(f"not possible here: feature={pressed.feature}")
            action(agent, pressed.argument)
        except Refused as error:
            log.warning("feature-refused", agent=agent.extension, feature=str(pressed.feature), why=str(error))
            self._sessions.say(agent.extension, REFUSED_MEDIA)
            return
        if agent.state is not AgentState.ON_CALL and pressed.feature is not Feature.LOGOUT:
            self._sessions.say(agent.extension, DONE_MEDIA)

    def _dial(self, hand: Hands, agent: Agent, number: str) -> None:
        """The gates that need no database are asked at once, the others on the way."""
        hand.check(agent.extension, number)

        async def reserve_and_dial() -> None:
            try:
                await hand.dial(agent.extension, number)
            except DialerError as error:
                log.warning("feature-refused", agent=agent.extension, feature=str(Feature.DIAL), why=str(error))
                self._sessions.say(agent.extension, REFUSED_MEDIA)

        task = asyncio.get_running_loop().create_task(reserve_and_dial())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell(self, agent: Agent, event: m.Event) -> None:
        self._sessions.tell(agent.extension, event)


def wrap_up_done(sessions: Sessions, agent: Agent) -> None:
    """The work after the call is done. Raises: Refused while a disposition is to be given."""
    if agent.must_dispose:
        raise Refused(f"a disposition is to be given first: agent={agent.extension}")
    sessions.tell(agent.extension, m.WrapUpDone())


def dispose(sessions: Sessions, agent: Agent, digits: str) -> None:
    """What came of the call, by its digit. Raises: Refused when there is no such choice, or no call."""
    choice = next((choice for choice in agent.dispositions.choices if choice.digit == digits), None)
    if choice is None or agent.last_call_id is None:
        raise Refused(f"no such disposition: agent={agent.extension} digits={digits}")
    sessions.tell(agent.extension, m.DispositionGiven(choice.code))


def _of_parties(parties: Parties) -> Mapping[Feature, Callable[[Agent, str], None]]:
    return {
        Feature.HOLD: lambda agent, _: parties.hold(agent.extension),
        Feature.UNHOLD: lambda agent, _: parties.unhold(agent.extension),
        Feature.BLIND_TRANSFER: lambda agent, target: parties.blind_transfer(agent.extension, target),
        Feature.ATTENDED_TRANSFER: lambda agent, target: parties.attended_transfer(agent.extension, target),
        Feature.CONFERENCE: lambda agent, _: parties.conference(agent.extension),
        Feature.COMPLETE: lambda agent, _: parties.complete(agent.extension),
        Feature.CANCEL: lambda agent, _: parties.cancel(agent.extension),
    }


def _ignore(_answer: object) -> None:
    """What came of it is heard by the agent as a tone, and told by the snapshot."""
