"""From what a list contains to the endpoint that Asterisk dials, and never further."""

from dataclasses import replace

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stasis_dialer.core.brazil import national_number
from stasis_dialer.core.model import Trunk
from stasis_dialer.core.numbers import (
    DIALLABLE,
    E164_DIGITS,
    dial_endpoint,
    masked,
    national,
    normalise,
    stored_phone,
)
from stasis_dialer.core.options import Numbers
from stasis_dialer.errors import ForeignNumber, NumberRefused, PremiumNumber

MOBILE, LANDLINE = "5511987654321", "551131234567"
TRUNK = Trunk("carrier", "PJSIP/{number}@carrier")


@pytest.mark.parametrize(
    ("name", "text", "number"),
    [
        ("E.164 with plus", "+5511987654321", MOBILE),
        ("with country code", "5511987654321", MOBILE),
        ("area code and mobile", "11987654321", MOBILE),
        ("as people write it", "(11) 98765-4321", MOBILE),
        ("with dots", "11.98765.4321", MOBILE),
        ("with trunk prefix", "011987654321", MOBILE),
        ("with a carrier's code", "0 15 11 98765-4321", MOBILE),
        ("spaces around", "  +55 11 98765 4321 ", MOBILE),
        ("landline", "(11) 3123-4567", LANDLINE),
        ("landline with country code", "+55 11 3123-4567", LANDLINE),
        ("another country", "+1 212 555 2368", "12125552368"),
        ("mobile without the ninth digit", "(11) 8765-4321", "5511987654321"),
        ("the same with country code", "+55 11 8765-4321", "5511987654321"),
        ("an old mobile that began with 7", "(21) 7865-4321", "5521978654321"),
        ("a carrier that phonenumbers does not know", "0 36 11 98765-4321", MOBILE),
        ("a carrier and no ninth digit", "0 15 11 8765-4321", MOBILE),
        ("country code and trunk prefix", "+55 (0) 11 98765-4321", MOBILE),
        ("country code and carrier", "+55 015 11 98765-4321", MOBILE),
        ("international prefix", "00 55 11 98765-4321", MOBILE),
        ("international prefix with carrier", "00 21 55 11 98765-4321", MOBILE),
        ("area code 55", "(55) 99912-3456", "5555999123456"),
        ("area code 55, country code", "5555999123456", "5555999123456"),
        ("area code 55, without the ninth digit", "55 9912-3456", "5555999123456"),
        ("landline with area code 55", "(55) 3222-1234", "555532221234"),
        ("as a spreadsheet's float", "11987654321.0", MOBILE),
        ("typographic dashes and hard spaces", "(11)\u00a098765\u20134321", MOBILE),
        ("marks that nobody sees", "\u202a+55 11 98765-4321\u202c", MOBILE),
        ("free of charge", "0800 123 4567", "558001234567"),
    ],
)
def test_given_a_number_as_it_is_written_in_brazil_then_e164(name: str, text: str, number: str) -> None:
    assert normalise(text, "BR") == number, name


def test_given_another_region_then_it_is_read_there() -> None:
    assert normalise("(212) 555-2368", "US") == "12125552368"


@pytest.mark.parametrize(
    ("name", "text", "number"),
    [
        ("mobile", "98765-4321", MOBILE),
        ("mobile without the ninth digit", "8765-4321", MOBILE),
        ("landline", "3123-4567", LANDLINE),
        ("one that has its area code", "(21) 98765-4321", "5521987654321"),
    ],
)
def test_given_an_area_code_then_it_completes_numbers_without(name: str, text: str, number: str) -> None:
    assert normalise(text, "BR", Numbers("11")) == number, name


def test_given_an_area_code_elsewhere_then_it_completes_numbers_too() -> None:
    assert normalise("555-2368", "US", Numbers("212")) == "12125552368"


@pytest.mark.parametrize("text", ["98765-4321", "8765-4321", "3123-4567"])
def test_given_no_area_code_then_a_number_without_is_refused(text: str) -> None:
    with pytest.raises(NumberRefused):
        normalise(text, "BR")


@pytest.mark.parametrize("text", ["+1 212 555 2368", "+351 21 123 4567", "+1 809 555 2368", "+55 11 98765-4321"])
def test_given_a_campaign_of_one_country_then_numbers_of_another_are_refused(text: str) -> None:
    region = "US" if text.startswith("+55") else "BR"
    with pytest.raises(ForeignNumber):
        normalise(text, region, Numbers())
    assert normalise(text, region, Numbers(may_be_foreign=True))


@pytest.mark.parametrize("text", ["0300 123 4567", "0900 123 456", "4004-1234", "3003 1234"])
def test_given_a_number_with_a_charge_then_it_is_refused_unless_allowed(text: str) -> None:
    with pytest.raises(PremiumNumber):
        normalise(text, "BR", Numbers("11"))
    assert normalise(text, "BR", Numbers("11", may_be_premium=True))


AREAS = st.sampled_from(["11", "19", "21", "55", "85", "99"])
SUBSCRIBERS = st.one_of(st.from_regex(r"[2-5][0-9]{7}", fullmatch=True), st.from_regex(r"9[0-9]{8}", fullmatch=True))
PREFIXES = st.sampled_from(["", "0", "015", "036", "+55", "55", "+550", "0055", "001555", "+55 (0", " 0 41 "])
GAPS = st.lists(st.sampled_from(["", " ", "-", ".", ")", "(", "/", "\u00a0", "\u2013"]), min_size=13, max_size=13)


@given(AREAS, SUBSCRIBERS, PREFIXES, GAPS)
def test_given_any_way_of_writing_then_it_is_the_same_number(
    area: str, subscriber: str, prefix: str, gaps: list[str]
) -> None:
    digits = area + subscriber
    text = prefix + "".join(gap + digit for gap, digit in zip(gaps, digits, strict=False))
    if not phonenumbers.is_valid_number(phonenumbers.parse(f"+55{digits}")):
        with pytest.raises(NumberRefused):
            normalise(text, "BR")
    else:
        assert normalise(text, "BR", Numbers("11")) == f"55{digits}"


@given(st.text("0123456789", max_size=18), st.sampled_from([None, "11", "55"]))
def test_given_any_digits_then_what_is_read_is_a_valid_brazilian_number(digits: str, area: str | None) -> None:
    number = national_number(digits, area)
    if number is not None:
        assert phonenumbers.is_valid_number(phonenumbers.parse(f"+55{number}"))
        assert national_number(number, area) == number


@given(
    st.one_of(
        st.from_regex(r"55[1-9][1-9]([2-5][0-9]{7}|9[0-9]{8})", fullmatch=True),
        st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True),
    ),
    st.sampled_from(["BR", "US", "PT"]),
)
@example("+12125552368", "BR")
@example("+5519987654321", "US")
def test_given_a_stored_number_then_it_is_read_back_as_the_same(text: str, region: str) -> None:
    try:
        number = normalise(text, region)
    except NumberRefused:
        return
    stored = stored_phone(number, region)
    assert len(stored) <= 20
    assert normalise(stored, region) == number


HOSTILE = [
    ("nothing", ""),
    ("spaces", "   "),
    ("another host", "5511987654321@evil"),
    ("two targets", "PJSIP/x&PJSIP/y"),
    ("two numbers", "5511987654321&5511987654322"),
    ("an application", "1,Dial(PJSIP/x)"),
    ("a variable", "${EXTEN}"),
    ("a quote", '5511987654321"'),
    ("a semicolon", "5511987654321;5511"),
    ("a line break", "5511987654321\r\nX: y"),
    ("a line feed alone", "5511987654321\n"),
    ("a tab", "11\t987654321"),
    ("a NUL", "5511987654321\x00"),
    ("Arabic digits", "٥٥١١٩٨٧٦٥٤٣٢١"),
    ("full-width digits", "５５１１９８７６５４３２１"),
    ("superscripts", "55119876543²¹"),
    ("full-width plus", "＋5511987654321"),
    ("letters", "1800FLOWERS"),
    ("an extension", "1131234567 ext 12"),
    ("a SIP address", "sip:5511987654321@carrier"),
    ("huge", "9" * 100_000),
    ("many zeros", "0" * 64),
    ("sixteen digits", "+5511987654321234"),
    ("too short", "1234"),
    ("no such area", "+55 00 98765-4321"),
    ("an emergency number", "190"),
    ("only signs", "+-().."),
    ("a plus within", "5511+987654321"),
    ("star and hash", "*21*5511987654321#"),
]


@pytest.mark.parametrize(("name", "text"), HOSTILE)
def test_given_hostile_text_then_it_is_refused_and_not_repeated(name: str, text: str) -> None:
    with pytest.raises(NumberRefused) as refusal:
        normalise(text, "BR")
    message = str(refusal.value)
    assert len(message) < 300, name
    assert len(text) <= 8 or text not in message, name


ODD = st.text(st.sampled_from("0123456789+()-./ @&,;$*#\x00\n٥５ab"), max_size=40)


@given(st.one_of(st.text(max_size=80), ODD))
@example("+" + "1" * 20)
@example("/5511987654321")
def test_given_any_text_then_e164_digits_or_a_refusal(text: str) -> None:
    try:
        number = normalise(text, "BR")
    except NumberRefused:
        return
    assert E164_DIGITS.fullmatch(number)
    assert number.isascii()
    assert dial_endpoint(TRUNK, number) == f"PJSIP/{number}@carrier"


@given(st.text(max_size=40), st.sampled_from(["{e164}", "+{e164}", "0{national}", "9*{national}#", "{national}@x"]))
@example("9999999", "{national}")
def test_given_any_text_as_a_number_then_the_dial_string_holds_only_a_number_or_is_refused(
    number: str, number_format: str
) -> None:
    try:
        endpoint = dial_endpoint(replace(TRUNK, number_format=number_format), number)
    except NumberRefused:
        return
    dialled = endpoint.removeprefix("PJSIP/").removesuffix("@carrier")
    assert DIALLABLE.fullmatch(dialled)


@pytest.mark.parametrize(
    ("number_format", "endpoint"),
    [
        ("{e164}", f"PJSIP/{MOBILE}@carrier"),
        ("+{e164}", f"PJSIP/+{MOBILE}@carrier"),
        ("0{national}", "PJSIP/011987654321@carrier"),
        ("015{national}", "PJSIP/01511987654321@carrier"),
    ],
)
def test_given_a_carriers_format_then_the_endpoint(number_format: str, endpoint: str) -> None:
    assert dial_endpoint(replace(TRUNK, number_format=number_format), MOBILE) == endpoint


def test_given_a_carrier_code_then_it_stands_where_the_format_says() -> None:
    trunk = replace(TRUNK, number_format="0{carrier}{national}", carrier_code="21")
    assert dial_endpoint(trunk, MOBILE) == "PJSIP/02111987654321@carrier"


def test_given_a_national_format_then_no_number_of_another_country_is_dialled() -> None:
    """Portugal's 351 21… would be a number in São Paulo without its country code."""
    with pytest.raises(NumberRefused, match="another country"):
        dial_endpoint(replace(TRUNK, number_format="0{national}"), "351210000000")
    elsewhere = replace(TRUNK, number_format="0{national}", country_code="351")
    assert dial_endpoint(elsewhere, "351210000000") == "PJSIP/0210000000@carrier"


@pytest.mark.parametrize("number_format", ["{e164}@evil", "{e164}&PJSIP/x", "{e164},1", "x{e164}", "{e164} ", ""])
def test_given_a_format_that_makes_no_number_then_refused(number_format: str) -> None:
    with pytest.raises(NumberRefused, match="number_format"):
        dial_endpoint(replace(TRUNK, number_format=number_format), MOBILE)


def test_national_is_without_country_code() -> None:
    assert national(MOBILE) == "11987654321"


@pytest.mark.parametrize(("number", "shown"), [("5511987654321", "…4321"), ("4321", "…"), ("", "…")])
def test_a_log_shows_the_last_four_digits_only(number: str, shown: str) -> None:
    assert masked(number) == shown
