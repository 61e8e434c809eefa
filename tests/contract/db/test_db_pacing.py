"""What pacing decided and learned, and the abandonment that the law counts, over MariaDB and in memory."""

from dataclasses import replace
from typing import Any

from stasis_dialer.core.model import CallRecord, CallStatus, Disposition
from stasis_dialer.db.decisions import PacingDecision
from tests.contract.db.conftest import APP, NOW, Story, at


async def test_given_decisions_when_asked_for_the_latest_then_the_newest_comes_first(story: Story) -> None:
    first = PacingDecision(story.campaign.id, NOW, 3, 2, {"reason": "risk", "theta": 0.02})
    await story.store.decisions.write([first])
    await story.store.decisions.write([replace(first, decided_at=at(1), wanted=5)])

    found = await story.store.decisions.latest(story.campaign.id, 10)

    assert [decision.wanted for decision in found] == [5, 3]
    assert found[1] == first


async def test_given_a_snapshot_when_it_is_kept_again_then_the_newer_one_is_found(story: Story) -> None:
    decisions: Any = story.store.decisions
    await decisions.save_snapshot(story.campaign.id, "predictive", {"answers": [1.5]}, NOW)
    await decisions.save_snapshot(story.campaign.id, "predictive", {"answers": [2.5]}, at(60))

    assert await decisions.snapshot(story.campaign.id, "predictive") == ({"answers": [2.5]}, at(60))
    assert await decisions.snapshot(story.campaign.id, "power") is None


async def test_given_calls_when_abandonment_is_counted_then_only_answers_of_the_window_count(story: Story) -> None:
    campaign = story.campaign.id
    endings = [
        ("answered", 0, Disposition.ANSWERED),
        ("abandoned", 1, Disposition.ABANDONED),
        ("busy", 2, Disposition.BUSY),
        ("too-old", -100, Disposition.ABANDONED),
    ]
    for name, second, disposition in endings:
        answered = at(second) if disposition is not Disposition.BUSY else None
        record = replace(
            CallRecord(name, APP, campaign),
            started_at=at(second),
            answered_at=answered,
            ended_at=at(second + 1),
            status=CallStatus.FINISHED,
            disposition=disposition,
        )
        await story.store.calls.finish([(record, None)])

    assert await story.store.decisions.abandonment(campaign, at(-10)) == (1, 2)
