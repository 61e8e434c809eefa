"""Brazil's numbering plan: from a number as lists write it to its national digits, area code (DDD) and subscriber.

Lists hold mobiles without the ninth digit, trunk and carrier prefixes (`0`, `0 15`), the country code with or without
plus, and numbers without area code. What is valid is phonenumbers' own metadata; anything else than a mobile or a
landline (0800, 0300, 4004, ...) is none of this module's: it answers None.
"""

from __future__ import annotations

import re
from typing import Final

from phonenumbers import PhoneMetadata

COUNTRY_CODE: Final = "55"


def _pattern(kind: str) -> str:
    return str(getattr(PhoneMetadata.metadata_for_region("BR"), kind).national_number_pattern)


_SUBSCRIBER: Final = re.compile(f"(?:{_pattern('fixed_line')})|(?:{_pattern('mobile')})")
_AREAS: Final = frozenset(f"{area}" for area in range(11, 100) if _SUBSCRIBER.fullmatch(f"{area}31234567"))
"""The area codes that exist."""
_NATIONAL_ONLY: Final = re.compile(_pattern("shared_cost"))
"""Numbers of eight digits that belong to no area: 4004-1234, 3003-1234."""

_LOCAL: Final = r"[2-8][0-9]{7}|9[0-9]{7,8}"
"""A landline begins with 2 to 5; a mobile with 9 and has nine digits, or is written without the first."""
_WRITTEN: Final = re.compile(rf"(?:(?:\+|00(?:[0-9]{{2}})?)?55)?(?:0(?:[0-9]{{2}})?)?([1-9][1-9])({_LOCAL})")
"""Country code, trunk prefix with or without the code of a long-distance carrier, area code, subscriber.

Source: Anatel, Resolution 86/1998 (0 + carrier + area + number) and its plan of carrier selection codes (two digits).
"""
_WITHOUT_AREA: Final = re.compile(_LOCAL)


def national_number(bare: str, area_code: str | None) -> str | None:
    """The area code and subscriber's number of a Brazilian mobile or landline, or None when it is neither.

    `bare` is digits, perhaps with a plus in front; `area_code` completes a number that has none.
    Source: a mobile has nine digits, the first a 9, in every area since 6 November 2016 (Anatel, Resolution 553/2010);
    one with eight began with 6 to 9 and got a 9 in front. Trunked radio, which kept eight, was switched off in 2018.
    """
    written = _WRITTEN.fullmatch(bare)
    if written is not None:
        area, local = written.groups()
    elif area_code and _WITHOUT_AREA.fullmatch(bare) and not _NATIONAL_ONLY.fullmatch(bare):
        area, local = area_code, bare
    else:
        return None
    if area not in _AREAS:
        return None
    return area + (f"9{local}" if len(local) == 8 and local > "6" else local)
