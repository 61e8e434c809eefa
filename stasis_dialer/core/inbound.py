"""A customer calls a campaign's number: whose call it is, which lead, and which agent should have it.

Pure: the engine brings the campaigns and the earlier calls to that customer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stasis_dialer.core.caller_ids import bare
from stasis_dialer.core.model import CallRecord, Campaign, CampaignStatus
from stasis_dialer.core.numbers import normalise
from stasis_dialer.errors import NumberRefused


@dataclass(frozen=True, slots=True)
class Match:
    """Who takes the call. `lead_id` is the customer as the campaign knows them, `agent` who spoke to them last."""

    campaign: Campaign
    lead_id: int | None = None
    agent: str | None = None


def match(
    called: str, campaigns: Sequence[Campaign], trunks_numbers: Iterable[str], earlier: Sequence[CallRecord]
) -> Match | None:
    """The campaign that the number belongs to, or None when it is nobody's.

    `earlier` are calls to this customer, the newest first. Of several campaigns with the number, the one that called
    the customer last is meant; else an active one. A trunk's own number stands for the campaigns that show no other.
    """
    owners = [campaign for campaign in campaigns if _is_one_of(called, campaign, numbers_of(campaign))]
    if not owners:
        bare_ones = [campaign for campaign in campaigns if not numbers_of(campaign)]
        shown = list(trunks_numbers)
        owners = [campaign for campaign in bare_ones if _is_one_of(called, campaign, shown)]
    if not owners:
        return None
    by_id = {campaign.id: campaign for campaign in owners}
    ours = [record for record in earlier if record.campaign_id in by_id]
    if not ours:
        return Match(min(owners, key=lambda c: (c.status is not CampaignStatus.ACTIVE, c.id)))
    campaign = by_id[ours[0].campaign_id or 0]
    mine = [record for record in ours if record.campaign_id == campaign.id]
    lead_id = next((record.lead_id for record in mine if record.lead_id is not None), None)
    agent = next((record.agent for record in mine if record.agent and record.bridged_at), None)
    return Match(campaign, lead_id, agent)


def numbers_of(campaign: Campaign) -> list[str]:
    """The numbers that the campaign shows to those it calls."""
    own = [campaign.caller_id] if campaign.caller_id else []
    return [*campaign.caller_ids.numbers, *own]


def caller_number(text: str, region: str) -> str:
    """A caller's number in E.164 without plus, or its digits when it is none; empty for a caller who hides it."""
    try:
        return normalise(text, region)
    except NumberRefused:
        return "".join(sign for sign in text if sign in "0123456789")[:15]


def _is_one_of(called: str, campaign: Campaign, numbers: Iterable[str]) -> bool:
    """However the carrier writes it: with country code, with a zero, or national."""
    wanted = caller_number(called, campaign.default_region)
    return bool(wanted) and any(
        wanted == bare(number) or wanted == caller_number(number, campaign.default_region) for number in numbers
    )
