"""What all tests share: the lab's fixtures, and what was logged."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest_plugins = ["tests.labfixtures"]

LONGEST = ("test_supervision.py", "test_transfer.py", "test_pacing_live.py", "test_agent_keys.py", "test_amd.py")
"""Files of many calls, minutes each: begun first, so that no process has one of them left alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, the others in their order."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """What was logged until now. A command that ran in this process before has moved the log from stdout to logging."""
    return lambda: capsys.readouterr().out + caplog.text
