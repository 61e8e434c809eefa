"""What both carriers of a request, HTTP and the WebSocket, look like from above.

Decides nothing and opens nothing. `Transport.request` returns only for a success; every refusal is an exception of
`errors`, the same for both carriers.
"""

from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec

from stasis_dialer.ari.errors import AriServerError

REQUEST_TIMEOUT_SECONDS = 5.0
"""How long Asterisk may take for one request.

Source: p95 was 18 ms at 100 calls/s and 1 s past the knee (22.10.1, 2026-11); a deadlocked ARI never answers.
"""

Query = Sequence[tuple[str, str]]

_decode = msgspec.json.Decoder().decode


class Response(msgspec.Struct, frozen=True, gc=False):
    """An answer of Asterisk that is a success: 2xx status and the undecoded body."""

    status: int
    body: bytes = b""

    def json(self) -> Any:
        """The body as plain JSON, None when it is empty.

        Raises: AriServerError when the body is not JSON.
        """
        if not self.body:
            return None
        try:
            return _decode(self.body)
        except msgspec.DecodeError as error:
            raise AriServerError(self.status, message=f"body is not JSON: {error}") from error


class Transport(Protocol):
    """Carries one request to Asterisk and its answer back."""

    async def request(
        self, method: str, path: str, query: Query = (), body: Any = None, *, own: str | None = None
    ) -> Response:
        """Send one request and wait for its success.

        `path` starts after `/ari` and is percent-encoded; `query` values are plain text; `body` becomes JSON. `own`
        is the path of the object that a POST creates under an id of ours: it makes the POST safe to repeat.
        Raises: AriError by status, AriTimeout, AriUnavailable.
        """
        ...

    async def close(self) -> None:
        """Let go of the connections."""
        ...


class Address(msgspec.Struct, frozen=True):
    """Where Asterisk's ARI is and who we are there."""

    base_url: str
    username: str
    password: str

    @property
    def rest_url(self) -> str:
        """The address of the REST interface, without a slash at its end.

        Raises: ValueError when the address is not an http or https URL, or carries a password.
        """
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
            raise ValueError("base_url must look like http://127.0.0.1:8088, with no user or password in it")
        path = parts.path.rstrip("/")
        return f"{parts.scheme}://{parts.netloc}{path if path.endswith('/ari') else path + '/ari'}"

    @property
    def events_url(self) -> str:
        """The address of the event WebSocket, without its query."""
        return f"ws{self.rest_url.removeprefix('http')}/events"

    def __repr__(self) -> str:
        return f"Address({self.base_url!r}, {self.username!r})"
