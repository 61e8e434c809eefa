"""The lab for tests: one of its own for each pytest process, started when the first test asks for it.

A lab that cannot start fails the tests that need it; nothing is skipped.
"""

import itertools
import os
from collections.abc import Iterator

import pytest

from stasis_dialer.errors import LabError
from stasis_dialer.lab.carrier import Carrier
from stasis_dialer.lab.fates import BACKUP, TRUNK
from stasis_dialer.lab.rest import AriRefused
from stasis_dialer.lab.waiting import until
from stasis_dialer.lab.world import Lab, clear_abandoned_labs

SETTLE_SECONDS = 5.0
"""How long channels may take to go after the end of a test that hung them up."""

_database_numbers = itertools.count(1)
_last_user = ["nobody"]


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """PBX, carrier, 10 phones and MariaDB. The folder stays when a test failed, for its logs."""
    clear_abandoned_labs()
    world = Lab(f"pytest-{os.getpid()}", phones=10)
    try:
        yield world.start()
    finally:
        world.stop(remove=not request.session.testsfailed)


@pytest.fixture
def carrier(lab: Lab) -> Carrier:
    """The carrier with an empty log."""
    lab.carrier.forget()
    for trunk in (TRUNK, BACKUP):
        lab.carrier.accept(trunk)
    return lab.carrier


@pytest.fixture
def database_url(lab: Lab) -> Iterator[str]:
    """The URL of an empty database for one test."""
    yield from _new_database(lab)


@pytest.fixture(scope="module")
def module_database_url(lab: Lab) -> Iterator[str]:
    """The URL of an empty database for the tests of one module."""
    yield from _new_database(lab)


@pytest.fixture
def empty_pbx(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The lab with no channel and no bridge in the PBX; the test that leaves one behind fails."""
    left = sweep(lab)
    assert not left, f"the PBX was not empty at the start: last_test={_last_user[0]} left={left}"
    _last_user[0] = request.node.nodeid
    for phone in lab.phones():
        phone.reset()
    yield lab
    try:
        until(lambda: not leftovers(lab), "the PBX to be empty", SETTLE_SECONDS)
    except LabError:
        pytest.fail(f"{request.node.nodeid} left behind: {sweep(lab)}")


def leftovers(lab: Lab) -> list[str]:
    """The names of the PBX's channels and bridges."""
    channels = [f"channel {it['name']} ({it['state']}, {it['id']})" for it in lab.pbx.ari.get("channels")]
    return channels + [f"bridge {it['id']}" for it in lab.pbx.ari.get("bridges")]


def sweep(lab: Lab) -> list[str]:
    """End all channels and bridges of the PBX; what there was."""
    left = leftovers(lab)
    for kind in ("channels", "bridges"):
        for it in lab.pbx.ari.get(kind):
            try:
                lab.pbx.ari.delete(f"{kind}/{it['id']}")
            except AriRefused as refused:
                if refused.status != 404:
                    raise
    if left:
        until(lambda: not leftovers(lab), "the PBX to be empty after a sweep", SETTLE_SECONDS)
    return left


def _new_database(lab: Lab) -> Iterator[str]:
    name = f"test_{os.getpid()}_{next(_database_numbers)}"
    yield lab.create_database(name)
    lab.mariadb.drop_database(name)
