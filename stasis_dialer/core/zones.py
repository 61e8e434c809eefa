"""Where a called number is: its country, state and time zones, from the number alone.

A zone's code is kept with each lead, so that a reservation reads only leads whose zone is open; it says all that the
law needs. In Brazil the area code (DDD) gives the state, elsewhere phonenumbers' own data. A number that may be in
several time zones has them all: it may be called when all of them may.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import phonenumbers

from stasis_dialer.core.brazil import COUNTRY_CODE

CODE_LENGTH: Final = 64
"""Characters of a zone's code at most."""

ON_AGENDA: Final = "-"
"""In a zone's place: the lead waits for its callback, and is dialled by that alone."""

_WHOLE_US: Final = ("America/New_York", "America/Los_Angeles", "Pacific/Honolulu")
"""The first and the last of a toll-free or unknown number's zones; Alaska lies between."""

NOWHERE: Final = "?"
"""In a zone's place: none of the lead's texts is a number; its reservation will close it."""

UNKNOWN_ZONES: Final = ("Etc/UTC",)
"""Of a number that belongs to no country, such as a satellite telephone's."""

_STATES_OF_BRAZIL: Final = {
    "AC": ("America/Rio_Branco",),
    "AL": ("America/Maceio",),
    "AM": ("America/Manaus",),
    "AP": ("America/Belem",),
    "BA": ("America/Bahia",),
    "CE": ("America/Fortaleza",),
    "DF": ("America/Sao_Paulo",),
    "ES": ("America/Sao_Paulo",),
    "GO": ("America/Sao_Paulo",),
    "MA": ("America/Fortaleza",),
    "MG": ("America/Sao_Paulo",),
    "MS": ("America/Campo_Grande",),
    "MT": ("America/Cuiaba",),
    "PA": ("America/Belem",),
    "PB": ("America/Fortaleza",),
    "PE": ("America/Recife",),
    "PI": ("America/Fortaleza",),
    "PR": ("America/Sao_Paulo",),
    "RJ": ("America/Sao_Paulo",),
    "RN": ("America/Fortaleza",),
    "RO": ("America/Porto_Velho",),
    "RR": ("America/Boa_Vista",),
    "RS": ("America/Sao_Paulo",),
    "SC": ("America/Sao_Paulo",),
    "SE": ("America/Maceio",),
    "SP": ("America/Sao_Paulo",),
    "TO": ("America/Araguaina",),
}
"""Source: tz database, zone1970.tab and its comments on Brazil. Noronha (in DDD 81) cannot be told from Pernambuco."""

_AREAS_OF_BRAZIL: Final = {
    "AC": "68", "AL": "82", "AM": "92", "AP": "96", "BA": "71 73 74 75 77", "CE": "85 88", "DF": "61", "ES": "27 28",
    "GO": "62 64", "MA": "98 99", "MG": "31 32 33 34 35 37 38", "MS": "67", "MT": "65 66", "PA": "91 93 94", "PB": "83",
    "PE": "81 87", "PI": "86 89", "PR": "41 42 43 44 45 46", "RJ": "21 22 24", "RN": "84", "RO": "69", "RR": "95",
    "RS": "51 53 54 55", "SC": "47 48 49", "SE": "79", "SP": "11 12 13 14 15 16 17 18 19", "TO": "63",
}  # fmt: skip
"""Source: Anatel, Plano Geral de Códigos Nacionais (Resolução 263/2001 and its changes)."""

_BRAZIL_CODES: Final = {area: f"BR-{state}" for state, areas in _AREAS_OF_BRAZIL.items() for area in areas.split()} | {
    "97": "BR-AM|America/Manaus|America/Eirunepe"
}
"""DDD 97 reaches into the west of Amazonas, which is an hour behind Manaus."""

_STATES_OF_US: Final = {
    "Alabama": "AL", "Alaska": "AK", "Arizona": "AZ", "Arkansas": "AR", "California": "CA", "Colorado": "CO",
    "Connecticut": "CT", "Delaware": "DE", "Florida": "FL", "Georgia": "GA", "Hawaii": "HI", "Idaho": "ID",
    "Illinois": "IL", "Indiana": "IN", "Iowa": "IA", "Kansas": "KS", "Kentucky": "KY", "Louisiana": "LA",
    "Maine": "ME", "Maryland": "MD", "Massachusetts": "MA", "Michigan": "MI", "Minnesota": "MN", "Mississippi": "MS",
    "Missouri": "MO", "Montana": "MT", "Nebraska": "NE", "Nevada": "NV", "New Hampshire": "NH", "New Jersey": "NJ",
    "New Mexico": "NM", "New York": "NY", "North Carolina": "NC", "North Dakota": "ND", "Ohio": "OH", "Oklahoma": "OK",
    "Oregon": "OR", "Pennsylvania": "PA", "Rhode Island": "RI", "South Carolina": "SC", "South Dakota": "SD",
    "Tennessee": "TN", "Texas": "TX", "Utah": "UT", "Vermont": "VT", "Virginia": "VA", "Washington": "WA",
    "Washington D.C.": "DC", "West Virginia": "WV", "Wisconsin": "WI", "Wyoming": "WY",
}  # fmt: skip
"""What phonenumbers calls a state, and its two letters. Source: USPS, Publication 28, appendix B."""

_AREA_DIGITS: Final = 7
"""Country code, area and exchange of a North American number: phonenumbers' data go no deeper."""


@dataclass(frozen=True, slots=True)
class Zone:
    """Where a number is. `country` is ISO 3166-1 alpha-2, empty for none; `state` ISO 3166-2 without the country."""

    code: str
    country: str
    state: str | None
    timezones: tuple[str, ...]

    @property
    def place(self) -> str:
        """Country and state, as holidays are kept by: `BR-SP`, `DE`."""
        return f"{self.country}-{self.state}" if self.state else self.country


def zone_of(number: str) -> Zone:
    """Where a number in E.164 without plus is."""
    if number.startswith(COUNTRY_CODE):
        return zone_by_code(_BRAZIL_CODES.get(number[2:4], "BR"))
    is_american = number.startswith("1")
    return _foreign_zone(f"{number[:_AREA_DIGITS]}{'0' * (len(number) - _AREA_DIGITS)}" if is_american else number)


@lru_cache(maxsize=4096)
def zone_by_code(code: str) -> Zone:
    """The zone that a code stands for; one that nobody knows could be anywhere."""
    place, *timezones = code.split("|")
    country, _, state = place.partition("-")
    if timezones:
        return Zone(code, country, state or None, tuple(timezones))
    if country == "BR" and state in _STATES_OF_BRAZIL:
        return Zone(code, country, state, _STATES_OF_BRAZIL[state])
    if country == "BR":
        every = {timezone for zones in _STATES_OF_BRAZIL.values() for timezone in zones}
        return Zone(code, country, None, tuple(sorted(every)))
    return Zone(code, country, state or None, _timezones_of_country(country))


@lru_cache(maxsize=65_536)
def _foreign_zone(number: str) -> Zone:
    from phonenumbers import timezone  # its data are large, and most dialers call one country

    try:
        parsed = phonenumbers.parse(f"+{number}")
    except phonenumbers.NumberParseException:
        return zone_by_code("")
    country = phonenumbers.region_code_for_number(parsed) or phonenumbers.region_code_for_country_code(
        parsed.country_code or 0
    )
    state = _american_state(number) if country == "US" else None
    place = f"{country}-{state}" if state else country
    found = timezone.time_zones_for_number(parsed)
    known = tuple(name for name in found if name != timezone.UNKNOWN_TIMEZONE)
    code = "|".join([place, *known])
    return zone_by_code(code if len(code) <= CODE_LENGTH else country)


@lru_cache(maxsize=16_384)
def _american_state(number: str) -> str | None:
    """The state of a number in the USA, from phonenumbers' names: `Florida`, `Miami, FL`."""
    from phonenumbers import geocoder

    name = geocoder.description_for_valid_number(phonenumbers.parse(f"+{number}"), "en")
    last = name.rpartition(", ")[2]
    return last if last in _STATES_OF_US.values() else _STATES_OF_US.get(last)


@lru_cache(maxsize=512)
def _timezones_of_country(country: str) -> tuple[str, ...]:
    """All zones of a country: those of a number that belongs to no place in it."""
    if country == "US":
        return _WHOLE_US
    from phonenumbers import timezone

    example = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE) if country else None
    found = timezone.time_zones_for_number(example) if example is not None else ()
    return tuple(name for name in found if name != timezone.UNKNOWN_TIMEZONE) or UNKNOWN_ZONES
