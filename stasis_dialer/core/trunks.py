"""Trunks' rules: which refusals are tried on another trunk, when a trunk that fails is left alone, who is asked first.

Pure: the engine keeps one `Circuit` a trunk and hands it what was heard. A circuit opens when too large a share of the
calls of its window was refused by the carrier, lets one call through after its rest, and closes when that one works.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol, TypeVar

MOST_REROUTES: Final = 1
"""A call is tried on one other trunk: a third INVITE would come when the callee's patience is what is left."""
BUCKETS: Final = 10
"""Parts of the breaker's window: it forgets by tenths, and holds eleven numbers instead of every call."""
UNWELCOME: Final = frozenset({401, 407, 608})
"""The carrier does not know us, or blocks us: nothing that we send will work. 403 may speak of one number.
Source: RFC 3261 §21.4, RFC 8688.
"""


@dataclass(frozen=True, slots=True)
class Failover:
    """Which refusals of a trunk are tried on the next one.

    Units: `codes` are SIP responses; `seconds` from the dialling to the refusal.
    Source: RFC 3261 §21.5; 500, 502, 503 and 504 speak of the server, not of the callee.
    """

    codes: frozenset[int] = frozenset({500, 502, 503, 504})
    seconds: float = 6.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """When a trunk is left alone. `share` None: never. What is refused on a trunk that half works goes to the next one.

    Units: `share` of the calls in `window_seconds`, of which there must be `calls`; `open_seconds` until one is tried.
    """

    share: float | None = 0.8
    calls: int = 10
    window_seconds: float = 60.0
    open_seconds: float = 60.0


class CircuitState(StrEnum):
    """Whether a trunk may be used."""

    CLOSED = "closed"
    """All is well."""
    OPEN = "open"
    """Left alone."""
    HALF_OPEN = "half_open"
    """One call shows whether it works again."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """What a trunk's last calls say of it.

    Units: `since` and `until` are seconds on the engine's axis; `buckets` hold (number of the part, calls, faults).
    """

    state: CircuitState = CircuitState.CLOSED
    since: float = float("-inf")
    until: float = 0.0
    """Open: when one call may be tried; half open: when its silence is taken for a loss."""
    buckets: tuple[tuple[int, int, int], ...] = ()

    @property
    def is_closed(self) -> bool:
        """Whether the trunk may be used freely."""
        return self.state is CircuitState.CLOSED

    def counts(self) -> tuple[int, int]:
        """Calls and faults of the window."""
        return sum(calls for _, calls, _ in self.buckets), sum(faults for _, _, faults in self.buckets)


def heard(circuit: Circuit, rules: Breaker, *, is_fault: bool, placed_at: float, now: float) -> Circuit:
    """The circuit after a call that was placed at `placed_at` turned out to be refused by the carrier, or not.

    News of calls from before the circuit's last change say nothing about the trunk as it is now.
    """
    if rules.share is None or placed_at < circuit.since or circuit.state is CircuitState.OPEN:
        return circuit
    if circuit.state is CircuitState.HALF_OPEN:
        return _opened(rules, now) if is_fault else Circuit(since=now)
    counted = replace(circuit, buckets=_counted(circuit.buckets, rules, is_fault, now))
    calls, faults = counted.counts()
    if is_fault and calls >= rules.calls and faults >= rules.share * calls:
        return _opened(rules, now)
    return counted


def placed(circuit: Circuit, rules: Breaker, now: float) -> Circuit:
    """The circuit after calls were placed: on an open one they are the trial."""
    if circuit.state is CircuitState.CLOSED:
        return circuit
    return Circuit(CircuitState.HALF_OPEN, since=now, until=now + rules.open_seconds)


def allowed(circuit: Circuit, now: float) -> int | None:
    """How many calls may be placed now; None: as many as there is room for."""
    if circuit.state is CircuitState.CLOSED:
        return None
    return 1 if now >= circuit.until else 0


def _opened(rules: Breaker, now: float) -> Circuit:
    return Circuit(CircuitState.OPEN, since=now, until=now + rules.open_seconds)


def _counted(
    buckets: tuple[tuple[int, int, int], ...], rules: Breaker, is_fault: bool, now: float
) -> tuple[tuple[int, int, int], ...]:
    number = int(now // (rules.window_seconds / BUCKETS))
    kept = tuple(bucket for bucket in buckets if number - BUCKETS < bucket[0] < number)
    calls, faults = next((bucket[1:] for bucket in buckets if bucket[0] == number), (0, 0))
    return (*kept, (number, calls + 1, faults + is_fault))


def may_reroute(
    rules: Failover, *, reroutes: int, is_heard: bool, dialled_at: float, now: float, tech_cause: int | None
) -> bool:
    """Whether a refused call is tried on another trunk. `is_heard`: it rang, or something was played, before."""
    return reroutes < MOST_REROUTES and not is_heard and tech_cause in rules.codes and now - dialled_at <= rules.seconds


class Ordered(Protocol):
    """A trunk as its place among the others says."""

    @property
    def order(self) -> int: ...


T = TypeVar("T", bound=Ordered)


def by_order(trunks: Iterable[T]) -> list[list[T]]:
    """Trunks in the groups in which they are tried: the lowest order first, equals together."""
    ranks: dict[int, list[T]] = {}
    for trunk in trunks:
        ranks.setdefault(trunk.order, []).append(trunk)
    return [ranks[order] for order in sorted(ranks)]


def neighbours(trunks: Sequence[T]) -> list[list[T]]:
    """The groups of a campaign that names its trunks in an order of its own: equals that stand together."""
    found: list[list[T]] = []
    for trunk in trunks:
        if found and found[-1][-1].order == trunk.order:
            found[-1].append(trunk)
        else:
            found.append([trunk])
    return found
