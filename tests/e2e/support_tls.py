"""The far side of SIP over TLS: who signs certificates, and a carrier with a phone that speaks nothing else."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stasis_dialer.lab.addresses import SIP_PORT, Block, free_port
from stasis_dialer.lab.asterisk import Asterisk
from stasis_dialer.lab.carrier import Carrier, carrier_speech, write_carrier
from stasis_dialer.lab.carrier_files import CALLS_LOG, CarrierSite
from tests.e2e.support_site import Site, replaced

TLS_PORT = 5061
PHONE = "1001"
ACCOUNT = """
[5511]
type = aor
max_contacts = 1

[5511]
type = auth
auth_type = digest
username = 5511
password = change-me
"""
"""What the carrier knows of a customer who registers."""


class Authority:
    """Who signs certificates."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.certificate, self.key = folder / "authority.crt", folder / "authority.key"
        self._make(self.certificate, self.key, "authority")

    def sign(self, address: str) -> tuple[Path, Path]:
        """A certificate for an address, and its key."""
        made = self.folder / f"{address}.crt", self.folder / f"{address}.key"
        signed = ("-CA", str(self.certificate), "-CAkey", str(self.key))
        self._make(*made, address, *signed, "-addext", f"subjectAltName=IP:{address}")
        return made

    def _make(self, certificate: Path, key: Path, name: str, *words: str) -> None:
        new = ("-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", str(key))
        command = ("openssl", "req", "-x509", *new, *words, "-out", str(certificate))
        subprocess.run(command, check=True, capture_output=True)


class FarSide:
    """The lab's carrier with one phone, both on TLS with SRTP and nothing else."""

    def __init__(self, folder: Path, site: Site, authority: Path) -> None:
        port, password = free_port(), secrets.token_hex(12)
        self.asterisk = Asterisk("far", folder, site.lab.stack, f"http://127.0.0.1:{port}", "lab", password)
        self.carrier = Carrier(self.asterisk, seed=1)
        self._certificate, self._key, self._trusted = (folder / f"far.{name}" for name in ("crt", "key", "trusted"))
        self._sip = self.asterisk.etc / "pjsip.conf"
        (folder.parent / "pids").mkdir(exist_ok=True)
        made = CarrierSite(
            block=site.place,
            http_port=port,
            ari_user="lab",
            ari_password=password,
            phones={PHONE: "change-me"},
            seed=1,
            log_path=folder / CALLS_LOG,
            speech=carrier_speech(self.asterisk),
        )
        write_carrier(self.asterisk, made)
        self._speak_tls(site.place)
        documented = (site.asterisk.etc / "keys" / "ari.crt").read_text()
        self._trusted.write_text(documented + authority.read_text())

    def _speak_tls(self, place: Block) -> None:
        """TLS in the place of UDP. Phone and carrier verify the PBX, and the carrier wants a password for each call."""
        pbx, uri = place.pbx, f"{place.pbx}:{TLS_PORT}\\;transport=tls"
        tls = f"method = tlsv1_2\ncert_file = {self._certificate}\npriv_key_file = {self._key}\n"
        tls += f"ca_list_file = {self._trusted}\nverify_server = yes\n"
        changes = {f"sip:{pbx}:{SIP_PORT}": f"sip:{uri}", f"@{pbx}:{SIP_PORT}": f"@{uri}"}
        for address in (place.carrier, place.phones):
            changes[f"udp\nbind = {address}:{SIP_PORT}\n"] = f"tls\nbind = {address}:{TLS_PORT}\n{tls}"
        changes["rtp_symmetric = yes\n"] = "rtp_symmetric = yes\nmedia_encryption = sdes\n"
        changes["context = from-pbx\naors = pbx\n"] = "context = from-pbx\naors = pbx,5511\nauth = 5511\n"
        self._sip.write_text(replaced(self._sip.read_text(), changes) + ACCOUNT)

    def shows(self, certificate: Path) -> bool:
        """Whether it shows this certificate."""
        return self._certificate.read_bytes() == certificate.read_bytes()

    def show(self, certificate: Path, key: Path) -> None:
        """The certificate that it shows from its next start on."""
        self._certificate.write_bytes(certificate.read_bytes())
        self._key.write_bytes(key.read_bytes())

    @contextmanager
    def without_srtp(self) -> Iterator[None]:
        """Unencrypted media for a while, with TLS as ever."""
        before = self._sip.read_text()
        try:
            trunk, endpoint, rest = before.partition("[pbx]\ntype = endpoint\n")
            self._sip.write_text(trunk + endpoint + rest.replace("media_encryption = sdes\n", "", 1))
            self.asterisk.cli("module reload res_pjsip.so")
            yield
        finally:
            self._sip.write_text(before)
            self.asterisk.cli("module reload res_pjsip.so")
