"""Which sounds a campaign needs: those of the settings that are in force."""

from stasis_dialer.core.media import sounds_of
from stasis_dialer.core.model import Campaign, DialMode
from stasis_dialer.core.options import Amd, AmdMode, Broadcast, Inbound, MachineAction, Recording, RecordingMode

USUAL = "sound:usual"
SPOKEN = Broadcast("sound:offer", opt_out_digit="9", opt_out_media="sound:bye", callback_media="sound:later")


def test_given_a_plain_campaign_then_it_needs_the_message_for_whom_no_agent_took() -> None:
    assert sounds_of(Campaign(7, "spring"), USUAL) == {"usual": "safe_harbour_media"}
    assert sounds_of(Campaign(7, "spring", safe_harbour_media="sound:own"), USUAL) == {"own": "safe_harbour_media"}
    assert sounds_of(Campaign(7, "spring"), None) == {}


def test_given_settings_that_are_not_in_force_then_their_sounds_are_not_needed() -> None:
    asleep = Campaign(7, "spring", recording=Recording(announcement="sound:told"), broadcast=SPOKEN)
    assert sounds_of(asleep, None) == {}


def test_given_all_in_force_then_each_is_named_by_its_setting_and_what_is_no_sound_is_left_out() -> None:
    campaign = Campaign(
        7,
        "spring",
        mode=DialMode.BROADCAST,
        broadcast=SPOKEN,
        safe_harbour_media="tone:busy",
        amd=Amd(AmdMode.DIALPLAN, on_machine=MachineAction.MESSAGE, message_media="sound:left"),
        inbound=Inbound(message_media="sound:closed"),
        recording=Recording(RecordingMode.ALL, announcement="sound:told"),
    )
    assert sounds_of(campaign, USUAL) == {
        "left": "amd.message_media",
        "closed": "inbound.message_media",
        "told": "recording.announcement",
        "offer": "broadcast.media",
        "bye": "broadcast.opt_out_media",
    }
