"""Keys pressed on an agent's telephone become what the agent wants.

Pure: keys come one by one with their time, `press` and `waited` answer what is complete. Guarantees that a flood of
keys takes no memory and does little: what fits no code is forgotten until the keys pause or a code begins, and only so
many codes count in a while. During a call only keys that begin a code are looked at: the others are meant for the
customer's side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from stasis_dialer.core.evolve import evolve

BEGIN: Final = "*"
"""Begins a code, whatever was pressed before: it stands nowhere else in one."""
END: Final = "#"
"""Ends a number at once, as on every telephone."""
LONGEST: Final = 24
"""Keys of the longest code: its own three, and a number of 15 digits (E.164) with prefixes. Not measured."""
CODES_IN_A_WHILE: Final = 8
WHILE_SECONDS: Final = 10.0
"""More codes than a hand presses are a stuck key or a modem. Not measured."""


class Feature(StrEnum):
    """What a code asks for."""

    LOGOUT = "logout"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    WRAP_UP_DONE = "wrap_up_done"
    DISPOSITION = "disposition"
    HOLD = "hold"
    UNHOLD = "unhold"
    BLIND_TRANSFER = "blind_transfer"
    ATTENDED_TRANSFER = "attended_transfer"
    CONFERENCE = "conference"
    COMPLETE = "complete"
    CANCEL = "cancel"
    RECORDING_PAUSE = "recording_pause"
    RECORDING_RESUME = "recording_resume"
    DIAL = "dial"
    PREVIEW_ACCEPT = "preview_accept"
    PREVIEW_SKIP = "preview_skip"


WITH_ARGUMENT: Final = frozenset(
    {
        Feature.PAUSE,
        Feature.DISPOSITION,
        Feature.BLIND_TRANSFER,
        Feature.ATTENDED_TRANSFER,
        Feature.DIAL,
    }
)
"""Codes after which digits follow, until `#` or a pause. A pause's reason may be left out."""

DEFAULT_CODES: Final[Mapping[Feature, str]] = {
    Feature.HOLD: "*41",
    Feature.UNHOLD: "*42",
    Feature.BLIND_TRANSFER: "*43",
    Feature.ATTENDED_TRANSFER: "*44",
    Feature.CONFERENCE: "*45",
    Feature.COMPLETE: "*46",
    Feature.CANCEL: "*47",
    Feature.RECORDING_PAUSE: "*48",
    Feature.RECORDING_RESUME: "*49",
    Feature.DIAL: "*50",
    Feature.LOGOUT: "*52",
    Feature.PAUSE: "*53",
    Feature.UNPAUSE: "*54",
    Feature.WRAP_UP_DONE: "*55",
    Feature.DISPOSITION: "*56",
    Feature.PREVIEW_ACCEPT: "*57",
    Feature.PREVIEW_SKIP: "*58",
}
"""Those that the dialplan knows too (50 to 54) are the same whether dialled or pressed."""


@dataclass(frozen=True, slots=True)
class Pressed:
    """What the agent wants; `argument` are the digits after the code, or those of a shortcut."""

    feature: Feature
    argument: str = ""


@dataclass(frozen=True)
class Keys:
    """The keys of one telephone that have not become anything yet. Units: seconds on the engine's axis."""

    digits: str = ""
    is_deaf: bool = False
    """Whether what comes is forgotten until the keys pause."""
    codes_at: tuple[float, ...] = ()
    pressed_at: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Codes:
    """The codes in use, and how long a pause ends them."""

    codes: Mapping[Feature, str] = field(default_factory=lambda: DEFAULT_CODES)
    pause_seconds: float = 2.0


Shortcuts = Mapping[str, Pressed]
"""Digits that mean something without a code just now, such as a disposition's in the work after a call."""
Heard = tuple[Keys, Pressed | None]


def press(keys: Keys, digit: str, now: float, codes: Codes, shortcuts: Shortcuts) -> Heard:
    """One more key."""
    if now - keys.pressed_at >= codes.pause_seconds:
        keys = Keys(codes_at=keys.codes_at)
    keys = evolve(keys, pressed_at=now)
    if digit == BEGIN:
        keys = evolve(keys, digits="", is_deaf=False)
    if keys.is_deaf:
        return keys, None
    if digit == END and keys.digits:
        return _ended(keys, now, codes, shortcuts)
    digits = keys.digits + digit
    whole = _whole(digits, codes, shortcuts)
    if whole is not None:
        return _counted(keys, whole, now)
    if not _may_become(digits, codes, shortcuts):
        return evolve(keys, digits="", is_deaf=True), None
    return evolve(keys, digits=digits), None


def waited(keys: Keys, now: float, codes: Codes, shortcuts: Shortcuts) -> Heard:
    """The keys have paused: what was begun is complete or forgotten."""
    return (
        _ended(evolve(keys, is_deaf=False), now, codes, shortcuts)
        if keys.digits
        else (Keys("", False, keys.codes_at), None)
    )


def _ended(keys: Keys, now: float, codes: Codes, shortcuts: Shortcuts) -> Heard:
    digits = keys.digits
    if digits in shortcuts:
        return _counted(keys, shortcuts[digits], now)
    for feature, code in codes.codes.items():
        if feature in WITH_ARGUMENT and digits.startswith(code):
            argument = digits[len(code) :]
            if argument or feature is Feature.PAUSE:
                return _counted(keys, Pressed(feature, argument), now)
    return evolve(keys, digits=""), None


def _whole(digits: str, codes: Codes, shortcuts: Shortcuts) -> Pressed | None:
    """What the digits are, when no further key could make them anything else."""
    if digits in shortcuts and not any(other.startswith(digits) and other != digits for other in shortcuts):
        return shortcuts[digits]
    for feature, code in codes.codes.items():
        if digits == code and feature not in WITH_ARGUMENT:
            return Pressed(feature)
    return None


def _may_become(digits: str, codes: Codes, shortcuts: Shortcuts) -> bool:
    if len(digits) > LONGEST:
        return False
    if any(shortcut.startswith(digits) for shortcut in shortcuts):
        return True
    for feature, code in codes.codes.items():
        if code.startswith(digits) or (feature in WITH_ARGUMENT and _is_number(digits, code)):
            return True
    return False


def _is_number(digits: str, code: str) -> bool:
    return digits.startswith(code) and digits[len(code) :].isdigit()


def _counted(keys: Keys, pressed: Pressed, now: float) -> Heard:
    """A complete code, unless there were too many of late."""
    recent = tuple(at for at in keys.codes_at if now - at < WHILE_SECONDS)
    if len(recent) >= CODES_IN_A_WHILE:
        return evolve(keys, digits="", is_deaf=True, codes_at=recent), None
    return evolve(keys, digits="", codes_at=(*recent, now)), pressed


def problems(codes: Mapping[Feature, str]) -> list[str]:
    """Why these codes could not all be pressed, in words; empty when they can."""
    found = [
        f"{feature}: {code!r} must begin with {BEGIN} and have digits after it"
        for feature, code in codes.items()
        if not (code.startswith(BEGIN) and code[1:].isdigit() and len(code) <= 6)
    ]
    ordered = sorted(codes.items(), key=lambda item: item[1])
    for first, (feature, code) in enumerate(ordered):
        for other, longer in ordered[first + 1 :]:
            if longer.startswith(code):
                found.append(f"{feature}: {code} begins {other}: {longer}")
    return found
