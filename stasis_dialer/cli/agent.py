"""`stasis-dialer agent`: log agents in and out, pause them, see what they do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import click

from stasis_dialer.cli.context import Context, actor_name, command, name_or_id, pass_context
from stasis_dialer.cli.render import json_option, show_list, show_one
from stasis_dialer.core.extensions import is_extension
from stasis_dialer.core.messages import SupervisionMode
from stasis_dialer.core.model import ConnectMode
from stasis_dialer.core.transfer import ACTIONS
from stasis_dialer.errors import Refused

TIME_FORMATS = ["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]


@click.group()
def agent() -> None:
    """Agents of a running dialer."""


@agent.command("list")
@json_option
@pass_context
@command
async def list_(context: Context, as_json: bool) -> None:
    """List the agents who are logged in."""
    show_list(await context.ask("GET", "/agents"), as_json, "no agent is logged in")


@agent.command()
@click.argument("extensions", nargs=-1, required=True)
@click.option("--campaign", "names", multiple=True, help="Serve only this campaign; may be repeated.")
@click.option(
    "--connect", type=click.Choice([str(mode) for mode in ConnectMode]), help="Default: as the campaigns say."
)
@json_option
@pass_context
@command
async def login(
    context: Context, extensions: tuple[str, ...], names: tuple[str, ...], connect: str | None, as_json: bool
) -> None:
    """Log agents in by their extensions. An always-on agent's telephone rings, and stays connected.

    \b
    Example: stasis-dialer agent login 1001 1002 --campaign spring
    """
    campaigns: list[int] = []
    if names:
        async with context.store() as store:
            campaigns = [(await store.campaigns.get(name_or_id(name))).campaign.id for name in names]
    body: dict[str, Any] = {"campaigns": campaigns, "connect": connect}
    show_list([await _post(context, extension, "login", body) for extension in extensions], as_json, "")


@agent.command()
@click.argument("extensions", nargs=-1)
@click.option("--all", "everybody", is_flag=True, help="Log everybody out.")
@json_option
@pass_context
@command
async def logout(context: Context, extensions: tuple[str, ...], everybody: bool, as_json: bool) -> None:
    """Log agents out, after the call that is on."""
    if everybody:
        show_one(await context.ask("POST", "/agents/logout"), as_json)
        return
    if not extensions:
        raise click.UsageError("name the extensions, or use --all")
    show_list([await _post(context, extension, "logout") for extension in extensions], as_json, "")


@agent.command()
@click.argument("extensions", nargs=-1, required=True)
@click.option("--reason", default="", help="Why; it is kept with the session.")
@json_option
@pass_context
@command
async def pause(context: Context, extensions: tuple[str, ...], reason: str, as_json: bool) -> None:
    """Give agents no more customers, after the call that is on."""
    show_list([await _post(context, extension, "pause", {"reason": reason}) for extension in extensions], as_json, "")


@agent.command()
@click.argument("extensions", nargs=-1, required=True)
@json_option
@pass_context
@command
async def unpause(context: Context, extensions: tuple[str, ...], as_json: bool) -> None:
    """Give paused agents customers again."""
    show_list([await _post(context, extension, "unpause") for extension in extensions], as_json, "")


@agent.command()
@click.argument("extension")
@click.argument("code")
@click.option(
    "--callback-at", type=click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]), help="Local time of this machine."
)
@click.option("--call", "call_id", help="An earlier call; default: the one that is on, or the last.")
@json_option
@pass_context
@command
async def dispose(
    context: Context, extension: str, code: str, callback_at: datetime | None, call_id: str | None, as_json: bool
) -> None:
    """Say what came of an agent's call; a later word corrects an earlier one, and the lead with it.

    \b
    Example: stasis-dialer agent dispose 1001 sale
    """
    at = callback_at.astimezone().isoformat() if callback_at else None
    body = {"code": code, "callback_at": at, "call_id": call_id}
    show_one(await _post(context, extension, "disposition", body), as_json)


@agent.command()
@click.argument("extensions", nargs=-1, required=True)
@json_option
@pass_context
@command
async def done(context: Context, extensions: tuple[str, ...], as_json: bool) -> None:
    """End agents' work after a call before its time."""
    show_list([await _post(context, extension, "done") for extension in extensions], as_json, "")


@agent.command()
@click.argument("extension")
@json_option
@pass_context
@command
async def lead(context: Context, extension: str, as_json: bool) -> None:
    """Show the lead that an agent looks at or talks with."""
    show_one(await context.ask("GET", f"/agents/{quote(extension, safe='')}/lead"), as_json)


@agent.command()
@click.argument("extension")
@json_option
@pass_context
@command
async def accept(context: Context, extension: str, as_json: bool) -> None:
    """Call the lead that is shown to an agent (mode preview)."""
    show_one(await _post(context, extension, "preview/accept"), as_json)


@agent.command()
@click.argument("extension")
@json_option
@pass_context
@command
async def skip(context: Context, extension: str, as_json: bool) -> None:
    """Pass the lead over that is shown to an agent (mode preview)."""
    show_one(await _post(context, extension, "preview/skip"), as_json)


@agent.command()
@click.argument("extension")
@click.argument("number")
@click.option("--campaign", "name", help="Name or id; default: the agent's only one, or the only manual one.")
@json_option
@pass_context
@command
async def dial(context: Context, extension: str, number: str, name: str | None, as_json: bool) -> None:
    """Call a number for an agent; hours, do-not-call and attempts hold for it as for any other.

    \b
    Example: stasis-dialer agent dial 1001 11987654321 --campaign spring
    """
    campaign = None
    if name:
        async with context.store() as store:
            campaign = (await store.campaigns.get(name_or_id(name))).campaign.id
    show_one(await _post(context, extension, "dial", {"number": number, "campaign": campaign}), as_json)


@agent.command()
@click.argument("name", metavar="CAMPAIGN")
@click.argument("members", nargs=-1, metavar="[EXTENSION[:PENALTY]]...")
@click.option("--clear", is_flag=True, help="Take all members away: the campaign is served by everybody then.")
@json_option
@pass_context
@command
async def members(context: Context, name: str, members: tuple[str, ...], clear: bool, as_json: bool) -> None:
    """Show or set who serves a campaign; the lowest penalty is asked first. It counts within a second.

    \b
    Example: stasis-dialer agent members spring 1001 1002:5
    """
    wanted = dict(_member(text) for text in members)
    async with context.store() as store:
        id_ = (await store.campaigns.get(name_or_id(name))).campaign.id
        if wanted or clear:
            await store.agents.set_members(id_, wanted)
        found = (await store.agents.members()).get(id_, {})
    rows = [{"extension": extension, "penalty": penalty} for extension, penalty in found.items()]
    show_list(rows, as_json, "the campaign has no members: every agent serves it")


def _member(text: str) -> tuple[str, int]:
    extension, _, penalty = text.partition(":")
    if not is_extension(extension) or (penalty and not penalty.isdecimal()):
        raise click.BadParameter(f"{text!r} is not EXTENSION or EXTENSION:PENALTY")
    return extension, int(penalty or 0)


@agent.command()
@click.argument("extension")
@click.option("--remove", is_flag=True, help="Let the extension log in without a PIN.")
@pass_context
@command
async def pin(context: Context, extension: str, remove: bool) -> None:
    """Set the PIN that a login by telephone asks for. It is asked for here, too, and never shown.

    \b
    Example: stasis-dialer agent pin 1001
    """
    now = datetime.now(UTC)
    if remove:
        async with context.store() as store:
            if not await store.pins.remove(extension, actor_name(), now):
                raise Refused(f"the extension has no PIN: extension={extension}")
        click.echo(f"{extension}: no PIN")
        return
    wanted = click.prompt("PIN", hide_input=True, confirmation_prompt=True)
    async with context.store() as store:
        await store.pins.set(extension, wanted, actor_name(), now)
    click.echo(f"{extension}: PIN set")


@agent.command()
@click.argument("extension")
@click.argument("to")
@json_option
@pass_context
@command
async def transfer(context: Context, extension: str, to: str, as_json: bool) -> None:
    """Transfer an agent's customer to a number, an extension or queue:CAMPAIGN.

    The customer hears music until the target is there, and comes back to the agent when it is not.

    \b
    Example: stasis-dialer agent transfer 1001 1002
             stasis-dialer agent transfer 1001 queue:support
    """
    show_one(await _post(context, extension, "transfer", {"to": to}), as_json)


@agent.command()
@click.argument("extension")
@click.argument("to")
@json_option
@pass_context
@command
async def consult(context: Context, extension: str, to: str, as_json: bool) -> None:
    """As transfer, but the agent speaks with the target first; then: complete, conference or cancel."""
    show_one(await _post(context, extension, "transfer", {"to": to, "attended": True}), as_json)


def _party_command(name: str, meaning: str) -> None:
    @agent.command(name, help=meaning)
    @click.argument("extension")
    @json_option
    @pass_context
    @command
    async def act(context: Context, extension: str, as_json: bool) -> None:
        show_one(await _post(context, extension, name), as_json)


for _name, _meaning in ACTIONS.items():
    _party_command(_name, _meaning)


def _supervise_command(mode: SupervisionMode, meaning: str) -> None:
    @agent.command(str(mode), help=f"{meaning}\n\n\b\nExample: stasis-dialer agent {mode} 1001 --as 1090")
    @click.argument("extension")
    @click.option("--as", "supervisor", required=True, help="The supervisor's extension, whose telephone is called.")
    @json_option
    @pass_context
    @command
    async def supervise(context: Context, extension: str, supervisor: str, as_json: bool) -> None:
        body = {"supervisor": supervisor, "mode": str(mode)}
        show_one(await _post(context, extension, "supervise", body), as_json)


for _mode, _meaning in {
    SupervisionMode.LISTEN: "Let a supervisor hear an agent's calls; nobody hears the supervisor.",
    SupervisionMode.WHISPER: "As listen, and the agent hears the supervisor; the customer does not.",
    SupervisionMode.BARGE: "Let a supervisor talk with agent and customer.",
}.items():
    _supervise_command(
        _mode,
        f"{_meaning} It follows the agent from call to call, until it is ended or the supervisor hangs up. Given again "
        "for the same supervisor it changes the mode.",
    )


@agent.command()
@click.argument("extension")
@json_option
@pass_context
@command
async def unsupervise(context: Context, extension: str, as_json: bool) -> None:
    """End an agent's supervision; agent and customer talk on.

    \b
    Example: stasis-dialer agent unsupervise 1001
    """
    show_one(await _post(context, extension, "unsupervise"), as_json)


@agent.command()
@click.argument("action", type=click.Choice(["pause", "resume"]))
@click.argument("extension")
@json_option
@pass_context
@command
async def recording(context: Context, action: str, extension: str, as_json: bool) -> None:
    """Pause the recording of an agent's call, or record it (again)."""
    show_one(await _post(context, extension, "recording", {"action": action}), as_json)


async def _post(context: Context, extension: str, what: str, body: Any = None) -> dict[str, Any]:
    answer: dict[str, Any] = await context.ask("POST", f"/agents/{quote(extension, safe='')}/{what}", body)
    return answer
