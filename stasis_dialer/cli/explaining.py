"""`stasis-dialer leads explain` and `campaign explain`: every gate between leads and their next calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import click

from stasis_dialer.cli.context import Context, command, name_or_id, pass_context
from stasis_dialer.cli.reasons import meaning
from stasis_dialer.cli.render import json_option, show_list, show_one
from stasis_dialer.core.gates import OF_PHONE
from stasis_dialer.core.model import Campaign
from stasis_dialer.core.numbers import ANY_NUMBER, normalise
from stasis_dialer.db.explain import LeadExplained, PhoneVerdicts
from stasis_dialer.db.store import Store
from stasis_dialer.errors import CampaignNotFound, DialerNotRunning, NumberRefused, Refused

LONGEST_ID = 9
"""Digits of a lead's id at most; what is longer, or has other signs, is a number."""
NO_TRUNK = frozenset(
    {"asterisk_away", "stopping", "trunks_left_alone", "caller_ids_used_up", "unknown_trunk", "unknown_mode", "failed"}
)
"""Reasons of the pacing for which no call is placed, whatever the lead."""


@click.command("explain")
@click.argument("which", metavar="ID|NUMBER")
@click.option("--region", default="BR", show_default=True, help="Country of a number without country code.")
@json_option
@pass_context
@command
async def explain_lead(context: Context, which: str, region: str, as_json: bool) -> None:
    """Why a lead is dialled, or not: every gate in order, the one that holds it, and when it will be callable.

    WHICH is a lead's id, or a telephone number: then every lead that has it. Ends with 0 when a lead may be called
    now, else with 1.

    \b
    Examples:
      stasis-dialer leads explain 4711
      stasis-dialer leads explain "(11) 98765-4321"
    """
    now = datetime.now(UTC)
    async with context.store() as store:
        found = []
        for lead_id in await _ids(store, which, region):
            explained = await _explained(context, store, lead_id, now)
            if explained is not None:
                found.append(explained)
    if not found:
        raise Refused(f"no lead is known by that: {which}; `leads list` shows ids, `dnc check` asks for a number alone")
    if as_json:
        show_one({"leads": [_object(one, campaign) for one, campaign in found]}, True)
    else:
        for one, campaign in found:
            _show(one, campaign, now)
    if not any(one.best.opens_at == now for one, _ in found):
        raise click.exceptions.Exit(1)


async def _ids(store: Store, which: str, region: str) -> list[int]:
    if which.isdecimal() and len(which) <= LONGEST_ID:
        return [int(which)]
    try:
        return await store.explain.leads_of(normalise(which, region, ANY_NUMBER))
    except NumberRefused as error:
        raise Refused(f"neither a lead's id nor a telephone number: {error}") from error


async def _explained(
    context: Context, store: Store, lead_id: int, now: datetime
) -> tuple[LeadExplained, Campaign] | None:
    lead = await store.leads.get(lead_id)
    if lead is None:
        return None
    try:
        campaign = (await store.campaigns.get(lead.campaign_id)).campaign
    except CampaignNotFound:
        raise Refused(f"the lead's campaign is gone: lead_id={lead_id} campaign_id={lead.campaign_id}") from None
    to_number = partial(normalise, region=campaign.default_region, rules=campaign.numbers)
    found = await store.explain.lead(lead_id, campaign, to_number, now, await no_trunk(context, campaign))
    return None if found is None else (found, campaign)


async def no_trunk(context: Context, campaign: Campaign) -> str | None:
    """Why no call can leave for this campaign, as its trunks and the running dialer know; None: one can."""
    known = [trunk.name for trunk in context.settings.trunks]
    unknown = [name for name in campaign.trunks if name not in known]
    if unknown:
        return f"unknown trunk: trunk={unknown[0]}"
    try:
        snapshot = await context.ask("GET", "/snapshot")
    except DialerNotRunning:
        return "the dialer is not running"
    reason = snapshot["pacing"].get(str(campaign.id))
    if not snapshot["is_connected"]:
        return "the connection to Asterisk is down"
    return meaning(reason) if reason in NO_TRUNK else None


def _object(one: LeadExplained, campaign: Campaign) -> dict[str, Any]:
    best = one.best
    return {
        "lead_id": one.lead.id,
        "campaign": campaign.name,
        "held_by": best.held_by.gate if best.held_by else None,
        "why": best.held_by.why if best.held_by else None,
        "ends": best.held_by.ends if best.held_by else None,
        "callable_at": best.opens_at,
        "phones": [
            {"number": f"...{phone.case.phone.number[-4:]}", "callable_at": phone.opens_at, "gates": _rows(phone)}
            for phone in one.phones
        ],
    }


def _rows(phone: PhoneVerdicts) -> list[dict[str, Any]]:
    return [
        {
            "gate": str(verdict.gate),
            "result": "pass" if verdict.is_open else "fail",
            "why": verdict.why or "-",
            "opens_at": None if verdict.is_open else verdict.opens_at,
        }
        for verdict in phone.verdicts
    ]


def _show(one: LeadExplained, campaign: Campaign, now: datetime) -> None:
    best = one.best
    click.echo(f"lead {one.lead.id} of {campaign.name}: {_verdict(best, campaign, now)}")
    show_list(_rows(best), False, "")
    for other in one.phones:
        if other is not best:
            shut = [v for v in other.verdicts if v.gate in OF_PHONE and not v.is_open]
            why = "; ".join(f"{v.gate}: {v.why}" for v in shut) or "nothing against it"
            click.echo(f"its phone ...{other.case.phone.number[-4:]}: {why}")


def _verdict(best: PhoneVerdicts, campaign: Campaign, now: datetime) -> str:
    if best.opens_at == now:
        return "may be called now"
    held = best.held_by
    assert held is not None
    if best.opens_at is None:
        end = f", and will be closed as {held.ends}" if held.ends else ""
        return f"held by {held.gate} ({held.why}){end}; time alone does not change that"
    local = best.opens_at.astimezone(ZoneInfo(campaign.timezone))
    return f"held by {held.gate} ({held.why}); callable from {local:%Y-%m-%d %H:%M} in {campaign.timezone}"


@click.command("explain")
@click.argument("name")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 1000), help="How many decisions.")
@json_option
@pass_context
@command
async def explain_campaign(context: Context, name: str, limit: int, as_json: bool) -> None:
    """Why a campaign dials, or not: how many leads each gate holds, and the last pacing decisions with their inputs.

    What the leads' limits and the do-not-call list hold is told of the hundred leads that are up next.

    \b
    Example: stasis-dialer campaign explain spring --limit 20
    """
    now = datetime.now(UTC)
    async with context.store() as store:
        campaign = (await store.campaigns.get(name_or_id(name))).campaign
        to_number = partial(normalise, region=campaign.default_region, rules=campaign.numbers)
        held = await store.explain.campaign(campaign, now, await no_trunk(context, campaign))
        up_next = await store.explain.up_next(campaign, to_number, now)
        decisions = await store.decisions.latest(campaign.id, limit)
    rows = [
        {
            "at": decision.decided_at,
            "reason": decision.inputs.get("reason"),
            **({"meaning": meaning(decision.inputs.get("reason"))} if as_json else {}),
            "wanted": decision.wanted,
            "reserved": decision.reserved,
            "cancelled": decision.inputs.get("cancel"),
            "inputs": _inputs(decision.inputs, as_json),
        }
        for decision in decisions
    ]
    if as_json:
        by_gate = {"gates": [asdict(one) for one in held], "up_next": [asdict(one) for one in up_next]}
        show_one({**by_gate, "decisions": rows}, True)
        return
    show_list([asdict(one) for one in held], False, "no leads: import some with `leads import`")
    if up_next:
        click.echo(f"\nOf the next {sum(one.leads for one in up_next)} leads that are up:")
        show_list([{"gate": one.gate, "leads": one.leads, "why": one.why} for one in up_next], False, "")
    click.echo()
    show_list(rows, False, "no decisions yet: the dialer has not looked at this campaign")
    for reason in dict.fromkeys(row["reason"] for row in rows):
        click.echo(f"{reason}: {meaning(reason)}")


def _inputs(inputs: Mapping[str, Any], as_json: bool) -> Any:
    """What a decision was made from: an object for programs, a line for people."""
    numbers = {key: value for key, value in inputs.items() if key not in ("reason", "cancel")}
    return numbers if as_json else " ".join(f"{key}={value:.4g}" for key, value in numbers.items())
