"""What only a try tells of an Asterisk: `check` lets it do it, where nobody hears it."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from stasis_dialer import ari

RECORD_LOOKS, RECORD_LOOK_SECONDS = 10, 0.1
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
