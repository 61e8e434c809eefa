"""From what a list contains to the endpoint that Asterisk dials, and never further."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stasis_dialer.core.model import Lead, Trunk
from stasis_dialer.core.numbers import DIALLABLE, E164_DIGITS, dial_endpoint, lead_number, masked, national, normalise
from stasis_dialer.errors import NumberRefused

MOBILE, LANDLINE = "5511987654321", "551131234567"
TRUNK = Trunk("carrier", "PJSIP/{number}@carrier")
LEAD = Lead(1, 1, "Ana", "11987654321")


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
    ],
)
def test_given_a_number_as_it_is_written_in_brazil_then_e164(name: str, text: str, number: str) -> None:
    assert normalise(text, "BR") == number, name


def test_given_another_region_then_it_is_read_there() -> None:
    assert normalise("(212) 555-2368", "US") == "12125552368"


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


@pytest.mark.parametrize("number_format", ["{e164}@evil", "{e164}&PJSIP/x", "{e164},1", "x{e164}", "{e164} ", ""])
def test_given_a_format_that_makes_no_number_then_refused(number_format: str) -> None:
    with pytest.raises(NumberRefused, match="number_format"):
        dial_endpoint(replace(TRUNK, number_format=number_format), MOBILE)


def test_national_is_without_country_code() -> None:
    assert national(MOBILE) == "11987654321"


@pytest.mark.parametrize(
    ("name", "phone", "alternate", "attempts", "number"),
    [
        ("one phone", "11987654321", None, 0, MOBILE),
        ("one phone, second attempt", "11987654321", None, 1, MOBILE),
        ("two phones, first attempt", "11987654321", "1131234567", 0, MOBILE),
        ("two phones, second attempt", "11987654321", "1131234567", 1, LANDLINE),
        ("two phones, third attempt", "11987654321", "1131234567", 2, MOBILE),
        ("the first is no number", "none", "1131234567", 0, LANDLINE),
        ("the alternate is no number", "11987654321", "none", 1, MOBILE),
        ("the alternate is empty", "11987654321", "", 1, MOBILE),
    ],
)
def test_at_which_number_a_lead_is_called(
    name: str, phone: str, alternate: str | None, attempts: int, number: str
) -> None:
    lead = replace(LEAD, phone_number=phone, alternate_phone=alternate, attempts=attempts)
    assert lead_number(lead, "BR") == number, name


def test_given_neither_number_is_valid_then_refused() -> None:
    with pytest.raises(NumberRefused):
        lead_number(replace(LEAD, phone_number="none", alternate_phone="neither"), "BR")


@pytest.mark.parametrize(("number", "shown"), [("5511987654321", "…4321"), ("4321", "…"), ("", "…")])
def test_a_log_shows_the_last_four_digits_only(number: str, shown: str) -> None:
    assert masked(number) == shown
