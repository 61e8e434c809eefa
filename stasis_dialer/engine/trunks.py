"""The trunks' limits: channels in use, and new calls a second."""

from __future__ import annotations

from collections.abc import Sequence

from stasis_dialer.core.model import Campaign, Trunk
from stasis_dialer.engine.clock import Clock
from stasis_dialer.errors import Refused

BURST_SECONDS = 0.1
"""Unused calls are kept for so long: a late tick does not lower the rate, and a burst stays small."""
BATCH_SECONDS = 0.04
"""A trunk at its rate gets the calls of so long at once, from 50 a second on: one transaction for two leads or more."""
TOLERANCE = 1e-6
"""Of a token: a timer that comes exactly when a call is due must not miss it by a rounding."""


class TrunkGate:
    """One trunk: a token for each new call, refilled evenly, and the channels that are in use."""

    def __init__(self, trunk: Trunk, clock: Clock) -> None:
        self.trunk = trunk
        self.in_use = 0
        self._clock = clock
        self._largest = max(1.0, trunk.calls_per_second * BURST_SECONDS)
        self._batch = max(1.0, trunk.calls_per_second * BATCH_SECONDS)
        self._tokens = self._largest
        self._is_refilling = False
        self._filled_at = clock.now()

    def room(self) -> int:
        """How many calls may be placed on it now."""
        self._fill()
        if self._tokens < 1.0 - TOLERANCE:
            self._is_refilling = True
        elif self._tokens >= self._batch - TOLERANCE:
            self._is_refilling = False
        tokens = 0 if self._is_refilling else int(self._tokens + TOLERANCE)
        return max(0, min(tokens, self.trunk.max_channels - self.in_use))

    def take(self, calls: int = 1) -> None:
        """So many calls are about to be placed; taken before the leads are, or the rate would lose that time."""
        self._fill()
        self._tokens -= calls
        self.in_use += calls

    def untake(self, calls: int) -> None:
        """For so many of the calls that were taken there was no lead."""
        self._fill()
        self._tokens = min(self._largest, self._tokens + calls)
        self.in_use = max(0, self.in_use - calls)

    def give_back(self) -> None:
        """A call has ended."""
        self.in_use = max(0, self.in_use - 1)

    def next_at(self) -> float | None:
        """When the next calls may be placed as far as the rate is concerned; None when only a channel is missing."""
        self._fill()
        if self.in_use >= self.trunk.max_channels:
            return None
        return self._filled_at + max(0.0, self._batch - self._tokens) / self.trunk.calls_per_second

    def _fill(self) -> None:
        now = self._clock.now()
        earned = (now - self._filled_at) * self.trunk.calls_per_second
        self._tokens = min(self._largest, self._tokens + max(0.0, earned))
        self._filled_at = now


class Trunks:
    """All trunks of the configuration, in its order."""

    def __init__(self, trunks: Sequence[Trunk], clock: Clock) -> None:
        self._gates = {trunk.name: TrunkGate(trunk, clock) for trunk in trunks}

    def of(self, campaign: Campaign) -> list[TrunkGate]:
        """The campaign's trunks in the order in which they are tried.

        Raises: Refused when the campaign names a trunk that the configuration does not have.
        """
        unknown = [name for name in campaign.trunks if name not in self._gates]
        if unknown:
            known = ", ".join(self._gates)
            raise Refused(f"unknown trunk: campaign={campaign.name} trunk={unknown[0]}; the configuration has {known}")
        return [self._gates[name] for name in campaign.trunks] or list(self._gates.values())

    def calls_per_second(self, campaign: Campaign) -> float:
        """New calls a second that the campaign's trunks take together."""
        gates = [gate for name, gate in self._gates.items() if not campaign.trunks or name in campaign.trunks]
        return sum(gate.trunk.calls_per_second for gate in gates)

    def give_back(self, name: str) -> None:
        """A call on this trunk has ended."""
        gate = self._gates.get(name)
        if gate is not None:
            gate.give_back()

    def occupy(self, name: str) -> None:
        """A call that is on already was found: it takes a channel, but no token."""
        gate = self._gates.get(name)
        if gate is not None:
            gate.in_use += 1

    def find(self, name: str | None) -> Trunk | None:
        """The trunk with this name."""
        gate = self._gates.get(name or "")
        return gate.trunk if gate else None

    def in_use(self) -> dict[str, int]:
        """Channels in use by trunk."""
        return {name: gate.in_use for name, gate in self._gates.items()}
