"""Random stories of holds, transfers and conferences: whatever fails, nobody is left alone and nothing is left over."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stasis_dialer.core.model import Campaign
from stasis_dialer.core.options import Transfer as Options
from stasis_dialer.core.transfer import TransferState
from tests.property.switchboard import Odds, Person
from tests.property.test_stories_end_well import Deed, World, percent, play, quiet
from tests.property.virtual_time import run

__all__ = ["quiet"]

WISHES = ("hold", "unhold", "complete", "complete", "cancel", "conference")
TRANSFERS = ("transfer_to_number", "transfer_to_agent", "transfer_to_queue")
OTHERS = ("agent_hangs_up", "customer_hangs_up", "log_in", "log_out", "pause", "gap", "call", "wrap_up_done")
deeds = st.builds(
    Deed,
    at=st.sampled_from([3.0, 4.0, 5.0, 5.01, 6.0, 7.0, 8.0, 9.0, 11.0, 13.0, 15.0, 18.0, 21.0, 30.0, 40.0, 60.0]),
    what=st.sampled_from(WISHES * 2 + TRANSFERS * 6 + OTHERS),
    who=st.integers(0, 2),
    is_on_demand=st.booleans(),
)
campaigns = st.builds(
    Campaign,
    st.just(1),
    st.just("spring"),
    ring_timeout_seconds=st.just(15.0),
    answer_deadline_seconds=st.just(10.0),
    safe_harbour_media=st.sampled_from([None, "sound:sorry"]),
    wrap_up_seconds=st.sampled_from([0.0, 3.0]),
    agent_ring_seconds=st.just(5.0),
    max_call_seconds=st.sampled_from([60.0, 120.0]),
    transfer=st.builds(Options, ring_seconds=st.sampled_from([5.0, 20.0]), queue_seconds=st.sampled_from([5.0, 30.0])),
)


def any_transfers(least: int, most: int) -> Any:
    """Gives a test what a story of so many deeds is made of, in which three agents have customers at once."""
    return given(
        st.lists(st.booleans(), min_size=3, max_size=3),
        st.lists(deeds, min_size=least, max_size=most),
        st.integers(0, 2**32),
        st.builds(Odds, percent, percent, percent, percent, percent),
        campaigns,
    )


@settings(max_examples=3 * settings.default.max_examples)
@any_transfers(3, 25)
def test_given_any_transfers_when_time_passes_then_everything_is_given_back_once(
    on_demand: list[bool], deeds: list[Deed], chance: int, odds: Odds, campaign: Campaign
) -> None:
    transfers(on_demand, deeds, chance, odds, campaign)


def transfers(on_demand: list[bool], deeds: list[Deed], chance: int, odds: Odds, campaign: Campaign) -> None:
    """Play it."""
    begin = [Deed(0.0, "log_in", who, is_on_demand) for who, is_on_demand in enumerate(on_demand)]
    calls = [Deed(0.5, "call"), Deed(0.5, "call"), Deed(2.0, "call")]
    random = Random(chance)
    run(lambda: play([*begin, *calls, *deeds], random, odds, campaign, lambda endpoint: _person(random, endpoint)))


def test_the_stories_reach_every_state_of_a_transfer() -> None:
    """A story generator that never transfers anything would prove nothing."""
    seen: Counter[TransferState] = Counter()
    look = World.look

    def watching(world: World) -> None:
        seen.update(transfer.state for transfer in world.parties.transfers())
        look(world)

    World.look = watching  # type: ignore[method-assign]
    try:
        for chance in range(60):
            _story(Random(chance))
    finally:
        World.look = look  # type: ignore[method-assign]
    assert set(TransferState) - set(seen) <= {TransferState.ENDED}, seen


def _story(random: Random) -> None:
    campaign = Campaign(1, "spring", answer_deadline_seconds=10.0, max_call_seconds=120.0)
    begin = [Deed(0.0, "log_in", who, False) for who in range(3)] + [Deed(0.5, "call"), Deed(0.5, "call")]
    kinds = (*WISHES, "complete", *TRANSFERS * 3, "agent_hangs_up")
    wishes = [
        Deed(random.uniform(3.0, 60.0), random.choice(kinds), random.randrange(3), random.random() < 0.6)
        for _ in range(60)
    ]
    run(lambda: play([*begin, *wishes], random, Odds(), campaign, lambda endpoint: _person(random, endpoint)))


def _person(random: Random, endpoint: str) -> Person:
    """Agents pick up; others mostly, and many stay."""
    if "@" not in endpoint:
        return Person(0.2)
    return random.choice([Person(0.3), Person(0.3), Person(1.0, 20.0), Person(0.5, 3.0), Person(None)])
