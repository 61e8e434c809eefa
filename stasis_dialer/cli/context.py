"""What every command shares: the settings, the database, a running dialer, and how errors end a command.

Exit codes: 0 done, 1 refused, 2 usage or configuration, 3 something it needs is down. Never a traceback.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import getpass
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stasis_dialer.errors import ConfigurationError, DialerError, DialerNotRunning, LabError, Refused, Unavailable
from stasis_dialer.settings import Settings, load_settings

if TYPE_CHECKING:
    import aiohttp

    from stasis_dialer.db.store import Store

T = TypeVar("T")

REFUSED, USAGE, DOWN = 1, 2, 3
API_TIMEOUT_SECONDS = 10.0


class Context:
    """One invocation of the command line."""

    def __init__(self, config: Path, is_debugging: bool) -> None:
        self.config = config
        self.is_debugging = is_debugging

    @functools.cached_property
    def settings(self) -> Settings:
        """The configuration, read when a command first needs it. Raises: ConfigurationError."""
        return load_settings(self.config)

    def store(self) -> Store:
        """The database; use it as `async with`. Imported when it is needed: half of a command's start."""
        from stasis_dialer.db.database import Database
        from stasis_dialer.db.store import Store

        database = self.settings.database
        return Store(
            Database(
                database.url,
                database.password.get_secret_value(),
                pool_size=database.pool_size,
                legacy_timezone=database.legacy_timezone,
            )
        )

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the running dialer.

        Raises: DialerNotRunning; Refused, or Unavailable for what the dialer needs, with the dialer's own words.
        """
        api = self.settings.api
        url = f"http://{api.bind}:{api.port}/api{path}"
        headers = {"Authorization": f"Bearer {api.token.get_secret_value()}"}
        async with self._asking(url) as session, session.request(method, url, json=body, headers=headers) as answer:
            content = await answer.json(content_type=None)
            if answer.status == 401:
                raise Refused(f"the dialer refused the token: url={url}; is STASIS_DIALER_API_TOKEN the dialer's?")
            if answer.status >= 400:
                said = content.get("message") if isinstance(content, dict) else None
                raise (Unavailable if answer.status >= 500 else Refused)(str(said or content))
            return content

    @contextlib.asynccontextmanager
    async def _asking(self, url: str) -> AsyncIterator[aiohttp.ClientSession]:
        import aiohttp

        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=API_TIMEOUT_SECONDS)) as session:
                yield session
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise DialerNotRunning(f"no dialer answers: url={url}; start it with `stasis-dialer run`") from error


pass_context = click.make_pass_decorator(Context)


def command(work: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., T]:
    """A coroutine as a click command's body."""

    @functools.wraps(work)
    def run(*args: Any, **kwargs: Any) -> T:
        return asyncio.run(work(*args, **kwargs))

    return run


def name_or_id(text: str) -> int | str:
    """A campaign's id when only digits were given, else its name."""
    return int(text) if text.isdecimal() and len(text) < 10 else text


def actor_name() -> str:
    """Who gives the command, for the audit trail."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli"


class ErrorsAsMessages(click.Group):
    """The root group: an error is one clear message and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors of ours become messages, others a short one with a way to see more."""
        try:
            return super().invoke(ctx)
        except DialerError as error:
            self._show(ctx, error)
            sys.exit(exit_code(error))
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            sys.exit(130)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:
            sys.exit(REFUSED)
        except OSError as error:
            self._show(ctx, error)
            sys.exit(DOWN)
        except Exception as error:
            self._show(ctx, error)
            click.echo("this is a defect of stasis-dialer; run again with --debug to see where", err=True)
            sys.exit(REFUSED)

    def _show(self, ctx: click.Context, error: Exception) -> None:
        if isinstance(ctx.obj, Context) and ctx.obj.is_debugging:
            traceback.print_exception(error)
        click.secho(f"error: {error}", err=True, fg="red")


def exit_code(error: DialerError) -> int:
    """The exit code that belongs to an error."""
    if isinstance(error, ConfigurationError):
        return USAGE
    return DOWN if isinstance(error, Unavailable | LabError) else REFUSED
