"""The ten lines of the README, run as they stand there."""

import asyncio
import textwrap

import pytest

from tests.contract.ari.conftest import Server

EXAMPLE = """
import asyncio
from stasis_dialer import ari

async def main(url, user, password, endpoint):
    async with ari.connect(url, user, password) as client:
        client.on_connected(lambda notice: client.channels.create(endpoint=endpoint, app="hello", channelId="first"))
        client.on_channel_event("StasisStart", lambda legs, event: legs["channel"].dial(timeout=20))
        client.on_channel_event("ChannelStateChange", lambda leg, event: print(leg.id, event.channel.state))
        client.on_channel_event("ChannelDestroyed", lambda leg, event: client.close())
        await client.run(apps="hello")
"""


@pytest.mark.parametrize("far_end", ["quick_hangup"])
async def test_the_example_of_the_readme_runs(
    ari_server: Server, far_end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, object] = {}
    exec(compile(textwrap.dedent(EXAMPLE), "README.md", "exec"), names)
    main = names["main"]
    assert callable(main)
    async with asyncio.timeout(10):
        await main(ari_server.url, ari_server.user, ari_server.password, ari_server.endpoint(far_end))
    assert capsys.readouterr().out.splitlines() == ["first Ringing", "first Up"]
