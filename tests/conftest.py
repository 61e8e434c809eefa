"""What all tests share: the lab's fixtures, and what was logged."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest_plugins = ["tests.labfixtures"]


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """What was logged until now. A command that ran in this process before has moved the log from stdout to logging."""
    return lambda: capsys.readouterr().out + caplog.text
