"""The agents' PINs: kept as salted hashes, checked in a thread of their own because a check is slow on purpose.

Never in a log, an error or the audit trail, which says only that one was set or taken away.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Final

from stasis_dialer.db.audit import AuditEntry, write_audit
from stasis_dialer.db.clock import utc_text
from stasis_dialer.db.database import Database, Statements
from stasis_dialer.errors import Refused

COST, BLOCK, PARALLEL = 2**14, 8, 1
"""scrypt's n, r and p: 16 MiB and some 50 ms a check. Source: RFC 7914 and OWASP's password storage sheet."""
SHORTEST: Final = 4
LONGEST: Final = 12


def hashed(pin: str) -> str:
    """What is kept of a PIN."""
    salt = secrets.token_bytes(16)
    return f"scrypt${COST}${BLOCK}${PARALLEL}${salt.hex()}${_digest(pin, salt, COST, BLOCK, PARALLEL).hex()}"


def is_right(pin: str, kept: str) -> bool:
    """Whether a PIN is the one whose hash was kept; a hash that cannot be read fits no PIN."""
    try:
        kind, cost, block, parallel, salt, digest = kept.split("$")
        found = _digest(pin, bytes.fromhex(salt), int(cost), int(block), int(parallel))
        return kind == "scrypt" and hmac.compare_digest(found, bytes.fromhex(digest))
    except ValueError:
        return False


def _digest(pin: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    return hashlib.scrypt(pin.encode(), salt=salt, n=cost, r=block, p=parallel, dklen=32)


class Pins:
    """PINs by extension."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def set(self, extension: str, pin: str, actor: str, now: datetime) -> None:
        """Give an extension a PIN. Raises: Refused for one that is no PIN."""
        if not (pin.isascii() and pin.isdigit() and SHORTEST <= len(pin) <= LONGEST):
            raise Refused(f"not a PIN: {SHORTEST} to {LONGEST} digits, which a telephone can send")
        kept = await asyncio.to_thread(hashed, pin)

        async def write(statements: Statements) -> None:
            await statements.execute(
                "INSERT INTO dialer_agent_pins (extension, pin_hash, changed_at) VALUES (%s, %s, %s) "
                "ON DUPLICATE KEY UPDATE pin_hash = VALUES(pin_hash), changed_at = VALUES(changed_at)",
                extension,
                kept,
                utc_text(now),
            )
            await write_audit(statements, AuditEntry(now, actor, "pin-set", f"extension:{extension}"))

        await self._database.run(write)

    async def remove(self, extension: str, actor: str, now: datetime) -> bool:
        """Let an extension log in without a PIN; whether it had one."""

        async def delete(statements: Statements) -> bool:
            sql = "DELETE FROM dialer_agent_pins WHERE extension = %s"
            if await statements.execute(sql, extension) == 0:
                return False
            await write_audit(statements, AuditEntry(now, actor, "pin-removed", f"extension:{extension}"))
            return True

        return await self._database.run(delete)

    async def is_wanted(self, extension: str) -> bool:
        """Whether the extension has a PIN."""
        return await self._kept(extension) is not None

    async def is_right(self, extension: str, pin: str) -> bool:
        """Whether this is the extension's PIN."""
        kept = await self._kept(extension)
        return kept is not None and await asyncio.to_thread(is_right, pin, kept)

    async def _kept(self, extension: str) -> str | None:
        sql = "SELECT JSON_ARRAY(pin_hash) FROM dialer_agent_pins WHERE extension = %s"
        rows = await self._database.run(lambda statements: statements.rows(sql, extension), may_repeat=True)
        return rows[0][0] if rows else None
