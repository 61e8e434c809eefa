"""What a statement's arguments become."""

from collections.abc import Sequence
from enum import StrEnum

import pytest

from stasis_dialer.db.database import Statements


class Colour(StrEnum):
    RED = "red"


class Cursor:
    """Keeps the statement that it was given."""

    seen = ""

    async def execute(self, sql: str) -> int:
        self.seen = sql
        return 1

    async def fetchall(self) -> Sequence[tuple[str]]:
        return [("[1]",)]


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        ("plain", "'plain'"),
        ("O'Neill\\", r"'O\'Neill\\'"),
        ("'; DROP TABLE discador_contatos; --", r"'\'; DROP TABLE discador_contatos; --'"),
        ("100 %s", "'100 %s'"),
        ("São João", "'São João'"),
        ("a\x00b\nc\x1a", "'a\\0b\\nc\\Z'"),
        (7, "7"),
        (1.5, "1.5"),
        (True, "1"),
        (None, "NULL"),
        (Colour.RED, "'red'"),
    ],
)
async def test_given_a_value_when_put_into_a_statement_then_it_is_one_literal(value: object, literal: str) -> None:
    cursor = Cursor()
    await Statements(cursor).execute("SELECT %s", value)
    assert cursor.seen == f"SELECT {literal}"


async def test_given_no_values_when_run_then_the_statement_stays_as_it_is() -> None:
    cursor = Cursor()
    assert await Statements(cursor).rows("SELECT JSON_ARRAY('%')") == [[1]]
    assert cursor.seen == "SELECT JSON_ARRAY('%')"


@pytest.mark.parametrize("value", [b"bytes", ["a list"], object()])
async def test_given_what_is_no_value_when_put_into_a_statement_then_it_is_our_mistake(value: object) -> None:
    with pytest.raises(TypeError, match="no value for a statement"):
        await Statements(Cursor()).execute("SELECT %s", value)
