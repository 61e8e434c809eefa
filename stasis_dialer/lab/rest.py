"""Single ARI requests for the lab itself: blocking, without events. The dialer's client is `stasis_dialer.ari`."""

import base64
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from stasis_dialer.errors import LabError

REQUEST_SECONDS = 5.0


class AriRefused(LabError):
    """Asterisk answered an ARI request with an error status"""

    def __init__(self, method: str, path: str, status: int, body: str) -> None:
        super().__init__(f"ARI request refused: request={method} {path} status={status} answer={body.strip()}")
        self.status = status


class AriRequests:
    """ARI of one Asterisk."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._url = url.rstrip("/")
        self._authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def get(self, path: str, **query: object) -> Any:
        """The decoded answer to a GET of `path` below `/ari`."""
        return self._request("GET", path, query, None)

    def post(self, path: str, variables: dict[str, str] | None = None, **query: object) -> Any:
        """The decoded answer to a POST; `variables` are channel variables."""
        return self._request("POST", path, query, {"variables": variables} if variables else None)

    def delete(self, path: str, **query: object) -> Any:
        """The decoded answer to a DELETE."""
        return self._request("DELETE", path, query, None)

    def _request(self, method: str, path: str, query: dict[str, object], body: object) -> Any:
        """Raises: AriRefused on an error status, LabError when there is no answer."""
        url = f"{self._url}/ari/{path}"
        if query:
            url += "?" + urllib.parse.urlencode(query)
        headers = {"Authorization": self._authorization, "Content-Type": "application/json", "Connection": "close"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, method=method, headers=headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=REQUEST_SECONDS) as response:
                text = response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                raise AriRefused(method, path, error.code, error.read().decode(errors="replace")) from error
        except (OSError, http.client.HTTPException) as error:
            raise LabError(f"no answer from ARI: request={method} {path} error={error}") from error
        return json.loads(text) if text else None
