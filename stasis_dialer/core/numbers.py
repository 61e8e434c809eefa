"""Phone numbers: from what a list contains to E.164 digits, and from those to the endpoint that Asterisk dials.

Guarantees that no dial string is built from text that is not a number: `@ / & ,` in a number would choose another
target. phonenumbers is the one library the core uses; it is pure.
"""

from __future__ import annotations

import re
from typing import Final

import phonenumbers

from stasis_dialer.core.brazil import COUNTRY_CODE, national_number
from stasis_dialer.core.model import Trunk
from stasis_dialer.core.options import Numbers
from stasis_dialer.errors import ForeignNumber, NumberRefused, PremiumNumber

E164_DIGITS: Final = re.compile(r"[1-9][0-9]{6,14}")
"""E.164 without the plus sign. Source: ITU-T E.164 §6, at most 15 digits; shorter than 7 is no subscriber's number."""
DIALLABLE: Final = re.compile(r"\+?[0-9*#]{1,32}")
LONGEST_TEXT: Final = 64
"""Longer texts are no phone numbers; it bounds the work on hostile lists."""
SHORTEST_NATIONAL: Final = 8
"""A number of at most this many digits may lack its area code, outside Brazil too."""
ANY_NUMBER: Final = Numbers(may_be_foreign=True, may_be_premium=True)
"""Every number that exists; a campaign has rules of its own."""

_INVISIBLE: Final = (
    "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff\u00ad"
)
_SPACES: Final = " \u00a0\u2002\u2003\u2007\u2009\u202f"
_DASHES: Final = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_LEFT_OUT: Final = dict.fromkeys(map(ord, _INVISIBLE + _SPACES + _DASHES + "()./"))
"""What people and their spreadsheets put between digits: punctuation, its typographic kin, marks that nobody sees."""
_BARE: Final = re.compile(r"\+?[0-9]{3,32}")
_AS_FLOAT: Final = re.compile(r"[0-9]{8,15}\.0")
"""A number that a spreadsheet or a program made a decimal fraction: 11987654321.0"""
_EXPENSIVE: Final = frozenset({phonenumbers.PhoneNumberType.PREMIUM_RATE, phonenumbers.PhoneNumberType.SHARED_COST})


def normalise(text: str, region: str, rules: Numbers = ANY_NUMBER) -> str:
    """The number in E.164 without plus.

    Units: `region` is the ISO 3166-1 country in which a number without country code is read.
    Raises: NumberRefused when the text is not a valid number, or one of a kind that `rules` exclude.
    """
    if len(text) > LONGEST_TEXT:
        raise NumberRefused(f"not a phone number: length={len(text)}; give 8 to 15 digits")
    bare = (text[:-2] if _AS_FLOAT.fullmatch(text) else text).translate(_LEFT_OUT)
    if region == "BR" or bare.startswith("+55"):
        subscriber = national_number(bare, rules.area_code)
        if subscriber is not None and region == "BR":
            return COUNTRY_CODE + subscriber
        if subscriber is not None:
            bare = f"+{COUNTRY_CODE}{subscriber}"
    elif rules.area_code and len(bare) <= SHORTEST_NATIONAL and bare.isdigit():
        bare = rules.area_code + bare
    return _checked(bare, region, rules)


def stored_phone(number: str, region: str) -> str:
    """E.164 digits as a lead's phone column keeps them: read in `region` again, they are the same number.

    Digits alone for the region's own numbers, as the old panel knows them; with plus where that would be read wrongly.
    """
    if region == "BR" and number.startswith(COUNTRY_CODE):
        return number  # too long to be read as anything else
    try:
        is_same = normalise(number, region, ANY_NUMBER) == number
    except NumberRefused:
        is_same = False
    return number if is_same else f"+{number}"


def dial_endpoint(trunk: Trunk, number: str) -> str:
    """The endpoint to create on this trunk for a number in E.164 without plus.

    Raises: NumberRefused when the number, or what the trunk's format makes of it, may not be dialled.
    """
    if not E164_DIGITS.fullmatch(number):
        raise NumberRefused(f"not an E.164 number: number={masked(number)}")
    is_national = "{national" in trunk.number_format
    if is_national and country_code(number) != trunk.country_code:
        raise NumberRefused(f"number of another country: number={masked(number)} trunk={trunk.name}; use {{e164}}")
    dialled = trunk.number_format.format(
        e164=number, national=national(number) if is_national else "", carrier=trunk.carrier_code
    )
    if not DIALLABLE.fullmatch(dialled):
        raise NumberRefused(f"number_format makes no number: trunk={trunk.name}; use {{e164}} or {{national}}")
    return trunk.endpoint.format(number=dialled)


def national(number: str) -> str:
    """The number without its country code.

    Raises: NumberRefused when it has none.
    """
    return phonenumbers.national_significant_number(_parsed(number))


def country_code(number: str) -> str:
    """The country code of a number in E.164 without plus.

    Raises: NumberRefused when it has none.
    """
    return str(_parsed(number).country_code)


def _parsed(number: str) -> phonenumbers.PhoneNumber:
    try:
        return phonenumbers.parse(f"+{number}")
    except phonenumbers.NumberParseException as error:
        raise NumberRefused(f"no such country code: number={masked(number)}; {error}") from error


def masked(number: str) -> str:
    """A number as logs may show it: the last four digits."""
    return f"…{number[-4:]}" if len(number) > 4 else "…"


def _checked(bare: str, region: str, rules: Numbers) -> str:
    """As `normalise`, by phonenumbers alone."""
    if not _BARE.fullmatch(bare):
        raise NumberRefused(f"not a phone number: number={masked(bare)}; give 8 to 15 digits, no other signs")
    try:
        number = phonenumbers.parse(bare, region)
    except phonenumbers.NumberParseException as error:
        raise NumberRefused(f"not a phone number: number={masked(bare)} region={region}; {error}") from error
    if not phonenumbers.is_valid_number(number):
        raise NumberRefused(f"no such phone number: number={masked(bare)} region={region}; check area code and length")
    digits = f"{number.country_code}{phonenumbers.national_significant_number(number)}"
    if not E164_DIGITS.fullmatch(digits):
        raise NumberRefused(f"not a phone number: number={masked(bare)}; E.164 allows at most 15 digits")
    if not rules.may_be_foreign and phonenumbers.region_code_for_number(number) != region:
        raise ForeignNumber(f"a number of another country: number={masked(bare)} region={region}")
    if not rules.may_be_premium and phonenumbers.number_type(number) in _EXPENSIVE:
        raise PremiumNumber(f"a number with a charge: number={masked(bare)}; numbers.may_be_premium allows it")
    return digits
