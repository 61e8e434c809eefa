"""The dialer's HTTP interface: who may ask, how errors look, and the pages that say how the dialer is.

Everything but `/healthz` and `/readyz` wants the token (`Authorization: Bearer ...`). Errors carry a stable `error_id`.
"""

from __future__ import annotations

import contextlib
import hmac
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from stasis_dialer.engine.control import Control
from stasis_dialer.errors import CampaignNotFound, DialerError, NotSupervisor, Refused, Unavailable
from stasis_dialer.web.api import make_router
from stasis_dialer.web.api_agents import make_agents_router

ERROR_IDS: dict[type[DialerError], tuple[int, str]] = {
    CampaignNotFound: (404, "campaign-not-found"),
    NotSupervisor: (403, "not-supervisor"),
    Refused: (409, "refused"),
    Unavailable: (503, "unavailable"),
    DialerError: (500, "error"),
}
"""The most special class first."""


class WrongToken(DialerError):
    """the token is missing or wrong; send `Authorization: Bearer TOKEN`"""


def make_app(control: Control, token: str) -> FastAPI:
    """The application over a running dialer."""
    app = FastAPI(title="stasis_dialer", docs_url=None, redoc_url=None, openapi_url=None)
    bearer = HTTPBearer(auto_error=False, description="the token of config.yaml's api section")

    def check_token(given: HTTPAuthorizationCredentials | None = Depends(bearer)) -> None:  # noqa: B008
        if given is None or not hmac.compare_digest(given.credentials.encode(), token.encode()):
            raise WrongToken

    @app.exception_handler(DialerError)
    async def refused(_request: Request, error: DialerError) -> JSONResponse:
        if isinstance(error, WrongToken):
            return _problem(401, "unauthorized", error)
        status, error_id = next(entry for kind, entry in ERROR_IDS.items() if isinstance(error, kind))
        return _problem(status, error_id, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        details = [{"where": list(map(str, e["loc"])), "what": e["msg"]} for e in error.errors()]
        said = "; ".join(f"{'.'.join(detail['where'])}: {detail['what']}" for detail in details)
        return _problem(422, "invalid-request", said, details)

    @app.exception_handler(HTTPException)
    async def not_served(_request: Request, error: HTTPException) -> JSONResponse:
        error_id = str(error.detail).lower().replace(" ", "-")
        return _problem(error.status_code, error_id, str(error.detail))

    @app.get("/healthz", tags=["health"])
    def healthz() -> dict[str, str]:
        """The process lives."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"])
    def readyz(response: Response) -> dict[str, bool]:
        """Calls could be placed: Asterisk and the database are there, and no stop is under way."""
        response.status_code = 200 if control.is_ready else 503
        return {"ready": control.is_ready}

    @app.get("/metrics", tags=["metrics"], dependencies=[Depends(check_token)])
    def metrics() -> Response:
        """Prometheus' text format."""
        return Response(control.render_metrics(), media_type="text/plain; version=0.0.4")

    @app.get("/api/openapi.json", include_in_schema=False, dependencies=[Depends(check_token)])
    def description() -> dict[str, Any]:
        """This interface, as OpenAPI describes it."""
        return app.openapi()

    for router in (make_router(control), make_agents_router(control.actions)):
        app.include_router(router, prefix="/api", dependencies=[Depends(check_token)])
    return app


def _problem(status: int, error_id: str, error: object, details: object = None) -> JSONResponse:
    content = {"error_id": error_id, "message": str(error)}
    return JSONResponse(content if details is None else {**content, "details": details}, status_code=status)


class WebServer(uvicorn.Server):
    """Serves the application inside the dialer's loop; signals are the dialer's, not uvicorn's."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        super().__init__(uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False, lifespan="off"))
        self._listener: socket.socket | None = None

    def listen(self) -> None:
        """Take the address, before anything else is taken over from a dialer that may have it.

        Raises: Refused when it cannot be had.
        """
        host, port = self.config.host, self.config.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._listener = socket.create_server((host, port), family=family, backlog=self.config.backlog)
        except OSError as error:
            raise Refused(
                f"the dialer's own address cannot be used: address={host}:{port} seen={error.strerror or error}; "
                "is another dialer running? each needs its own ari.app and api.port"
            ) from error

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until `stop`."""
        await super().serve(sockets or ([self._listener] if self._listener else None))

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    def stop(self) -> None:
        """End `serve`."""
        self.should_exit = True
