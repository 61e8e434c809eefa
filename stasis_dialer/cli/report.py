"""`stasis-dialer report`: what became of calls and of agents' time, and what the rules count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import click

from stasis_dialer.cli.context import Context, command, name_or_id, pass_context
from stasis_dialer.cli.render import json_option, show_list, show_one
from stasis_dialer.core.compliance import (
    LARGE_CALLER_A_MONTH,
    SHORT_CALLS_A_DAY,
    SHORT_SECONDS,
    SHORT_SHARE,
    DayOfCalls,
    MonthOfCalls,
    abandon_window_start,
    day_bounds,
    month_bounds,
    months_between,
)
from stasis_dialer.core.model import AgentState

LONGEST_DAYS = 400
"""Days of one report; each is one question to the database."""


@dataclass(frozen=True)
class Window:
    """The days asked for, in their time zone."""

    first: date
    last: date
    zone: str

    @property
    def since(self) -> datetime:
        """Where the first day begins."""
        return day_bounds(self.first, self.zone)[0]

    @property
    def until(self) -> datetime:
        """Where the last day ends, or now."""
        return min(day_bounds(self.last, self.zone)[1], datetime.now(UTC) + timedelta(seconds=1))

    def days(self) -> list[date]:
        """Each day."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


def _window_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which days."""
    for option in (
        click.option(
            "--timezone", "zone", default="America/Sao_Paulo", show_default=True, help="Whose days are meant."
        ),
        click.option("--to", "last", metavar="DAY", help="Last day, such as 2026-11-24; default: today."),
        click.option("--from", "first", metavar="DAY", help="First day; default: the last one."),
    ):
        function = option(function)
    return function


def _window(first: str | None, last: str | None, zone: str) -> Window:
    try:
        today = datetime.now(ZoneInfo(zone)).date()
    except (KeyError, ValueError, OSError):
        raise click.BadParameter(f"no such time zone: {zone}", param_hint="--timezone") from None
    end = _day(last, "--to") if last else today
    start = _day(first, "--from") if first else end
    if start > end:
        raise click.BadParameter(f"{start} is after {end}", param_hint="--from")
    if (end - start).days >= LONGEST_DAYS:
        raise click.BadParameter(f"at most {LONGEST_DAYS} days", param_hint="--from")
    return Window(start, end, zone)


def _day(text: str, hint: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"not a day: {text!r}; write it as 2026-11-24", param_hint=hint) from None


@click.group()
def report() -> None:
    """Reports. The figures come from the same rows as the calls' records, so that they add up to them."""


@report.command()
@click.argument("name")
@_window_options
@json_option
@pass_context
@command
async def campaign(context: Context, name: str, first: str | None, last: str | None, zone: str, as_json: bool) -> None:
    """What became of a campaign's calls.

    \b
    Example: stasis-dialer report campaign spring --from 2026-11-01 --to 2026-11-30
    """
    window = _window(first, last, zone)
    async with context.store() as store:
        stored = await store.campaigns.get(name_or_id(name))
        found = await store.reports.campaign(stored.campaign.id, window.since, window.until)
    row: dict[str, Any] = {"campaign": stored.campaign.name, "from": window.since, "until": window.until}
    row |= {"calls": found.calls, "answered": found.answered, "connected": found.connected}
    row |= {"talk_seconds": found.talk_seconds}
    row |= {f"calls_{disposition}": count for disposition, count in sorted(found.dispositions.items())}
    row |= {f"answer_to_agent_p{p}_ms": round(s * 1000, 1) for p, s in found.answer_to_agent_seconds.items()}
    show_one(row, as_json)


@report.command()
@_window_options
@json_option
@pass_context
@command
async def agents(context: Context, first: str | None, last: str | None, zone: str, as_json: bool) -> None:
    """Each agent's seconds by state; they add up to the time logged in, exactly.

    \b
    Example: stasis-dialer report agents --from 2026-11-23 --to 2026-11-24 --json
    """
    window = _window(first, last, zone)
    async with context.store() as store:
        found = await store.reports.agents(window.since, window.until)
    states = [state for state in AgentState if state is not AgentState.LOGGED_OFF]
    rows = [
        {
            "extension": one.extension,
            "sessions": one.sessions,
            "calls": one.calls,
            "logged_in_seconds": round(one.logged_in_seconds, 3),
            **{f"{state}_seconds": round(one.seconds.get(str(state), 0.0), 3) for state in states},
            "talk_percent": round(100 * one.talk_share, 1),
        }
        for one in found
    ]
    show_list(rows, as_json, "no agent was logged in on these days")


@report.command()
@click.option("--campaign", "name", help="Name or id; default: all campaigns together.")
@_window_options
@json_option
@pass_context
@command
async def calls(
    context: Context, name: str | None, first: str | None, last: str | None, zone: str, as_json: bool
) -> None:
    """Calls by the hour: dialled, answered, connected to an agent, abandoned.

    \b
    Example: stasis-dialer report calls --campaign spring
    """
    window = _window(first, last, zone)
    async with context.store() as store:
        campaign_id = (await store.campaigns.get(name_or_id(name))).campaign.id if name else None
        found = await store.reports.hours(campaign_id, window.since, window.until)
    rows = [
        {
            "hour": one.hour.astimezone(ZoneInfo(zone)),
            "calls": one.calls,
            "answered": one.answered,
            "connected": one.connected,
            "abandoned": one.abandoned,
            "answered_percent": round(100 * one.answered / one.calls, 1),
            "mean_talk_seconds": round(one.talk_seconds / one.connected, 1) if one.connected else None,
        }
        for one in found
    ]
    show_list(rows, as_json, "no calls on these days")


@report.command()
@_window_options
@json_option
@pass_context
@command
async def compliance(context: Context, first: str | None, last: str | None, zone: str, as_json: bool) -> None:
    """What the rules count: short calls a day, calls a month, abandoned calls of each campaign over its window.

    \b
    Example: stasis-dialer report compliance --from 2026-11-01
    """
    window = _window(first, last, zone)
    now = datetime.now(UTC)
    async with context.store() as store:
        days = [
            DayOfCalls(day, *await store.reports.placed(*day_bounds(day, zone), SHORT_SECONDS)) for day in window.days()
        ]
        months = [
            MonthOfCalls(month, (await store.reports.placed(*month_bounds(month, zone), SHORT_SECONDS))[0])
            for month in months_between(window.first, window.last)
        ]
        campaigns = []
        for stored in await store.campaigns.find():
            one = stored.campaign
            abandoned, answered = await store.decisions.abandonment(one.id, abandon_window_start(one, now))
            campaigns.append(
                {
                    "campaign": one.name,
                    "window": str(one.abandon_window),
                    "answered": answered,
                    "abandoned": abandoned,
                    "abandoned_percent": round(100 * abandoned / answered, 2) if answered else 0.0,
                    "cap_percent": round(100 * one.abandon_cap, 2),
                    "is_over": abandoned > one.abandon_cap * answered,
                }
            )
    by_day = [
        {
            "day": one.day.isoformat(),
            "calls": one.calls,
            "short": one.short,
            "short_percent": round(100 * one.short_share, 1),
            "is_over": one.is_over,
        }
        for one in days
    ]
    by_month = [
        {"month": f"{one.month:%Y-%m}", "calls": one.calls, "is_large_caller": one.is_large_caller} for one in months
    ]
    if as_json:
        show_one({"days": by_day, "months": by_month, "campaigns": campaigns}, True)
        return
    click.echo(
        f"Short calls: not completed, to a voicemail, or over within {SHORT_SECONDS} s. "
        f"Over: {SHORT_CALLS_A_DAY:,} calls in a day with {SHORT_SHARE:.0%} or more short (Anatel 22/2024)."
    )
    show_list(by_day, False, "no days")
    click.echo(f"\nCalls of the whole months. Large caller: more than {LARGE_CALLER_A_MONTH:,} in a month.")
    show_list(by_month, False, "no days")
    click.echo("\nAbandoned of the calls that people answered, over each campaign's own window up to now.")
    show_list(campaigns, False, "no campaigns")
