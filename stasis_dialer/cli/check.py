"""`stasis-dialer check`: is everything there that the dialer needs, and what to do about what is not."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import click

from stasis_dialer import ari
from stasis_dialer.cli.context import DOWN, REFUSED, Context, command, pass_context
from stasis_dialer.cli.probes import can_play, can_record
from stasis_dialer.cli.render import json_option, show_list
from stasis_dialer.core.extensions import endpoint_of
from stasis_dialer.core.law import stale_registry
from stasis_dialer.core.lead_options import LawPack
from stasis_dialer.core.media import sounds_of
from stasis_dialer.core.model import RISKY_MODES, Campaign, CampaignStatus, ConnectMode, DialMode
from stasis_dialer.core.zones import zone_by_code
from stasis_dialer.db import schema
from stasis_dialer.db.store import Store
from stasis_dialer.engine import connection
from stasis_dialer.errors import DialerError
from stasis_dialer.settings import Settings

OLDEST_ASTERISK: Final = (20, 10)
"""Source: bridging took up to 0.2 s before 20.10 (asterisk#362, #801)."""
ADVISED_ASTERISK: Final = (22, 10)
"""Source: known deadlocks of ARI under load are fixed from here on (asterisk#1907, #1928)."""

USUAL_CAP: Final = 0.03
"""Source: 16 CFR 310.4(b)(4), Ofcom; Canada allows 5 %, California 1 %."""

# Without one of these a feature fails in the middle of a call: the dialplan needs some, hold and recording others.
MODULES: Final = (
    "res_ari_channels",
    "res_ari_bridges",
    "res_ari_applications",
    "res_ari_asterisk",
    "res_ari_endpoints",
    "res_ari_events",
    "res_ari_playbacks",
    "res_ari_recordings",
    "res_stasis_answer",
    "res_stasis_playback",
    "res_stasis_recording",
    "res_stasis_snoop",
    "res_musiconhold",
    "res_http_websocket",
    "app_stasis",
    "app_amd",
    "app_playback",
    "app_verbose",
    "app_waitforsilence",
    "chan_pjsip",
    "bridge_simple",
    "bridge_softmix",
    "bridge_holding",
    "func_timeout",
    "func_callerid",
    "func_channel",
    "func_global",
    "func_logic",
    "func_strings",
    "func_talkdetect",
    "res_pjsip_header_funcs",
)
DIALPLAN_CONTEXT: Final = "sd-check"
DIALPLAN_MARK: Final = "SD_CHECKED"
DIALPLAN_LOOKS, DIALPLAN_LOOK_SECONDS = 20, 0.1

OK, WARNING, FAILED, UNKNOWN = "ok", "warning", "failed", "unknown"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    result: str
    seen: str
    hint: str = ""


@click.command()
@json_option
@pass_context
@command
async def check(context: Context, as_json: bool) -> None:
    """Look at configuration, database, Asterisk, its modules, dialplan and trunks.

    Ends with 0 when all is well, 1 when something is wrong, 3 when a server cannot be reached, 2 when the configuration
    has problems.

    \b
    Example: stasis-dialer --config /etc/stasis-dialer/config.yaml check
    """
    settings = context.settings
    findings = [Finding("configuration", OK, str(context.config))]
    findings += await _database(context)
    findings += await _asterisk(settings, await _wanted_sounds(context))
    findings += await _dialer(context)
    rows = [{"check": f.what, "result": f.result, "seen": f.seen, "hint": f.hint} for f in findings]
    show_list(rows, as_json, "")
    if any(f.result == FAILED and f.what in ("database", "asterisk") for f in findings):
        raise click.exceptions.Exit(DOWN)
    if any(f.result == FAILED for f in findings):
        raise click.exceptions.Exit(REFUSED)


async def _database(context: Context) -> list[Finding]:
    store = context.store()
    try:
        await store.database.open()
    except DialerError as error:
        return [Finding("database", FAILED, str(error))]
    try:
        found, needed = await schema.revision_of(store.database), schema.head()
        findings = [Finding("database", OK, store.database.address)]
        if found != needed:
            hint = "run: stasis-dialer db upgrade"
            return [*findings, Finding("schema", FAILED, f"revision {found}, needed {needed}", hint)]
        findings.append(Finding("schema", OK, f"revision {found}"))
        return [*findings, await _registries(store), *await _campaigns(store, context.settings)]
    except DialerError as error:
        return [Finding("schema", FAILED, str(error))]
    finally:
        await store.close()


async def _campaigns(store: Store, settings: Settings) -> list[Finding]:
    findings = []
    for stored in await store.campaigns.find():
        problems = [*stored.problems, *_doubts(stored.campaign, settings)]
        if problems:
            level = FAILED if stored.problems else WARNING
            findings.append(Finding(f"campaign {stored.campaign.name}", level, "; ".join(problems)))
    return findings


async def _registries(store: Store) -> Finding:
    """How old the do-not-call registries are, and which campaigns they stop, by the law of their own region."""
    now = datetime.now(UTC)
    stopped: dict[str, list[str]] = {}
    for stored in await store.campaigns.find():
        campaign = stored.campaign
        zone = zone_by_code(campaign.default_region)
        why = stale_registry(campaign.law, zone, await store.dnc.registries(campaign.id), now)
        if why is not None and campaign.status is not CampaignStatus.FINISHED:
            stopped.setdefault(why, []).append(campaign.name)
    if stopped:
        seen = "; ".join(f"{why}; stops {', '.join(names)}" for why, names in stopped.items())
        return Finding("do-not-call registries", FAILED, seen, "stasis-dialer dnc import FILE --source NAME --replace")
    ages = [f"{source.source} {(now - source.registry_at).days} days" for source in await store.dnc.sources()]
    return Finding("do-not-call registries", OK, ", ".join(ages) or "none imported")


def _doubts(campaign: Campaign, settings: Settings) -> list[str]:
    """What is allowed, but hardly wanted."""
    doubts = []
    if campaign.safe_harbour_media is None and settings.engine.safe_harbour_media is None:
        price = f", and mode={campaign.mode} does not dial without" if campaign.mode in RISKY_MODES else ""
        doubts.append(f"no message for abandoned calls{price}: set engine.safe_harbour_media")
    if campaign.connect is ConnectMode.ON_DEMAND and not campaign.auto_answer and campaign.answer_deadline_seconds < 5:
        doubts.append("agents must pick up within answer_deadline_seconds: use auto_answer or always_on")
    if campaign.mode is DialMode.LEGACY:
        doubts.append("the legacy rule abandons up to half of the answers: use predictive, or progressive")
    if campaign.mode is DialMode.POWER:
        doubts.append(
            f"power does not look at the answer rate: with impulse_factor={campaign.impulse_factor:g} it may lose half "
            "of the answers until abandon_cap stops it: use predictive"
        )
    if campaign.mode in RISKY_MODES and campaign.abandon_cap > USUAL_CAP:
        doubts.append(f"abandon_cap={campaign.abandon_cap:g} is over the usual 0.03")
    if campaign.law.pack is LawPack.OFF:
        doubts.append("law.pack is off: only its own hours stand between people and calls at night; use auto")
    elif campaign.law.registry_days == 0:
        doubts.append("law.registry_days is 0: old do-not-call registries do not stop it; use null")
    unknown = set(campaign.trunks) - {trunk.name for trunk in settings.trunks}
    if unknown:
        doubts.append(f"unknown trunk {sorted(unknown)[0]}")
    return doubts


async def _wanted_sounds(context: Context) -> dict[str, list[str]]:
    """The sounds that campaigns need, each with who needs it; none while the database is away: that is said already."""
    wanted: dict[str, list[str]] = {}
    try:
        async with context.store() as store:
            found = [stored.campaign for stored in await store.campaigns.find()]
    except DialerError:
        return {}
    for campaign in found:
        if campaign.status is not CampaignStatus.FINISHED:
            for sound, setting in sounds_of(campaign, context.settings.engine.safe_harbour_media).items():
                wanted.setdefault(sound, []).append(f"{campaign.name} {setting}")
    return wanted


async def _asterisk(settings: Settings, wanted: Mapping[str, Sequence[str]]) -> list[Finding]:
    access = settings.ari
    client = connection.connect(access)
    try:
        info = await client.call("asterisk.getInfo")
    except DialerError as error:
        await client.close()
        hint = "is it running, with http.conf and ari.conf enabled?" if isinstance(error, ari.AriUnavailable) else ""
        return [Finding("asterisk", FAILED, str(error), hint)]
    findings = [Finding("asterisk", OK, f"{access.url} as {access.user}"), _version(info)]
    looks: list[Callable[[ari.Client, Settings], Awaitable[list[Finding]]]] = [
        _modules,
        _dialplan,
        _recordings,
        _trunks,
        _application,
    ]
    for look in looks:
        try:
            findings += await look(client, settings)
        except DialerError as error:
            findings.append(Finding(look.__name__.strip("_"), FAILED, str(error)))
    try:
        findings += await _sounds(client, wanted)
    except DialerError as error:
        findings.append(Finding("sounds", FAILED, str(error)))
    await client.close()
    return findings


def _version(info: Any) -> Finding:
    text = str((info.get("system") or {}).get("version", "unknown"))
    match = re.search(r"(\d+)\.(\d+)", text)
    if match is None:
        return Finding("asterisk version", UNKNOWN, text)
    version = (int(match[1]), int(match[2]))
    if version < OLDEST_ASTERISK:
        return Finding("asterisk version", FAILED, text, "20.10 or later is needed: older ones bridge too slowly")
    if version < ADVISED_ASTERISK:
        return Finding("asterisk version", WARNING, text, "22.10.1 or later is advised: ARI could deadlock under load")
    return Finding("asterisk version", OK, text)


async def _modules(client: ari.Client, settings: Settings) -> list[Finding]:
    running = {
        m["name"].removesuffix(".so") for m in await client.call("asterisk.listModules") if m["status"] == "Running"
    }
    missing = [name for name in MODULES if name not in running]
    if missing:
        return [Finding("modules", FAILED, f"not loaded: {', '.join(missing)}", "see asterisk/modules.conf")]
    return [Finding("modules", OK, f"{len(MODULES)} needed, all loaded")]


async def _dialplan(client: ari.Client, settings: Settings) -> list[Finding]:
    """Run the dialplan's own check context: it leaves a mark, and connects nobody."""
    await client.call("asterisk.setGlobalVar", variable=DIALPLAN_MARK, value="no")
    target = {"context": DIALPLAN_CONTEXT, "extension": "s", "priority": 1}
    await client.call("channels.originate", endpoint=f"Local/s@{DIALPLAN_CONTEXT}", timeout=2, **target)
    for _ in range(DIALPLAN_LOOKS):
        answer = await client.call("asterisk.getGlobalVar", variable=DIALPLAN_MARK)
        if answer.get("value") == "yes":
            return [Finding("dialplan", OK, "included")]
        await asyncio.sleep(DIALPLAN_LOOK_SECONDS)
    return [Finding("dialplan", FAILED, "not included", "include dialplan/stasis_dialer.conf in extensions.conf")]


async def _recordings(client: ari.Client, settings: Settings) -> list[Finding]:
    """A warning only: calls go on without their recordings."""
    if await can_record(client):
        return [Finding("recordings", OK, "can be written")]
    hint = "see that the folder `recording` of Asterisk's spool exists, and that Asterisk's user may write there"
    return [Finding("recordings", WARNING, "cannot be written: no call is recorded", hint)]


async def _sounds(client: ari.Client, wanted: Mapping[str, Sequence[str]]) -> list[Finding]:
    """What campaigns have played, and Asterisk may not have; nothing when nothing is played."""
    told: dict[str, bool | None] = {}
    for sound in wanted:
        told[sound] = await can_play(client, sound)
        if told[sound] is None:
            break
    hint = "put it into Asterisk's sounds folder; one that is new, and in one language only: restart Asterisk"
    findings = [
        Finding(f"sound {sound}", FAILED, f"Asterisk has no such sound; needed by {', '.join(wanted[sound])}", hint)
        for sound, is_there in told.items()
        if is_there is False
    ]
    if None in told.values():
        findings.append(Finding("sounds", UNKNOWN, "the dialplan cannot tell", "update dialplan/stasis_dialer.conf"))
    return findings or ([Finding("sounds", OK, f"{len(told)} needed, all there")] if told else [])


async def _trunks(client: ari.Client, settings: Settings) -> list[Finding]:
    findings = []
    for trunk in settings.trunks:
        technology, resource = trunk.endpoint.partition("/")[0], endpoint_of(trunk.endpoint)
        name = f"trunk {trunk.name}"
        try:
            endpoint = await client.call("endpoints.get", tech=technology, resource=resource)
        except ari.AriNotFound:
            findings.append(Finding(name, FAILED, f"Asterisk has no {technology}/{resource}", "see pjsip.conf"))
            continue
        state = str(endpoint.get("state"))
        level = WARNING if state == "offline" else OK
        findings.append(Finding(name, level, f"{technology}/{resource} is {state}"))
    return findings


async def _dialer(context: Context) -> list[Finding]:
    """What a running dialer knows of its trunks; nothing when none runs."""
    try:
        snapshot = await context.ask("GET", "/snapshot")
    except DialerError:
        return []
    hint = "the carrier refuses the calls; it is tried again by itself"
    return [Finding(f"calls on {name}", WARNING, "left alone", hint) for name in snapshot["trunks_left_alone"]]


async def _application(client: ari.Client, settings: Settings) -> list[Finding]:
    try:
        await client.call("applications.get", applicationName=settings.ari.app)
    except ari.AriNotFound:
        return [Finding("application", WARNING, f"{settings.ari.app} is not registered", "run: stasis-dialer run")]
    return [Finding("application", OK, f"{settings.ari.app} is registered")]
