"""What only a try tells of an Asterisk: `check` and `campaign start` let it do it, where nobody hears it."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from stasis_dialer import ari
from stasis_dialer.core.media import sounds_of
from stasis_dialer.core.model import Campaign
from stasis_dialer.core.options import RecordingMode
from stasis_dialer.engine import connection
from stasis_dialer.errors import DialerError
from stasis_dialer.settings import Settings

RECORD_LOOKS, RECORD_LOOK_SECONDS = 10, 0.1
PLAY_LOOKS, PLAY_LOOK_SECONDS = 10, 0.2
"""Playback() that does not fail at once has begun: a missing sound had failed at the first look (22.10.1)."""
CONTEXT, PLAYED, ASKED, BEGUN = "sd-check", "SD_PLAYED", "asked", "begun"
"""Of dialplan/stasis_dialer.conf, and what its variable says."""
PREFIX: Final = "stasis-dialer-check-"
"""Of the names that a try leaves in Asterisk's log."""


async def can_record(client: ari.Client) -> bool:
    """Whether Asterisk can write a recording: that of an empty bridge, which is deleted again.

    Asterisk accepts a recording that it cannot open the file of, and only a missing folder is refused (22.10.1).
    Raises: AriError for what is no answer to that, AriUnavailable.
    """
    name = PREFIX + secrets.token_hex(8)
    await client.call("bridges.createWithId", bridgeId=name, type="mixing")
    try:
        await client.call("bridges.record", bridgeId=name, name=name, format="wav")
        if not await _is_recording(client, name):
            return False
        await client.call("recordings.stop", recordingName=name)
        await client.call("recordings.deleteStored", recordingName=name)
    except (ari.AriNotFound, ari.AriServerError):
        return False
    finally:
        await client.call("bridges.destroy", bridgeId=name)
    return True


async def _is_recording(client: ari.Client, name: str) -> bool:
    """Whether the file is open; until then its recording is queued. Raises: AriNotFound when it could not be."""
    for _ in range(RECORD_LOOKS):
        live = await client.call("recordings.getLive", recordingName=name)
        if live["state"] == "recording":
            return True
        await asyncio.sleep(RECORD_LOOK_SECONDS)
    return False


async def can_play(client: ari.Client, sound: str) -> bool | None:
    """Whether Asterisk has this sound, in any language; None when its dialplan cannot tell.

    What Asterisk has found at its start is there. It does not list what has come since, nor what is in folders that it
    takes for a language's: those are played to nobody. Raises: AriError, AriUnavailable.
    """
    try:
        await client.call("sounds.get", soundId=sound)
        return True
    except ari.AriNotFound:
        pass
    await client.call("asterisk.setGlobalVar", variable=PLAYED, value=ASKED)
    target = {"context": CONTEXT, "extension": "play", "priority": 1}
    try:
        await client.call(
            "channels.originate", endpoint=f"Local/listen@{CONTEXT}", timeout=2, variables={"SD_SOUND": sound}, **target
        )
    except ari.AriServerError:
        return None
    said = ASKED
    for _ in range(PLAY_LOOKS):
        await asyncio.sleep(PLAY_LOOK_SECONDS)
        before, said = said, (await client.call("asterisk.getGlobalVar", variable=PLAYED)).get("value")
        if said in ("FAILED", "SUCCESS") or (before, said) == (BEGUN, BEGUN):
            break
    return None if said == ASKED else said != "FAILED"


async def lacks_of(campaign: Campaign, settings: Settings) -> list[str]:
    """What Asterisk certainly lacks for a campaign's calls; nothing while it cannot be asked."""
    lacks = []
    try:
        async with connection.connect(settings.ari) as client:
            for sound, setting in sounds_of(campaign, settings.engine.safe_harbour_media).items():
                there = await can_play(client, sound)
                if there is None:
                    break
                lacks += [] if there else [f"Asterisk has no such sound: {setting}=sound:{sound}"]
            if campaign.recording.mode is not RecordingMode.OFF and not await can_record(client):
                lacks.append("Asterisk cannot write recordings: calls go on without; run: stasis-dialer check")
    except DialerError:
        return lacks
    return lacks
