"""The keys that agents press, collected until they are a code.

The decisions are `core.feature_codes`; here stand one collection for each session, and the timers of their pauses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from stasis_dialer.core.agent import Agent
from stasis_dialer.core.feature_codes import Codes, Feature, Keys, Pressed, Shortcuts, press, waited
from stasis_dialer.core.model import AgentState
from stasis_dialer.engine.clock import Clock

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Pad:
    keys: Keys = field(default_factory=Keys)
    timer: asyncio.TimerHandle | None = None


class Keypads:
    """One for each agent who has pressed something; forgotten with the session."""

    def __init__(self, clock: Clock, codes: Codes, act: Callable[[Agent, Pressed], None]) -> None:
        self._clock = clock
        self._codes = codes
        self._act = act
        self._pads: dict[str, _Pad] = {}
        self._agent_of: Callable[[str], Agent | None] = lambda extension: None

    def watch(self, agent_of: Callable[[str], Agent | None]) -> None:
        """Where an agent's present session is found when the keys have paused."""
        self._agent_of = agent_of

    def pressed(self, agent: Agent, key: str) -> None:
        """An agent pressed a key."""
        pad = self._pads.setdefault(agent.session_id, _Pad())
        pad.keys, found = press(pad.keys, key, self._clock.now(), self._codes, shortcuts(agent))
        self._wait(pad, agent)
        if found is not None:
            self._found(agent, found)

    def forget(self, session_id: str) -> None:
        """The session is over."""
        pad = self._pads.pop(session_id, None)
        if pad is not None and pad.timer is not None:
            pad.timer.cancel()

    def _wait(self, pad: _Pad, agent: Agent) -> None:
        if pad.timer is not None:
            pad.timer.cancel()
            pad.timer = None
        if pad.keys.digits:
            loop = asyncio.get_running_loop()
            pad.timer = loop.call_later(self._codes.pause_seconds, self._paused, agent.session_id, agent.extension)

    def _paused(self, session_id: str, extension: str) -> None:
        pad, agent = self._pads.get(session_id), self._agent_of(extension)
        if pad is None or agent is None or agent.session_id != session_id:
            return
        pad.timer = None
        pad.keys, found = waited(pad.keys, self._clock.now(), self._codes, shortcuts(agent))
        if found is not None:
            self._found(agent, found)

    def _found(self, agent: Agent, found: Pressed) -> None:
        log.info("feature-code", agent=agent.extension, feature=str(found.feature))
        self._act(agent, found)


def shortcuts(agent: Agent) -> Shortcuts:
    """What plain digits mean now: in the work after a call the dispositions' own."""
    if agent.state is not AgentState.WRAP_UP:
        return NOTHING
    return {
        choice.digit: Pressed(Feature.DISPOSITION, choice.digit)
        for choice in agent.dispositions.choices
        if choice.digit is not None
    }


NOTHING: Final[Mapping[str, Pressed]] = {}
