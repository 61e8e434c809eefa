"""The trunks as they are now: channels in use, new calls a second, and whether the carrier lets calls through.

Guarantees that no call is placed over a trunk's limits or on one that is left alone. Which trunk is asked first is
decided by `core.trunks`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

import structlog

from stasis_dialer.core import trunks as rules
from stasis_dialer.core.model import Campaign, Trunk
from stasis_dialer.core.trunks import Circuit, CircuitState
from stasis_dialer.engine.clock import Clock
from stasis_dialer.errors import Refused

BURST_SECONDS = 0.1
"""Unused calls are kept for so long: a late tick does not lower the rate, and a burst stays small."""
BATCH_SECONDS = 0.04
"""A trunk at its rate gets the calls of so long at once, from 50 a second on: one transaction for two leads or more."""
log = structlog.get_logger(__name__)

TOLERANCE = 1e-6
"""Of a token: a timer that comes exactly when a call is due must not miss it by a rounding."""


class TrunkWatcher(Protocol):
    """Somebody who counts what the trunks do."""

    def trunk_told(self, trunk: str, is_fault: bool) -> None: ...

    def trunk_rerouted(self, before: str, after: str) -> None: ...

    def trunk_circuit(self, trunk: str, state: CircuitState) -> None: ...


class Nobody:
    """Counts nothing."""

    def trunk_told(self, trunk: str, is_fault: bool) -> None: ...

    def trunk_rerouted(self, before: str, after: str) -> None: ...

    def trunk_circuit(self, trunk: str, state: CircuitState) -> None: ...


class TrunkGate:
    """One trunk: a token for each new call, refilled evenly, the channels that are in use, and its circuit."""

    order: int

    def __init__(self, trunk: Trunk, clock: Clock) -> None:
        self.trunk = trunk
        self.order = trunk.order
        self.in_use = 0
        self.circuit = Circuit()
        self.share = 0.0
        """Calls placed for each unit of its weight: the lowest among equals is next."""
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
        allowed = rules.allowed(self.circuit, self._clock.now())
        return max(0, min(tokens, self.trunk.max_channels - self.in_use, tokens if allowed is None else allowed))

    def take(self, calls: int = 1) -> None:
        """So many calls are about to be placed; taken before the leads are, or the rate would lose that time."""
        self._fill()
        self._tokens -= calls
        self.in_use += calls
        self.share += calls / self.trunk.weight

    def untake(self, calls: int) -> None:
        """For so many of the calls that were taken there was no lead."""
        self._fill()
        self._tokens = min(self._largest, self._tokens + calls)
        self.in_use = max(0, self.in_use - calls)
        self.share -= calls / self.trunk.weight

    def placed(self) -> None:
        """A call was placed on it."""
        self.circuit = rules.placed(self.circuit, self.trunk.breaker, self._clock.now())

    def give_back(self) -> None:
        """A call has ended."""
        self.in_use = max(0, self.in_use - 1)

    def next_at(self) -> float | None:
        """When the next calls may be placed as far as the rate is concerned; None when only a channel is missing."""
        self._fill()
        if self.in_use >= self.trunk.max_channels:
            return None
        at = self._filled_at + max(0.0, self._batch - self._tokens) / self.trunk.calls_per_second
        return at if rules.allowed(self.circuit, at) != 0 else self.circuit.until

    def _fill(self) -> None:
        now = self._clock.now()
        earned = (now - self._filled_at) * self.trunk.calls_per_second
        self._tokens = min(self._largest, self._tokens + max(0.0, earned))
        self._filled_at = now


class Trunks:
    """All trunks of the configuration."""

    def __init__(self, trunks: Sequence[Trunk], clock: Clock, watcher: TrunkWatcher | None = None) -> None:
        self._gates = {trunk.name: TrunkGate(trunk, clock) for trunk in trunks}
        self._clock = clock
        self._watcher = watcher or Nobody()

    def of(self, campaign: Campaign) -> list[TrunkGate]:
        """The campaign's trunks in the order in which they are tried; equals by what each has had so far.

        Raises: Refused when the campaign names a trunk that the configuration does not have.
        """
        unknown = [name for name in campaign.trunks if name not in self._gates]
        if unknown:
            known = ", ".join(self._gates)
            raise Refused(f"unknown trunk: campaign={campaign.name} trunk={unknown[0]}; the configuration has {known}")
        named = [self._gates[name] for name in campaign.trunks]
        groups = rules.neighbours(named) if named else rules.by_order(self._gates.values())
        return [gate for group in groups for gate in sorted(group, key=lambda gate: gate.share)]

    def calls_per_second(self, campaign: Campaign) -> float:
        """New calls a second that the campaign's trunks take together."""
        gates = [gate for name, gate in self._gates.items() if not campaign.trunks or name in campaign.trunks]
        return sum(gate.trunk.calls_per_second for gate in gates)

    def is_any_usable(self, campaign: Campaign) -> bool:
        """Whether the carrier lets calls through on one of the campaign's trunks, or a trial is due.

        Raises: Refused as `of`.
        """
        now = self._clock.now()
        return any(rules.allowed(gate.circuit, now) != 0 for gate in self.of(campaign))

    def pick(self, campaign: Campaign) -> TrunkGate | None:
        """The trunk that the campaign's next calls go to, or None when none has room.

        A trunk that had no room for a while does not get what it missed: it counts on from where its equals are.
        Raises: Refused as `of`.
        """
        gates = self.of(campaign)
        chosen = next((gate for gate in gates if gate.room() > 0), None)
        if chosen is not None:
            for gate in gates:
                if gate.order == chosen.order:
                    gate.share = max(gate.share, chosen.share - 1.0 / gate.trunk.weight)
        return chosen

    def others(self, campaign: Campaign, tried: Collection[str]) -> Iterator[TrunkGate]:
        """The campaign's trunks with room that a refused call has not been tried on, in their order."""
        return (gate for gate in self.of(campaign) if gate.trunk.name not in tried and gate.room() > 0)

    def rerouted(self, before: str, after: TrunkGate) -> None:
        """A call that one trunk refused goes to another one."""
        after.take()
        self._watcher.trunk_rerouted(before, after.trunk.name)

    def placed(self, name: str) -> None:
        """A call was placed on this trunk."""
        gate = self._gates.get(name)
        if gate is not None:
            gate.placed()

    def told(self, name: str, placed_at: float, is_fault: bool) -> None:
        """A call shows whether the trunk works."""
        gate = self._gates.get(name)
        if gate is None:
            return
        self._watcher.trunk_told(name, is_fault)
        before = gate.circuit
        gate.circuit = rules.heard(
            before, gate.trunk.breaker, is_fault=is_fault, placed_at=placed_at, now=self._clock.now()
        )
        if before.state is not gate.circuit.state:
            self._changed(gate, before)

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

    def names(self) -> list[str]:
        """The names of the trunks."""
        return list(self._gates)

    def numbers(self) -> list[str]:
        """The numbers that the trunks show by themselves."""
        return [gate.trunk.caller_id for gate in self._gates.values() if gate.trunk.caller_id]

    def in_use(self) -> dict[str, int]:
        """Channels in use by trunk."""
        return {name: gate.in_use for name, gate in self._gates.items()}

    def circuits(self) -> dict[str, Circuit]:
        """By trunk whether it may be used."""
        return {name: gate.circuit for name, gate in self._gates.items()}

    def _changed(self, gate: TrunkGate, before: Circuit) -> None:
        name, state = gate.trunk.name, gate.circuit.state
        self._watcher.trunk_circuit(name, state)
        if state is CircuitState.CLOSED:
            log.info("trunk-works-again", trunk=name)
            return
        calls, faults = before.counts()
        log.warning(
            "trunk-left-alone",
            trunk=name,
            calls=calls + 1,
            faults=faults + 1,
            seconds=gate.trunk.breaker.open_seconds,
            was=str(before.state),
            hint="the carrier refuses the calls; is the trunk's account in order?",
        )
