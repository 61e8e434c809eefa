"""The examples in the help texts are commands that exist, with the options that they show."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from stasis_dialer.cli.main import main


def helps(command: click.Command) -> Iterator[str]:
    """The help text of a command and of all below it."""
    yield command.help or ""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from helps(below)


EXAMPLES = [
    example.strip()
    for text in helps(main)
    for line in re.findall(r"^ *(?:Example: +)?((?:[^.]*; )?stasis-dialer [a-z].*)$", text, re.MULTILINE)
    for example in re.split(r"   +|; ", line)
    if example.startswith("stasis-dialer ")
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_given_an_example_of_a_help_text_then_it_is_understood(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click.Path, "convert", lambda self, value, param, context: value)
    words = shlex.split(example)[1:]
    command: click.Command = main
    while isinstance(command, click.Group):
        below = command.get_command(click.Context(command), words[0])
        assert below is not None, f"no such command: {words[0]}"
        command = below
        words = words[1:]
    command.make_context(command.name, words)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 10
