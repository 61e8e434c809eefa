"""What Asterisk answered when it refused: one exception class per HTTP status.

Touches nothing. Guarantees that both carriers of a request (HTTP and the WebSocket) raise the same class for the same
status, with status, method, path and Asterisk's own words as attributes. Never shows a password, a query string or
more than the last four digits of a telephone number.
"""

import re
from http import HTTPStatus

import msgspec

from stasis_dialer.errors import AriUnavailable, DialerError

_LONG_NUMBER = re.compile(r"\+?\d{7,}(?=\d{4})")


class AriError(DialerError):
    """Asterisk did not do what the request asked"""

    hint = "see Asterisk's log for the reason"

    def __init__(self, status: int = 0, method: str = "", path: str = "", message: str = "") -> None:
        self.status = status
        self.method = method
        self.path = path
        self.message = _LONG_NUMBER.sub("…", message)
        super().__init__(
            f"{self.__class__.__doc__}: method={method} path={path} status={status or '-'}"
            f" message={self.message or '-'}; {self.hint}"
        )


class AriBadRequest(AriError):
    """the request is malformed"""

    hint = "check the parameters: id length, dial string, format names"


class AriUnauthorized(AriError):
    """Asterisk does not know this user or password"""

    hint = "compare user and password with ari.conf"


class AriForbidden(AriError):
    """this user may not do that"""

    hint = "is it a read_only user in ari.conf, or refused by an acl?"


class AriNotFound(AriError):
    """there is no such channel, bridge or other object"""

    hint = "normal when it has just ended; if everything is not found, Asterisk is still loading"


class AriMethodNotAllowed(AriError):
    """this operation does not exist under this method"""

    hint = "is this Asterisk older than the operation?"


class AriConflict(AriError):
    """the object is in a state that does not allow this"""

    hint = "the channel is not in Stasis (yet, or any more), or a live channel's id is or begins with this id"


class AriUnprocessable(AriError):
    """the request names something that cannot be used that way"""

    hint = "the channel is not in Stasis, or the event source does not exist"


class AriServerError(AriError):
    """Asterisk failed to do it"""

    hint = "for a new channel: the trunk or endpoint is unknown, unreachable or unregistered"


class AriLoading(AriError, AriUnavailable):
    """Asterisk is still loading"""

    hint = "try again in a few seconds"


class AriTimeout(AriError):
    """Asterisk did not answer in time"""

    hint = "the request may still have been carried out; is Asterisk overloaded or blocked?"


class AppReplaced(DialerError):
    """another program has registered the same application; stop this one or that one"""


_BY_STATUS: dict[int, type[AriError]] = {
    400: AriBadRequest,
    401: AriUnauthorized,
    403: AriForbidden,
    404: AriNotFound,
    405: AriMethodNotAllowed,
    409: AriConflict,
    422: AriUnprocessable,
    503: AriLoading,
}


def error_for(status: int, method: str, path: str, body: bytes) -> AriError:
    """The exception that stands for an answer of Asterisk that is not a success.

    Source: the status codes measured on Asterisk 22.10.1; an unlisted 5xx is a server error, an unlisted 4xx a bad
    request.
    """
    kind = _BY_STATUS.get(status)
    if kind is None:
        kind = AriServerError if status >= HTTPStatus.INTERNAL_SERVER_ERROR else AriBadRequest
    return kind(status, method, path, _message_of(body))


def _message_of(body: bytes) -> str:
    try:
        content = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body[:200].decode("utf-8", "replace")
    if isinstance(content, dict):
        return str(content.get("message") or content.get("error") or "")
    return str(content)
