"""The agents' phones of the lab: they register with the PBX from the carrier's process and do as they are told."""

from pathlib import Path
from typing import Any

from stasis_dialer.errors import LabError
from stasis_dialer.lab.asterisk import Asterisk
from stasis_dialer.lab.keys import press
from stasis_dialer.lab.rest import AriRefused
from stasis_dialer.lab.waiting import until

AUDIO = ("speech", "tone", "echo", "silence")


class Phone:
    """One agent's phone. What it is told holds for the calls that come after."""

    def __init__(self, number: str, carrier: Asterisk, pbx: Asterisk) -> None:
        self.number = number
        self._carrier = carrier
        self._pbx = pbx

    def answers(self) -> None:
        """Answer at once and stay."""
        self.answers_after(0.0)

    def answers_after(self, seconds: float) -> None:
        """Ring for so long, then answer and stay."""
        self._tell(DELAY=f"{seconds:g}", TALK="0", DOES="answers")

    def never_answers(self) -> None:
        """Ring until the caller gives up."""
        self._tell(DOES="rings")

    def rejects(self) -> None:
        """Refuse with 486 Busy Here, as the reject key of most phones does."""
        self._tell(DOES="rejects")

    def hangs_up_after(self, seconds: float) -> None:
        """Answer at once and hang up so long after the answer."""
        self._tell(DELAY="0", TALK=f"{seconds:g}", DOES="answers")

    def says(self, audio: str) -> None:
        """What its microphone sends: `speech`, `tone`, `echo` or `silence`.

        Raises: LabError on another word.
        """
        if audio not in AUDIO:
            raise LabError(f"a phone cannot say that: audio={audio} known={','.join(AUDIO)}")
        self._tell(AUDIO=audio)

    def hums(self, hertz: int | None, ears: Path | None = None) -> None:
        """Send a tone in the calls to come, and write what it hears then to `ears` (without ending); None: not."""
        self._tell(HUMS=str(hertz or ""), EARS=str(ears or ""))

    def reset(self) -> None:
        """Be as at the start: registered, answering at once, speaking, with no call."""
        self.hang_up()
        self.says("speech")
        self.hums(None)
        self.answers()
        if not self.is_registered():
            self.register()

    def register(self) -> None:
        """Register with the PBX and wait until it knows the phone."""
        self._carrier.cli(f"pjsip send register {self.number}")
        until(self.is_registered, f"phone {self.number} to be registered")

    def unregister(self) -> None:
        """Unregister, as a phone that is switched off in order, and wait until the PBX knows."""
        self._carrier.cli(f"pjsip send unregister {self.number}")
        until(lambda: not self.is_registered(), f"phone {self.number} to be unregistered")

    def is_registered(self) -> bool:
        """Whether the PBX can reach the phone now."""
        try:
            return bool(self._pbx.ari.get(f"endpoints/PJSIP/{self.number}")["state"] == "online")
        except AriRefused:
            return False

    def dial(self, number: str) -> str:
        """Dial on the phone and stay in the call; the id of the phone's channel on the carrier."""
        answer = self._carrier.ari.post(
            "channels",
            {"PHONE": self.number},
            endpoint=f"PJSIP/{number}@{self.number}",
            context="phone-talks",
            extension="s",
            priority=1,
            callerId=self.number,
            timeout=60,
        )
        return str(answer["id"])

    def channels(self) -> list[dict[str, Any]]:
        """The phone's calls now, as the carrier's ARI describes its channels."""
        channels: list[dict[str, Any]] = self._carrier.ari.get("channels")
        return [channel for channel in channels if channel.get("channelvars", {}).get("PHONE") == self.number]

    def is_talking(self) -> bool:
        """Whether the phone has an answered call."""
        return any(channel["state"] == "Up" for channel in self.channels())

    def hang_up(self) -> None:
        """End all calls of the phone."""
        for channel in self.channels():
            try:
                self._carrier.ari.delete(f"channels/{channel['id']}", reason="normal")
            except AriRefused as refused:
                if refused.status != 404:
                    raise

    def send_dtmf(self, keys: str) -> None:
        """Press keys in the phone's answered call.

        Raises: LabError when the phone is not in a call.
        """
        press(self._carrier, self._talking()["name"], keys)

    def transfer(self, number: str) -> str:
        """Press the phone's own transfer key in its answered call; how the PBX took it: `SUCCESS` or `FAILURE`.

        Raises: LabError when the phone is not in a call.
        """
        self._tell(TRANSFER="")
        self._carrier.cli(f"channel redirect {self._talking()['name']} phone-transfers,{number},1")
        variable = f"PHONE_{self.number}_TRANSFER"

        def answer() -> str:
            return str(self._carrier.ari.get("asterisk/variable", variable=variable)["value"])

        until(lambda: answer() != "", f"the transfer of phone {self.number} to be answered")
        return answer()

    def _talking(self) -> dict[str, Any]:
        """Its answered call. Raises: LabError without one."""
        talking = [channel for channel in self.channels() if channel["state"] == "Up"]
        if not talking:
            raise LabError(f"phone has no answered call: phone={self.number}")
        return talking[0]

    def _tell(self, **settings: str) -> None:
        for name, value in settings.items():
            self._carrier.ari.post("asterisk/variable", variable=f"PHONE_{self.number}_{name}", value=value)
