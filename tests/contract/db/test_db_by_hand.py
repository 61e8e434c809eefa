"""A typed number is reserved like any other: the list, the attempts, one call at a time."""

import pytest

from stasis_dialer.core.model import CallStatus, LeadStatus
from stasis_dialer.db.by_hand import Typed
from stasis_dialer.db.dnc import DoNotCall
from stasis_dialer.errors import Refused
from tests.contract.db.conftest import APP, LEASE_SECONDS, NOW, Story, at

NUMBER = "5511987650001"


async def reserve(story: Story, number: str = NUMBER, call_id: str = "call-x", seconds: float = 0.0):  # type: ignore[no-untyped-def]
    typed = Typed(call_id, number, "1001")
    return await story.store.by_hand.reserve(story.campaign, typed, at(seconds), APP, LEASE_SECONDS)


async def with_phones(story: Story) -> None:
    """Where the number is a lead's, as an import of ours writes it."""
    if hasattr(story.store, "database"):
        await story.store.database.run(
            lambda s: s.execute(
                "INSERT INTO dialer_lead_phones (lead_id, position, campaign_id, number) "
                "SELECT id, 1, campaign_id, CONCAT('55', phone_number) FROM discador_contatos"
            )
        )


async def test_given_a_lead_with_the_number_then_it_is_reserved_with_it_once(story: Story) -> None:
    await story.add("11987650001", "11987650002")
    await with_phones(story)
    lead = await reserve(story)
    assert (lead.status, lead.attempts) == (LeadStatus.CALLING, 1)
    stored = await story.lead(lead.id)
    assert (stored.status, stored.attempts, stored.phone_number) == (LeadStatus.CALLING, 1, "11987650001")
    call = await story.store.calls.get("call-x")
    assert (call.lead_id, call.agent, call.number, call.status) == (lead.id, "1001", NUMBER, CallStatus.RINGING)
    with pytest.raises(Refused, match="being called already"):
        await reserve(story, call_id="call-y")
    assert await story.store.calls.get("call-y") is None
    assert [one.lead.phone_number for one in (await story.reserve(5)).reservations] == ["11987650002"]


async def test_given_no_lead_or_a_completed_one_then_the_call_is_of_its_own(story: Story) -> None:
    assert await reserve(story) is None
    call = await story.store.calls.get("call-x")
    assert (call.lead_id, call.campaign_id, call.app) == (None, story.campaign.id, APP)


async def test_given_the_list_or_no_attempt_left_then_nothing_is_written(story: Story) -> None:
    await story.add("11987650001", max_attempts=0)
    await with_phones(story)
    with pytest.raises(Refused, match="attempts=0 max_attempts=0"):
        await reserve(story)
    await story.store.dnc.add([DoNotCall("5511987650002")], NOW)
    with pytest.raises(Refused, match="do-not-call"):
        await reserve(story, "5511987650002")
    assert await story.store.calls.get("call-x") is None
