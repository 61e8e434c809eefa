"""Where each call stands and since when, told by events and views; feeds the life tables as stages end.

A call is counted exactly once from placing to verdict. Events of calls never heard of, heard twice or out of order
change no table.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from stasis_dialer.core.pacing.attempts import ANSWERED, BINS, ENDED, RANG, STEP, Attempts
from stasis_dialer.core.pacing.lifetable import Array
from stasis_dialer.core.pacing.messages import PacingEvent, PacingView


class Ledger:
    """The calls in flight of one campaign."""

    def __init__(self, attempts: Attempts) -> None:
        self.attempts = attempts
        self._placed: dict[str, float] = {}
        self._ringing: dict[str, float] = {}
        self._answered: dict[str, tuple[float, bool, float, float]] = {}
        """Answered at, was ringing, age then, and the chance that it is a person."""

    def placed(self, call: str, at: float) -> None:
        """A call was placed."""
        self._placed.setdefault(call, at)

    def look(self, view: PacingView) -> None:
        """Calls that have begun to ring since the last view."""
        if view.ringing_since.keys() <= self._ringing.keys():
            return
        for call in view.ringing_since.keys() - self._ringing.keys():
            since = view.ringing_since[call]
            placed = self._placed.get(call)
            if placed is not None:
                self.attempts.dialling.ended(max(0.0, since - placed), RANG)
            self._ringing[call] = since

    def answered(self, event: PacingEvent, person_shares: Array) -> float | None:
        """A call was answered: the chance that it is a person; None when the call is unknown or was answered before."""
        call = event.attempt_id or ""
        placed = self._placed.pop(call, None)
        ringing = self._ringing.pop(call, None)
        if placed is None and ringing is None:
            return None
        since = ringing if ringing is not None else placed
        age = max(0.0, event.at - (since or 0.0))
        table = self.attempts.dialling if ringing is None else self.attempts.ringing
        table.ended(age, ANSWERED)
        share = float(person_shares[int(ringing is not None), min(int(age / STEP), BINS - 1)])
        self._answered[call] = (event.at, ringing is not None, age, share)
        return share

    def judged(self, event: PacingEvent, is_person: bool) -> None:
        """The verdict on an answer."""
        known = self._answered.pop(event.attempt_id or "", None)
        if known is not None:
            at, was_ringing, ring_age, _ = known
            self.attempts.judged(is_person, was_ringing, ring_age, max(0.0, event.at - at))

    def ended(self, event: PacingEvent, is_seen: bool) -> None:
        """A call ended without an agent; not `is_seen`: we gave it up, and what it would have done is unknown."""
        call = event.attempt_id or ""
        placed, ringing = self._placed.pop(call, None), self._ringing.pop(call, None)
        self._answered.pop(call, None)
        cause = ENDED if is_seen else None
        if ringing is not None:
            self.attempts.ringing.ended(max(0.0, event.at - ringing), cause)
        elif placed is not None:
            self.attempts.dialling.ended(max(0.0, event.at - placed), cause)

    def keep_only(self, view: PacingView) -> None:
        """Forget calls whose end was never told: the view does not hold them any more."""
        _drop(self._ringing, view.ringing_since)
        _drop(self._placed, view.dialling_since, view.ringing_since)
        _drop(self._answered, view.detecting_since)

    def person_shares(self, calls: Mapping[str, float], otherwise: float) -> list[float]:
        """For each call being judged the chance that it is a person, as its answering age suggests."""
        known = self._answered
        return [known[call][3] if call in known else otherwise for call in calls]


def _drop(held: MutableMapping[str, Any], *seen: Mapping[str, float]) -> None:
    for call in [call for call in held if not any(call in mapping for mapping in seen)]:
        del held[call]
