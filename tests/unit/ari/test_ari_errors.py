"""One exception class per status, and messages that say what to do and give nothing away."""

import pytest

from stasis_dialer import ari
from stasis_dialer.ari.errors import error_for
from stasis_dialer.ari.http import query_string
from stasis_dialer.ari.transport import Address
from stasis_dialer.errors import DialerError


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ari.AriBadRequest),
        (401, ari.AriUnauthorized),
        (403, ari.AriForbidden),
        (404, ari.AriNotFound),
        (405, ari.AriMethodNotAllowed),
        (406, ari.AriBadRequest),
        (409, ari.AriConflict),
        (422, ari.AriUnprocessable),
        (500, ari.AriServerError),
        (501, ari.AriServerError),
        (503, ari.AriLoading),
    ],
)
def test_each_status_has_its_exception(status: int, kind: type[ari.AriError]) -> None:
    error = error_for(status, "POST", "/channels", b'{"message":"no"}')
    assert type(error) is kind
    assert isinstance(error, DialerError)
    assert (error.status, error.method, error.path, error.message) == (status, "POST", "/channels", "no")
    assert f"status={status}" in str(error)


def test_loading_counts_as_unavailable_too() -> None:
    assert issubclass(ari.AriLoading, ari.AriUnavailable)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":"Allocation failed"}', "Allocation failed"),
        (b"<html>x</html>", "<html>x</html>"),
        (b"", ""),
        (b"[1]", "[1]"),
        (b'{"message":"no endpoint PJSIP/+5511987654321"}', "no endpoint PJSIP/…4321"),
    ],
)
def test_the_words_of_asterisk_are_kept_without_a_full_telephone_number(body: bytes, message: str) -> None:
    assert error_for(500, "POST", "/channels", body).message == message


@pytest.mark.parametrize(
    ("base_url", "rest", "socket"),
    [
        ("http://127.0.0.1:8088", "http://127.0.0.1:8088/ari", "ws://127.0.0.1:8088/ari/events"),
        ("http://127.0.0.1:8088/", "http://127.0.0.1:8088/ari", "ws://127.0.0.1:8088/ari/events"),
        ("https://pbx/ari/", "https://pbx/ari", "wss://pbx/ari/events"),
        ("https://pbx/proxy", "https://pbx/proxy/ari", "wss://pbx/proxy/ari/events"),
    ],
)
def test_the_addresses_follow_from_the_base_url(base_url: str, rest: str, socket: str) -> None:
    address = Address(base_url, "u", "p")
    assert (address.rest_url, address.events_url) == (rest, socket)


@pytest.mark.parametrize("base_url", ["", "127.0.0.1:8088", "ftp://pbx", "http://u:p@pbx", "http://"])
def test_a_wrong_base_url_is_refused_at_once(base_url: str) -> None:
    with pytest.raises(ValueError, match="base_url must look like"):
        ari.connect(base_url, "u", "p")


def test_the_password_is_not_in_the_text_of_an_address() -> None:
    assert "geheim" not in repr(Address("http://pbx", "u", "geheim"))


def test_a_query_is_percent_encoded_so_that_a_plus_stays_a_plus() -> None:
    assert query_string([("endpoint", "PJSIP/+55@t"), ("callerId", '"A b" <1>')]) == (
        "endpoint=PJSIP%2F%2B55%40t&callerId=%22A%20b%22%20%3C1%3E"
    )
