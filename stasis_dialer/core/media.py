"""What a campaign has Asterisk play."""

from __future__ import annotations

from typing import Final

from stasis_dialer.core.model import Campaign, DialMode
from stasis_dialer.core.options import AmdMode, MachineAction, RecordingMode

SOUND: Final = "sound:"


def sounds_of(campaign: Campaign, usual_safe_harbour: str | None) -> dict[str, str]:
    """The sounds that its calls need as it is set up, each with the setting that names it."""
    is_message_left = campaign.amd.mode is not AmdMode.OFF and campaign.amd.on_machine is MachineAction.MESSAGE
    wanted = [
        ("safe_harbour_media", campaign.safe_harbour_media or usual_safe_harbour),
        ("amd.message_media", campaign.amd.message_media if is_message_left else None),
        ("inbound.message_media", campaign.inbound.message_media),
    ]
    if campaign.recording.mode is RecordingMode.ALL:
        wanted.append(("recording.announcement", campaign.recording.announcement))
    if campaign.mode is DialMode.BROADCAST:
        said = campaign.broadcast
        wanted += [
            ("broadcast.media", said.media),
            ("broadcast.opt_out_media", said.opt_out_media if said.opt_out_digit else None),
            ("broadcast.callback_media", said.callback_media if said.callback_digit else None),
        ]
    return {
        media.removeprefix(SOUND): setting for setting, media in wanted if media is not None and media.startswith(SOUND)
    }
