"""The carrier of the lab: the far side of the SIP trunk, and its log, the referee of every end-to-end test.

It is a second real Asterisk. What it does with a number is in `fates`. It writes one line when an INVITE arrives and
one when the call ends; a line is written before the call gets its first answer, so no call can be missing.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from stasis_dialer.lab.asterisk import Asterisk, link
from stasis_dialer.lab.carrier_files import CALLS_LOG, TRUNK_BY_DEFAULT, CarrierSite, carrier_files, options
from stasis_dialer.lab.fates import Fate, Outcome, fate_of
from stasis_dialer.lab.keys import press
from stasis_dialer.lab.pbx import PROJECT


@dataclass(frozen=True)
class Invite:
    """A call that reached the carrier."""

    arrived_at: datetime
    number: str
    call_id: str
    caller: str
    attempt: str
    """The header X-SD-Attempt, empty when there was none."""
    fate: Fate
    trunk: str
    """The trunk it came on."""


@dataclass(frozen=True)
class End:
    """How a call ended on the carrier's side."""

    ended_at: datetime
    answered_at: datetime | None
    cause: int
    """Q.850, 0 when the caller cancelled before an answer."""
    ended_by: str
    """`dialer`, `callee` or `carrier`."""

    @property
    def talk_seconds(self) -> float:
        """From the answer to the end, 0 when there was no answer."""
        return (self.ended_at - self.answered_at).total_seconds() if self.answered_at else 0.0


@dataclass(frozen=True)
class CarrierCall:
    """A call as the carrier saw it; `end` is None while it lasts."""

    invite: Invite
    end: End | None


@dataclass(frozen=True)
class Ring:
    """A call of the PBX that reached a phone."""

    rang_at: datetime
    phone: str
    call_id: str
    caller: str
    call_info: str
    """The header Call-Info, where a request to answer automatically would be."""


class Carrier:
    """The running carrier: its log, its channels, and calls from its customers to the PBX."""

    def __init__(self, asterisk: Asterisk, seed: int) -> None:
        self.asterisk = asterisk
        self.seed = seed
        self.log_path = asterisk.folder / CALLS_LOG

    def invites(self) -> list[Invite]:
        """Every call that arrived, in order of arrival."""
        return [call.invite for call in self.calls()]

    def calls(self) -> list[CarrierCall]:
        """Every call that arrived, in order of arrival, with its end."""
        invites: dict[str, Invite] = {}
        ends: dict[str, End] = {}
        for line in self._lines():
            if line["event"] == "invite":
                invites[line["call_id"]] = Invite(
                    arrived_at=_moment(line["at"]),
                    number=unquote(line["number"]),
                    call_id=unquote(line["call_id"]),
                    caller=unquote(line["from"]),
                    attempt=unquote(line["attempt"]),
                    fate=Fate(line["fate"]),
                    trunk=line["trunk"],
                )
            elif line["event"] == "end":
                answered = line["answered_at"]
                ends[line["call_id"]] = End(
                    ended_at=_moment(line["at"]),
                    answered_at=None if answered is None else _moment(answered),
                    cause=int(line["cause"] or 0),
                    ended_by=line["ended_by"],
                )
        return [CarrierCall(invite, ends.get(call_id)) for call_id, invite in invites.items()]

    def rings(self) -> list[Ring]:
        """Every call of the PBX that reached a phone, in order."""
        return [
            Ring(
                rang_at=_moment(line["at"]),
                phone=line["phone"],
                call_id=unquote(line["call_id"]),
                caller=unquote(line["from"]),
                call_info=unquote(line["call_info"]),
            )
            for line in self._lines()
            if line["event"] == "ring"
        ]

    def forget(self) -> None:
        """Empty the log. Calls in progress will still write their end."""
        self.log_path.write_text("")

    def refuse(self, trunk: str) -> None:
        """Answer every call of a trunk with 503, whatever the number, until `accept`."""
        self._tell(trunk, "refuses")

    def accept(self, trunk: str) -> None:
        """Treat a trunk's calls by their numbers."""
        self._tell(trunk, TRUNK_BY_DEFAULT)

    def _tell(self, trunk: str, what: str) -> None:
        self.asterisk.ari.post("asterisk/variable", variable=f"TRUNK_{trunk}_DOES", value=what)

    def truth(self, number: str) -> Outcome:
        """What this carrier does with a number."""
        return fate_of(number, self.seed)

    def call_in(self, called: str, caller: str, talk_seconds: float = 0.0) -> str:
        """A customer calls a number of the PBX; the id of the customer's channel on the carrier.

        Units: `talk_seconds` from the answer until the customer hangs up, 0 for never.
        """
        answer = self.asterisk.ari.post(
            "channels",
            {"TALK": f"{talk_seconds:g}"},
            endpoint=f"PJSIP/{called}@pbx",
            context="customer-talks",
            extension="s",
            priority=1,
            callerId=caller,
            timeout=60,
        )
        return str(answer["id"])

    def hums(self, number: str, hertz: int | str | None, ears: Path | None = None) -> None:
        """Whoever answers this number (`+55...`, a human) sends a tone, and what they hear is written to `ears`.

        A text: tones one after the other, as Asterisk's Playtones() takes them.
        `ears` is a path without its ending; `ears.wav` grows while they hear (8 kHz, 16 bit). None: as ever.
        """
        national = number.removeprefix("+55")
        for name, value in ((f"TONE_{national}", hertz), (f"EARS_{national}", ears)):
            self.asterisk.ari.post("asterisk/variable", variable=name, value=str(value or ""))

    def press(self, channel_name: str, keys: str) -> None:
        """Whoever is on this channel of the carrier presses keys."""
        press(self.asterisk, channel_name, keys)

    def channels(self) -> list[dict[str, Any]]:
        """The carrier's channels now, phones included, as ARI describes them."""
        channels: list[dict[str, Any]] = self.asterisk.ari.get("channels")
        return channels

    def _lines(self) -> list[dict[str, Any]]:
        try:
            text = self.log_path.read_text()
        except FileNotFoundError:
            return []
        complete = text[: text.rfind("\n") + 1]
        return [json.loads(line) for line in complete.splitlines()]


def write_carrier(asterisk: Asterisk, site: CarrierSite) -> None:
    """Lay out the carrier's folder."""
    asterisk.prepare(options())
    shared = PROJECT / "asterisk"
    files = carrier_files(site, (shared / "modules.conf").read_text())
    for path in shared.glob("*.conf"):
        if path.name not in files and path.name != "asterisk.conf":
            link(asterisk.etc / path.name, path)
    for name, text in files.items():
        path = asterisk.etc / name
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)
    site.log_path.touch()


def carrier_speech(asterisk: Asterisk) -> Path:
    """The folder of spoken sounds that the carrier's Asterisk has."""
    return asterisk.folder / "data" / "sounds" / "en"


def _moment(epoch: float) -> datetime:
    return datetime.fromtimestamp(float(epoch), UTC)
