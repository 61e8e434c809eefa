"""The command line on the test's database, as its user types it."""

import json
from collections.abc import Callable
from typing import Any

from click.testing import Result

DONE, REFUSED = 0, 1

Command = Callable[..., Result]


def told(done: Result, code: int = DONE) -> Any:
    """What a command printed as JSON."""
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)
