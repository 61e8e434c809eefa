"""Free loopback addresses and ports, so that several labs run side by side.

Linux answers on all of 127.0.0.0/8. Each lab takes a block of its own for SIP and media, so its ports never meet
another lab's; HTTP and SQL listen on 127.0.0.1 and take whatever port is free. A choice is a guess until the program
has bound it: whoever starts one tries again with another choice when it finds the place taken.
"""

import random
import socket
from dataclasses import dataclass

from stasis_dialer.errors import LabError

SIP_PORT = 5060
TRIES = 50
_dice = random.SystemRandom()


@dataclass(frozen=True)
class Block:
    """The loopback addresses of one lab."""

    prefix: str

    @property
    def pbx(self) -> str:
        """The PBX's SIP and media."""
        return f"{self.prefix}.1"

    @property
    def carrier(self) -> str:
        """The carrier's side of the trunk."""
        return f"{self.prefix}.2"

    @property
    def phones(self) -> str:
        """The agents' phones."""
        return f"{self.prefix}.3"

    @property
    def extra(self) -> str:
        """For a SIP peer that a test brings along, for instance SIPp."""
        return f"{self.prefix}.4"


def free_block() -> Block:
    """A block whose SIP ports nobody uses now.

    Raises: LabError when none is found, for instance where only 127.0.0.1 exists.
    """
    for _ in range(TRIES):
        block = Block(f"127.{_dice.randrange(64, 128)}.{_dice.randrange(0, 256)}")
        if all(_can_bind_udp(address) for address in (block.pbx, block.carrier, block.phones)):
            return block
    raise LabError("no free loopback block: can this system bind 127.64.0.1?")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _can_bind_udp(address: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, SIP_PORT))
        except OSError:
            return False
    return True
