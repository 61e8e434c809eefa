"""docs/telephony.md on SIP over TLS is true: carrier and phone are reached so, all is encrypted, no stranger is called.

The PBX is made of the document's files and nothing else; the far side is the lab's carrier, which speaks TLS only here.
"""

from __future__ import annotations

import copy
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stasis_dialer.lab.asterisk import Asterisk
from stasis_dialer.lab.fates import Fate, number
from stasis_dialer.lab.world import Lab
from tests.e2e.audio import AGENT, CUSTOMER, Ear
from tests.e2e.support import Stage, wait_for
from tests.e2e.support_site import DOCUMENT, Site, block, replaced, running
from tests.e2e.support_tls import PHONE, TLS_PORT, Authority, FarSide

CUSTOMERS = [number(Fate.HUMAN, serial=serial) for serial in (801, 802, 803)]


def write_sip(site: Site, authority: Authority) -> None:
    """The document's sections in the place of the example's, then its transport, with this machine's addresses."""
    place, path = site.place, site.asterisk.etc / "site" / "pjsip.conf"
    text = path.read_text()
    begin, end = text.index(";[carrier-auth]"), text.index("; One phone")
    text = text[:begin] + text[begin:end].replace(";", "") + text[end:]
    for section in re.split(r"^(?=\[)", block("file: tls/site/sections.conf"), flags=re.MULTILINE)[1:]:
        header = re.escape(section.splitlines()[0])
        text, count = re.subn(rf"^{header}\n(?:[a-z].*\n)*", lambda _, it=section: it, text, flags=re.MULTILINE)
        assert count == 1, f"the example has no section {header}"
    text = replaced(
        text + block("file: tls/site/pjsip.conf"),
        {
            "0.0.0.0:5061": f"{place.pbx}:{TLS_PORT}",
            "sip.carrier.example:5061": f"{place.carrier}:{TLS_PORT}",
            "192.168.0.0/255.255.0.0": f"{place.phones}/255.255.255.255",
            "/etc/asterisk/keys": str(site.asterisk.etc / "keys"),
            "/etc/ssl/certs/ca-certificates.crt": str(authority.certificate),
            "aors = carrier\n": "aors = carrier\noutbound_auth = carrier-auth\n",
            "client_uri = ": "max_random_initial_delay = 0\nclient_uri = ",
            # The media, too, stays on loopback.
            "= sdes\n": f"= sdes\nmedia_address = {place.pbx}\nbind_rtp_to_media_address = yes\n",
        },
    )
    path.write_text(text)


class World:
    """Both sides, and a dialer on the documented one."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.authority = Authority(folder / "authority")
        self.site = Site(folder / "documented", lab)
        self.site.install()
        self.site.run("run: certificate", host=self.site.place.pbx)
        write_sip(self.site, self.authority)
        self.known = self.authority.sign(self.site.place.carrier)
        self.far = FarSide(folder / "far", self.site, self.authority.certificate)
        self.far.show(*self.known)
        self.pbx = self.site.asterisk
        there = copy.copy(lab)
        there.pbx, there.carrier = self.pbx, self.far.carrier
        self.stage = Stage(there, folder)
        self.dialer = self.stage.dialer(ari={"url": self.pbx.ari_url, "password": self.site.password})

    def trunk_is(self, state: str) -> None:
        """Ask the carrier for signs of life until the trunk is so."""

        def asked() -> bool:
            self.pbx.cli("pjsip qualify carrier")
            return bool(self.pbx.ari.get("endpoints/PJSIP/carrier")["state"] == state)

        wait_for(asked, f"the trunk to be {state}")

    def phone_is(self, is_registered: bool) -> None:
        """Wait until the dialer sees the phone so."""

        def seen() -> bool:
            return [it["is_registered"] for it in self.dialer.ask("GET", "/extensions")] == [is_registered]

        wait_for(seen, f"the phone's registration to be {is_registered}")

    def far_side_is(self, certificate: Path, key: Path) -> None:
        """It shows this certificate; it is started again for another one only, as that takes seconds."""
        if self.far.shows(certificate):
            return
        self.far.asterisk.stop()
        self.phone_is(False)
        self.far.show(certificate, key)
        self.far.asterisk.start()
        self.phone_is(True)

    def far_side_is_known(self) -> None:
        """It shows the certificate that it should, and the trunk is online."""
        self.far_side_is(*self.known)
        self.trunk_is("online")

    def dials(self, customer: str) -> None:
        """The agent is there, and the dialer calls a customer."""
        self.phone_is(True)
        self.dialer.log_in(PHONE, campaign=self.stage.ledger.campaign([customer], mode="progressive", max_attempts=1))

    @contextmanager
    def talking(self, customer: str, folder: Path) -> Iterator[tuple[Ear, Ear]]:
        """A customer and the agent talk and hear each other; what the customer hears, and the agent."""
        ears = Ear(folder / "customer"), Ear(folder / "agent")
        self.far.carrier.hums(customer, CUSTOMER, ears[0].path)
        self.stage.lab.phone(PHONE).hums(AGENT, ears[1].path)
        self.dials(customer)
        self.dialer.wait_agent(PHONE, "on_call")
        try:
            self.hear(*ears)
            yield ears
        finally:
            self.stage.customers_hang_up()
        row = self.stage.ledger.ended_call(customer)
        assert (row["disposition"], row["hung_up_by"], row["source_extension"]) == ("answered", "customer", PHONE)

    def renew(self) -> None:
        """Another certificate in the PBX's files, of an authority now; read as the document says."""
        renewed = self.authority.sign(self.site.place.pbx)
        for name, file in zip(("ari.crt", "ari.key"), renewed, strict=True):
            (self.pbx.etc / "keys" / name).write_bytes(file.read_bytes())
        reload = "module reload res_pjsip.so"
        assert reload in DOCUMENT
        self.pbx.cli(reload)
        door, wanted = (self.site.place.pbx, TLS_PORT), renewed[0].read_text()
        wait_for(lambda: ssl.get_server_certificate(door) == wanted, "the renewed certificate to be shown")

    @staticmethod
    def hear(customer: Ear, agent: Ear) -> None:
        customer.hears("agent")
        agent.hears("customer")


@pytest.fixture(scope="module")
def started(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all tests of this module."""
    made = World(lab, tmp_path_factory.mktemp("tls"))
    try:
        # The far side first: the PBX asks for a sign of life within 2 s of its start, and then only after 30 s.
        with running(made.far.asterisk), running(made.pbx):
            made.dialer.start()
            yield made
            made.stage.close()
    finally:
        made.stage.clear()


@pytest.fixture
def world(started: World) -> Iterator[World]:
    """Nobody is logged in, and no campaign left."""
    started.stage.ledger.empty()
    started.far.carrier.forget()
    yield started
    started.dialer.log_all_out()


def test_given_trunk_and_phone_as_documented_when_the_dialer_dials_then_both_are_heard_and_all_is_encrypted(
    world: World, tmp_path: Path
) -> None:
    world.far_side_is_known()
    wait_for(lambda: " Registered " in world.pbx.cli("pjsip show registrations"), "the trunk to be registered")
    with world.talking(CUSTOMERS[0], tmp_path) as ears:
        for side in (world.pbx, world.far.asterisk):
            legs = side.ari.get("channels")
            assert len(legs) == 2
            for leg in legs:
                assert is_encrypted(side, leg["id"]), leg["name"]
        assert not [line for line in world.pbx.problems() if "beep" not in line], "only the agent's tone may fail"
        world.renew()
        world.hear(*ears)
    assert world.stage.ledger.disagreements() == []


def is_encrypted(side: Asterisk, channel: str) -> bool:
    """Whether messages and media of a channel are."""
    asked = ("CHANNEL(pjsip,secure)", "CHANNEL(rtp,secure)")
    return [side.ari.get(f"channels/{channel}/variable", variable=it)["value"] for it in asked] == ["1", "1"]


def test_given_a_carrier_without_srtp_then_it_gets_no_call_that_others_could_hear(world: World) -> None:
    world.far_side_is_known()
    with world.far.without_srtp():
        world.dials(CUSTOMERS[1])
        row = world.stage.ledger.ended_call(CUSTOMERS[1])
        assert (row["disposition"], row["tech_cause"], row["answered_at"]) == ("error", 488, None)
        world.trunk_is("online")
        assert not refusals(world.pbx)
        world.far.carrier.call_in("1130000000", "11910000001")
        wait_for(lambda: refusals(world.pbx), "a call from there to be refused")
        wait_for(lambda: len(world.far.carrier.channels()) == 1, "nobody but the agent to have a call")


def refusals(side: Asterisk) -> list[str]:
    """Calls to this side that were refused for their media."""
    return [line for line in side.problems() if "Couldn't negotiate stream" in line]


@pytest.mark.parametrize(
    ("stranger", "reason"),
    [("another authority", "The certificate is untrusted"), ("another name", "The server identity does not match")],
)
def test_given_a_carrier_that_is_not_who_it_should_be_then_nobody_is_called_and_it_says_why(
    world: World, tmp_path: Path, stranger: str, reason: str
) -> None:
    theirs = Authority(tmp_path / "theirs").sign(world.site.place.carrier)
    shown = theirs if stranger == "another authority" else world.authority.sign("127.0.0.9")
    world.far_side_is(*shown)
    world.trunk_is("offline")
    wait_for(lambda: any(f"- {reason}" in line for line in world.pbx.problems()), "the log to say why")
    assert reason in DOCUMENT
    world.dials(CUSTOMERS[2])
    row = world.stage.ledger.ended_call(CUSTOMERS[2])
    assert (row["disposition"], row["answered_at"]) == ("error", None)
    assert "by Asterisk 500" in row["timeline"]
    assert world.far.carrier.calls() == []
