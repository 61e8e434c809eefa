"""The PBX of the lab: the project's own `asterisk/` and `dialplan/` files with generated site files.

The files that production installs are linked, not copied. Only addresses, ports, passwords and phones are written here,
into the `site` folder whose example is `asterisk/site.example/`.
"""

from dataclasses import dataclass
from pathlib import Path

from stasis_dialer.errors import LabError
from stasis_dialer.lab.addresses import SIP_PORT, Block
from stasis_dialer.lab.asterisk import Asterisk, link
from stasis_dialer.lab.fates import BACKUP, BACKUP_DOMAIN

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class PbxSite:
    """The values of a site: what production writes by hand."""

    block: Block
    http_port: int
    ari_user: str
    ari_password: str
    phones: dict[str, str]
    """Extension to SIP password."""


def site_files(site: PbxSite) -> dict[str, str]:
    """The site files by name; the same names as in `asterisk/site.example/`."""
    return {
        "http.conf": f"bindaddr = 127.0.0.1\nbindport = {site.http_port}\n",
        "ari.conf": (
            f"[{site.ari_user}](dialer-user)\npassword = {site.ari_password}\npassword_format = plain\n"
            "deny = 0.0.0.0/0.0.0.0\npermit = 127.0.0.0/255.0.0.0\n"
        ),
        "rtp.conf": "rtpstart = 10000\nrtpend = 59999\n",
        "globals.conf": "SD_APP = stasis_dialer\n",
        "pjsip.conf": _pjsip(site),
    }


def _pjsip(site: PbxSite) -> str:
    block = site.block
    media = f"transport = udp\nmedia_address = {block.pbx}\nbind_rtp_to_media_address = yes\nallow = !all,ulaw\n"
    parts = [
        "[system]\ntype = system\ntimer_t1 = 100\ntimer_b = 6400\n",
        f"[udp]\ntype = transport\nprotocol = udp\nbind = {block.pbx}:{SIP_PORT}\n",
        "[site-acl]\ntype = acl\ndeny = 0.0.0.0/0.0.0.0\npermit = 127.0.0.0/255.0.0.0\n",
        f"[carrier](trunk)\n{media}aors = carrier\n",
        f"[carrier](trunk-aor)\ncontact = sip:{block.carrier}:{SIP_PORT}\n",
        f"[{BACKUP}](trunk)\n{media}aors = {BACKUP}\nfrom_domain = {BACKUP_DOMAIN}\n",
        f"[{BACKUP}](trunk-aor)\ncontact = sip:{block.carrier}:{SIP_PORT}\n",
        f"[carrier](trunk-identify)\nendpoint = carrier\nmatch = {block.carrier}\n",
    ]
    for number, password in site.phones.items():
        parts += [
            f"[{number}](phone)\n{media}auth = {number}\naors = {number}\ncallerid = Agent {number} <{number}>\n"
            "timers_sess_expires = 90\n",
            f"[{number}](phone-auth)\nusername = {number}\npassword = {password}\n",
            f"[{number}](phone-aor)\n",
        ]
    return "\n".join(parts)


def write_pbx(pbx: Asterisk, site: PbxSite) -> None:
    """Lay out the PBX's folder.

    Raises: LabError when the project's files are not beside the package.
    """
    source = PROJECT / "asterisk"
    if not (source / "modules.conf").is_file():
        raise LabError(f"the lab runs from a checkout of the project: missing={source / 'modules.conf'}")
    pbx.prepare(f'[options]\n#include "{source / "asterisk.conf"}"')
    for path in source.glob("*.conf"):
        if path.name != "asterisk.conf":
            link(pbx.etc / path.name, path)
    link(pbx.etc / "dialplan", PROJECT / "dialplan")
    for name in ("sounds/stasis-dialer", "moh"):
        link(pbx.folder / "data" / name, source / name)
    site_folder = pbx.etc / "site"
    site_folder.mkdir(mode=0o700, exist_ok=True)
    for name, text in site_files(site).items():
        path = site_folder / name
        path.touch(mode=0o600)
        path.write_text(text)
