"""What the end-to-end tests of the dialer share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stasis_dialer.lab.carrier import Carrier
from stasis_dialer.lab.world import Lab
from tests.e2e.support import Stage


@pytest.fixture
def stage(empty_pbx: Lab, carrier: Carrier, tmp_path: Path) -> Iterator[Stage]:
    """A database and a place for dialers; what a test leaves running is ended in order, and must have no defect."""
    made = Stage(empty_pbx, tmp_path)
    try:
        yield made
        made.close()
    finally:
        made.clear()


@pytest.fixture(scope="module")
def shared_stage(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage whose one dialer runs for all tests of a module."""
    made = Stage(lab, tmp_path_factory.mktemp("stage"))
    try:
        made.dialer().start()
        yield made
        made.close()
    finally:
        made.clear()


@pytest.fixture
def floor(shared_stage: Stage, empty_pbx: Lab, carrier: Carrier) -> Iterator[Stage]:
    """The module's dialer with nobody logged in and no campaign; a test leaves it so."""
    shared_stage.ledger.empty()
    shared_stage.wait_phones()
    yield shared_stage
    shared_stage.ledger.execute("UPDATE discador_campanhas SET status = 'finished'")
    shared_stage.wait_pressed()
    shared_stage.dialers[0].log_all_out()
    for phone in empty_pbx.phones():
        phone.reset()
    shared_stage.wait_empty()
    assert shared_stage.dialers[0].defects() == []
