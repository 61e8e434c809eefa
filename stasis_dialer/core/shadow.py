"""What a live dialer's calls and telephones look like to a pacer that only watches.

The rows of the old panel have whole seconds and no word for a machine or a wrap-up: an answer counts as a person, and
an agent who hung up is free. What cannot be seen is not guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stasis_dialer.core.model import ExtensionStatus, LineStatus
from stasis_dialer.core.pacing import PacingEvent, PacingView


@dataclass(frozen=True, slots=True)
class WatchedCall:
    """A call as its row has it. Units: `_at` seconds on the watcher's axis; None: not yet."""

    call_id: str
    started_at: float
    answered_at: float | None = None
    ended_at: float | None = None
    agent: str | None = None

    @property
    def is_open(self) -> bool:
        """It goes on."""
        return self.ended_at is None


@dataclass(slots=True)
class Watch:
    """What a pacer was told of each call, so that it hears everything once."""

    _told: dict[str, set[str]] = field(default_factory=dict)

    def news(self, calls: Sequence[WatchedCall]) -> list[PacingEvent]:
        """What happened since the last look, in the order of time; calls that are no longer seen are forgotten."""
        events: list[PacingEvent] = []
        told: dict[str, set[str]] = {}
        for call in calls:
            known = told[call.call_id] = self._told.get(call.call_id, set())
            for event in _story(call):
                if event.kind not in known:
                    known.add(event.kind)
                    events.append(event)
        self._told = told
        return sorted(events, key=lambda event: event.at)


def _story(call: WatchedCall) -> list[PacingEvent]:
    """Everything that has happened to a call."""
    id_, began, answered, ended = call.call_id, call.started_at, call.answered_at, call.ended_at
    story = [PacingEvent("placed", began, id_)]
    if answered is not None:
        story += [
            PacingEvent("answered", answered, id_, age=max(0.0, answered - began)),
            PacingEvent("human", answered, id_),
        ]
        if call.agent:
            story.append(PacingEvent("connected", answered, id_))
            if ended is not None:
                story.append(PacingEvent("talk_ended", ended, id_, "human", value=max(0.0, ended - answered)))
        elif ended is not None:
            story.append(PacingEvent("abandoned", ended, id_))
    elif ended is not None:
        story.append(PacingEvent("result", ended, id_, "no_answer", age=max(0.0, ended - began)))
    return story


@dataclass(frozen=True, slots=True)
class Phones:
    """The extensions of a campaign's agents by the panel."""

    registered: int
    legacy_ready: int
    """The legacy's rule: a line is free, whatever the other one does."""
    ready: int
    """No line is busy."""
    busy: tuple[str, ...]


def phones_of(extensions: Iterable[ExtensionStatus]) -> Phones:
    """What the panel says of some extensions."""
    registered = [one for one in extensions if one.is_registered]
    busy = tuple(one.number for one in registered if LineStatus.BUSY in (one.line1, one.line2))
    available = [one for one in registered if one.is_available]
    ready = sum(1 for one in available if one.number not in busy)
    return Phones(len(registered), len(available), ready, busy)


def view(
    now: float,
    calls: Sequence[WatchedCall],
    calling: int,
    ready: int,
    talking_since: Mapping[str, float],
    max_channels: int,
) -> PacingView:
    """The campaign as its pacer sees it.

    `calling`: its leads that are `calling`; those without a call row yet are being dialled.
    """
    live = [call for call in calls if call.is_open]
    unseen = max(0, calling - len(live))
    return PacingView(
        now=now,
        agents_logged_in=ready + len(talking_since),
        agents_ready=ready,
        talking_since=talking_since,
        dialling_since={f"unseen-{index}": now for index in range(unseen)},
        ringing_since={call.call_id: call.started_at for call in live if call.answered_at is None},
        waiting=sum(1 for call in live if call.answered_at is not None and not call.agent),
        max_channels=max_channels,
        channels_in_use=len(live) + unseen,
    )
