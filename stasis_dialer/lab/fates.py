"""What the carrier of the lab does with a number: the one table behind its dialplan, the documentation and the tests.

A number says its fate in its digits, `+55 DD 9FRT SSSSS` for a Brazilian mobile: F what happens, R how long it rings, T
how long the answered call lasts, S a serial. F=0 is the mix: a hash of the number and the lab's seed draws the fate, so
the truth about every number is known beforehand.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum


class Fate(StrEnum):
    """How a call to a number goes."""

    HUMAN = "human"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    CONGESTION = "congestion"
    UNALLOCATED = "unallocated"
    REJECTED = "rejected"
    MACHINE = "machine"
    VOICEMAIL_PROMPT = "voicemail_prompt"
    DEAD_AIR = "dead_air"


@dataclass(frozen=True)
class Behaviour:
    """What the carrier does for a fate, and what the caller's Asterisk reports when the carrier ends the call."""

    digit: str
    description: str
    cause: int
    """Q.850 cause of ChannelDestroyed."""
    sip_status: int | None
    """Final SIP answer, `tech_cause` of ChannelDestroyed; None when the call is answered."""
    weight: int
    """Share in the mix, of 256."""


TRUNK, BACKUP = "carrier", "backup"
"""The carrier's trunks. They lead to the same numbers; the carrier can refuse all calls of one of them."""
BACKUP_DOMAIN = "backup.lab"
"""What the From header says on the second trunk, by which the carrier tells it from the first."""
MIX_DIGIT = "0"
BEHAVIOURS = {
    Fate.HUMAN: Behaviour("1", "rings, answers, says hello, stays", 16, None, 77),
    Fate.BUSY: Behaviour("2", "busy at once", 17, 486, 20),
    Fate.NO_ANSWER: Behaviour("3", "rings; the carrier gives up after R seconds", 19, 480, 52),
    Fate.CONGESTION: Behaviour("4", "the carrier has no free circuit", 34, 503, 6),
    Fate.UNALLOCATED: Behaviour("5", "no such number", 1, 404, 15),
    Fate.REJECTED: Behaviour("6", "the carrier refuses the call", 21, 403, 5),
    Fate.MACHINE: Behaviour("7", "rings, answers, long greeting, beep, records", 16, None, 38),
    Fate.VOICEMAIL_PROMPT: Behaviour(
        "8", "rings, then a voicemail prompt in early media (183), never answers", 19, 480, 38
    ),
    Fate.DEAD_AIR: Behaviour("9", "rings, answers, says nothing", 16, None, 5),
}
ANSWERED = frozenset(fate for fate, behaviour in BEHAVIOURS.items() if behaviour.sip_status is None)

RING_SECONDS = (0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 18.0, 120.0)
"""By the digit R. 120 s is longer than any dialer waits: it rings for ever."""
TALK_SECONDS = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 45.0)
"""By the digit T: seconds from the answer until the called side hangs up; 0: it stays until the caller ends."""
LONGEST_TALK_SECONDS = 600.0
"""Where `T=0` ends after all, should the caller forget the call."""
_NATIONAL = re.compile(r"[1-9][1-9]9[0-9]{8}")
_WRITTEN = re.compile(r"(?:\+?55|0)?([1-9][1-9]9[0-9]{8})")


@dataclass(frozen=True)
class Outcome:
    """The truth about a number."""

    fate: Fate
    ring_seconds: float
    talk_seconds: float | None
    """From the answer until the called side hangs up; None when it stays."""

    @property
    def is_answered(self) -> bool:
        """Whether a person or a machine picks up."""
        return self.fate in ANSWERED


def number(fate: Fate | None, ring: int = 0, talk: int = 0, serial: int = 0, area: int = 11) -> str:
    """A number in E.164 that has a fate; None for the mix.

    Units: `ring` and `talk` are the digits R and T; `serial` counts to 99999, `area` is a DDD without a zero.
    Raises: ValueError when a part does not fit.
    """
    digit = MIX_DIGIT if fate is None else BEHAVIOURS[fate].digit
    national = f"{area:02d}9{digit}{ring:d}{talk:d}{serial:05d}"
    if not _NATIONAL.fullmatch(national):
        raise ValueError(f"no such number: area={area} ring={ring} talk={talk} serial={serial}")
    return f"+55{national}"


def fate_of(dialled: str, seed: int) -> Outcome:
    """What happens to a call to a number as it was dialled: `+55DDN`, `55DDN`, `0DDN` or `DDN`.

    Anything else is unallocated.
    """
    written = _WRITTEN.fullmatch(dialled)
    if not written:
        return Outcome(Fate.UNALLOCATED, 0.0, None)
    national = written[1]
    digit = national[3]
    if digit == MIX_DIGIT:
        fate = mix_table()[int(hashlib.md5(f"{seed}:{national}".encode()).hexdigest()[:2], 16)]
    else:
        fate = next(fate for fate, behaviour in BEHAVIOURS.items() if behaviour.digit == digit)
    return Outcome(fate, RING_SECONDS[int(national[4])], TALK_SECONDS[int(national[5])] or None)


def mix_table() -> list[Fate]:
    """The fates of the mix by the first byte of the hash."""
    return [fate for fate, behaviour in BEHAVIOURS.items() for _ in range(behaviour.weight)]


def table_markdown() -> str:
    """The table for the documentation."""
    lines = ["| F | fate | what the carrier does | cause | SIP | share of the mix |", "|---|---|---|---|---|---|"]
    lines.append(f"| {MIX_DIGIT} | the mix | one of the others, by the number and the seed | | | |")
    for fate, it in BEHAVIOURS.items():
        share = f"{it.weight / 2.56:.0f} %"
        lines.append(f"| {it.digit} | {fate} | {it.description} | {it.cause} | {it.sip_status or 200} | {share} |")
    ring = ", ".join(f"{digit}: {seconds:g}" for digit, seconds in enumerate(RING_SECONDS))
    talk = ", ".join(f"{digit}: {seconds:g}" for digit, seconds in enumerate(TALK_SECONDS) if seconds)
    lines += ["", f"R, seconds of ringing: {ring}.", f"T, seconds until the called side hangs up: {talk}; 0: it stays."]
    return "\n".join(lines)
