"""Random stories until a million events were heard by calls and agents: `make stories`.

`python -m tests.property.million [--steps N] [--seed N] [--jobs N]`. The stories are those of `test_stories_end_well`
(seeds that are even: agents, calls, and everything that goes wrong) and of `test_transfers_end_well` (odd: holds,
transfers and conferences from the first customer on), drawn by hypothesis, only longer. One that ends badly is made as
short as possible and printed; its seed repeats it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
import traceback
from collections.abc import Callable
from typing import Any, Final

import structlog
from hypothesis import HealthCheck, Phase, seed, settings

from tests.property import test_stories_end_well as stories
from tests.property import test_transfers_end_well

MOST_BATCHES = 1_000_000
BATCH = 50
"""Stories drawn from one seed."""
DEEDS = (10, 60)
"""In one story: the calm at its end costs as much as a dozen of them."""

KINDS: Final = (
    (stories.any_story, stories.a_story),
    (test_transfers_end_well.any_transfers, test_transfers_end_well.transfers),
)


def main() -> None:
    """Play, and say how much."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1_000_000, help="events to be heard")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the first batch; each next one adds 1")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes side by side")
    options = parser.parse_args()
    print(f"first seed {options.seed}, {BATCH} stories a seed, {options.jobs} processes", flush=True)
    began, batches, steps = time.monotonic(), 0, 0
    context = multiprocessing.get_context("spawn")
    with context.Pool(options.jobs) as pool:
        for heard in pool.imap_unordered(play_batch, range(options.seed, options.seed + MOST_BATCHES)):
            batches += 1
            steps += heard
            if steps >= options.steps:
                break
            if batches % 20 == 0:
                _say(batches, steps, began)
        pool.terminate()
    _say(batches, steps, began)


def play_batch(number: int) -> int:
    """Play the stories of one seed; how many events were heard."""
    structlog.configure(processors=[stories._only_defects])
    before = stories.WatchedDispatcher.heard
    rules = settings(
        max_examples=BATCH,
        phases=[Phase.generate, Phase.shrink],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )

    any_story, a_story = KINDS[number % len(KINDS)]

    def play(on_demand: Any, deeds: Any, chance: Any, odds: Any, campaign: Any) -> None:
        a_story(on_demand, deeds, chance, odds, campaign)

    test: Callable[[], None] = seed(number)(rules(any_story(*DEEDS)(play)))
    try:
        test()
    except BaseException as error:
        traceback.print_exception(error)
        raise RuntimeError(f"a story of seed {number} ended badly; again: --seed {number} --steps 1") from None
    return stories.WatchedDispatcher.heard - before


def _say(batches: int, steps: int, began: float) -> None:
    seconds = time.monotonic() - began
    done = f"{steps:,} steps in {batches * BATCH:,} stories, {seconds:.0f} s, {steps / seconds:,.0f} steps/s"
    print(f"{done}: all ended well", flush=True)


if __name__ == "__main__":
    main()
