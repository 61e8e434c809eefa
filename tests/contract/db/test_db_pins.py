"""PINs are kept as hashes."""

import pytest

from stasis_dialer.db.pins import hashed, is_right
from stasis_dialer.db.store import Store
from stasis_dialer.errors import Refused
from tests.contract.db.conftest import NOW, AnyStore


async def test_given_a_pin_then_only_it_is_right_until_it_is_changed_or_removed(store: AnyStore) -> None:
    pins = store.pins
    assert not await pins.is_wanted("1001")
    assert not await pins.is_right("1001", "4321")
    await pins.set("1001", "1234", "test", NOW)
    await pins.set("1001", "4321", "test", NOW)
    assert await pins.is_wanted("1001")
    assert [await pins.is_right("1001", pin) for pin in ("4321", "1234", "", "43210")] == [True, False, False, False]
    assert not await pins.is_right("1002", "4321")
    assert await pins.remove("1001", "test", NOW)
    assert not await pins.remove("1001", "test", NOW)
    assert not await pins.is_wanted("1001")


@pytest.mark.parametrize("pin", ["", "123", "1234567890123", "12a4", "١٢٣٤"])
async def test_given_what_no_telephone_can_send_then_refused(store: AnyStore, pin: str) -> None:
    with pytest.raises(Refused, match="not a PIN"):
        await store.pins.set("1001", pin, "test", NOW)


async def test_a_pin_is_nowhere_in_the_database(mariadb: Store) -> None:
    await mariadb.pins.set("1001", "987654", "test", NOW)
    rows = await mariadb.database.run(lambda s: s.rows("SELECT JSON_ARRAY(pin_hash) FROM dialer_agent_pins"))
    assert rows[0][0].startswith("scrypt$")
    (entry,) = await mariadb.audit.latest("extension:1001")
    assert "987654" not in f"{rows}{entry}"


def test_two_hashes_of_a_pin_differ_and_a_broken_one_fits_nothing() -> None:
    first, second = hashed("4321"), hashed("4321")
    assert first != second
    assert is_right("4321", first)
    assert is_right("4321", second)
    for broken in ("", "scrypt$1", "scrypt$0$8$1$00$00", first[:-2], "md5" + first[6:]):
        assert not is_right("4321", broken)
