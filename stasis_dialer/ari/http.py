"""Requests over HTTP: one pooled keep-alive session.

Guarantees a time limit on every request, credentials in a header only, and a repetition where a lost answer cannot do
harm: GET, PUT, DELETE, and a POST whose new object has an id of ours (409 on the repetition means that the first one
worked; 404 after a DELETE may mean the same). Never repeats anything else, and never repeats after a time-out.
"""

import base64
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from stasis_dialer.ari.errors import AriTimeout, error_for
from stasis_dialer.ari.transport import REQUEST_TIMEOUT_SECONDS, Address, Query, Response
from stasis_dialer.errors import AriUnavailable

CONNECTIONS = 32
"""Asterisk serves the requests of one connection one after the other; 16 to 32 were enough for 150 calls/s.

Source: Asterisk main/http.c; measured on 22.10.1, 2026-11. Must stay below `sessionlimit` of http.conf.
"""

KEEPALIVE_SECONDS = 30.0
"""Shorter than `session_keep_alive` of our http.conf (60 s), so that Asterisk never closes first."""

_REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
_JSON = {"Content-Type": "application/json"}
_encode = msgspec.json.Encoder().encode


def basic_authorization(address: Address) -> str:
    """The value of the Authorization header for this user."""
    return "Basic " + base64.b64encode(f"{address.username}:{address.password}".encode()).decode()


def query_string(query: Query) -> str:
    """The query as it stands in a URL; a space is %20, because `+` is a telephone number's."""
    return "&".join(
        [f"{name}={value if value.isalnum() and value.isascii() else quote(value, '')}" for name, value in query]
    )


class HttpTransport:
    """Carries requests over HTTP."""

    def __init__(
        self,
        address: Address,
        *,
        timeout_seconds: float = REQUEST_TIMEOUT_SECONDS,
        connections: int = CONNECTIONS,
        ssl: Any = True,
    ) -> None:
        self._url = address.rest_url
        self._headers = {"Authorization": basic_authorization(address), "Accept-Encoding": "identity"}
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._connections = connections
        self._ssl = ssl
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def request(
        self, method: str, path: str, query: Query = (), body: Any = None, *, own: str | None = None
    ) -> Response:
        """See `Transport.request`."""
        url = f"{self._url}{path}?{query_string(query)}" if query else self._url + path
        target = URL(url, encoded=True)
        data = None if body is None else _encode(body)
        try:
            status, content = await self._send(method, target, data)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise AriUnavailable(_cannot_connect(self._url, error)) from error
        except TimeoutError as error:
            raise AriTimeout(0, method, path, f"timeout_seconds={self._timeout.total}") from error
        except aiohttp.ClientError as error:
            if own is None and method not in _REPEATABLE:
                raise AriUnavailable(_answer_lost(method, path, error)) from error
            return await self._repeat(method, path, target, data, own)
        if status >= 300:
            raise error_for(status, method, path, content)
        return Response(status, content)

    async def close(self) -> None:
        """Close the pooled connections; later requests raise AriUnavailable."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _repeat(self, method: str, path: str, target: URL, data: bytes | None, own: str | None) -> Response:
        """The second and last try after an answer was lost; "already so" counts as done."""
        try:
            status, content = await self._send(method, target, data)
        except TimeoutError as error:
            raise AriTimeout(0, method, path, f"timeout_seconds={self._timeout.total}") from error
        except aiohttp.ClientError as error:
            raise AriUnavailable(_answer_lost(method, path, error)) from error
        if status == HTTPStatus.CONFLICT and own is not None:
            return await self.request("GET", own)
        if status >= 300:
            raise error_for(status, method, path, content)
        return Response(status, content)

    async def _send(self, method: str, target: URL, data: bytes | None) -> tuple[int, bytes]:
        session = self._session or self._open()
        async with session.request(
            method, target, data=data, headers=_JSON if data is not None else None, allow_redirects=False
        ) as response:
            return response.status, await response.read()

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise AriUnavailable(f"this client is closed: url={self._url}")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=KEEPALIVE_SECONDS, ssl=self._ssl),
            headers=self._headers,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Content-Type"),
            auto_decompress=False,
        )
        return self._session


def _cannot_connect(url: str, error: Exception) -> str:
    return f"{AriUnavailable.__doc__}: url={url} reason={error}; is Asterisk running, and http.conf enabled?"


def _answer_lost(method: str, path: str, error: Exception) -> str:
    return (
        f"the connection closed before the answer: method={method} path={path} reason={error or type(error).__name__};"
        " is Asterisk stopping, or sessionlimit of http.conf reached?"
    )
