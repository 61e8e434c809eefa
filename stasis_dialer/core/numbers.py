"""Phone numbers: from what a list contains to E.164 digits, and from those to the endpoint that Asterisk dials.

Guarantees that no dial string is built from text that is not a number: `@ / & ,` in a number would choose another
target. phonenumbers is the one library the core uses; it is pure.
"""

from __future__ import annotations

import re
from typing import Final

import phonenumbers

from stasis_dialer.core.model import Lead, Trunk
from stasis_dialer.errors import NumberRefused

E164_DIGITS: Final = re.compile(r"[1-9][0-9]{6,14}")
"""E.164 without the plus sign. Source: ITU-T E.164 §6, at most 15 digits; shorter than 7 is no subscriber's number."""
DIALLABLE: Final = re.compile(r"\+?[0-9*#]{1,32}")
LONGEST_TEXT: Final = 64
"""Longer texts are no phone numbers; it bounds the work on hostile lists."""


def normalise(text: str, region: str) -> str:
    """The number in E.164 without plus.

    Units: `region` is the ISO 3166-1 country in which a number without country code is read.
    Raises: NumberRefused when the text is not a valid number.
    """
    if not text or len(text) > LONGEST_TEXT:
        raise NumberRefused(f"not a phone number: length={len(text or '')}; give 8 to 15 digits")
    if not set(text) <= set("+0123456789 ()-./"):
        raise NumberRefused(f"not a phone number: number={masked(text)}; it holds other signs than digits")
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as error:
        raise NumberRefused(f"not a phone number: number={masked(text)} region={region}; {error}") from error
    if not phonenumbers.is_valid_number(number):
        raise NumberRefused(f"no such phone number: number={masked(text)} region={region}; check area code and length")
    digits = f"{number.country_code}{phonenumbers.national_significant_number(number)}"
    if not E164_DIGITS.fullmatch(digits):
        raise NumberRefused(f"not a phone number: number={masked(text)}; E.164 allows at most 15 digits")
    return digits


def lead_number(lead: Lead, region: str) -> str:
    """The number at which to call the lead: the alternate phone on every second attempt, when it is valid.

    Raises: NumberRefused when neither of the lead's numbers is valid.
    """
    phones = [lead.phone_number]
    if lead.alternate_phone:
        phones.insert(1 - lead.attempts % 2, lead.alternate_phone)
    refused: NumberRefused | None = None
    for phone in phones:
        try:
            return normalise(phone, region)
        except NumberRefused as error:
            refused = refused or error
    assert refused is not None
    raise refused


def dial_endpoint(trunk: Trunk, number: str) -> str:
    """The endpoint to create on this trunk for a number in E.164 without plus.

    Raises: NumberRefused when the number, or what the trunk's format makes of it, may not be dialled.
    """
    if not E164_DIGITS.fullmatch(number):
        raise NumberRefused(f"not an E.164 number: number={masked(number)}")
    is_national = "{national" in trunk.number_format
    dialled = trunk.number_format.format(e164=number, national=national(number) if is_national else "")
    if not DIALLABLE.fullmatch(dialled):
        raise NumberRefused(f"number_format makes no number: trunk={trunk.name}; use {{e164}} or {{national}}")
    return trunk.endpoint.format(number=dialled)


def national(number: str) -> str:
    """The number without its country code.

    Raises: NumberRefused when it has none.
    """
    try:
        parsed = phonenumbers.parse(f"+{number}")
    except phonenumbers.NumberParseException as error:
        raise NumberRefused(f"no such country code: number={masked(number)}; {error}") from error
    return phonenumbers.national_significant_number(parsed)


def masked(number: str) -> str:
    """A number as logs may show it: the last four digits."""
    return f"…{number[-4:]}" if len(number) > 4 else "…"
