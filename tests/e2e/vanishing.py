"""A telephone that loses its power: it registers, answers one call, and is never heard of again."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from typing import Final

from stasis_dialer.lab.addresses import SIP_PORT

PORT: Final = 5062
PATIENCE_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.1


class VanishingPhone:
    """A plain UDP telephone without session timers (RFC 4028), as many are; it sends no media and hears none."""

    def __init__(self, number: str, password: str, own: str, pbx: str) -> None:
        self._number, self._password, self._own, self._pbx = number, password, own, pbx
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((own, PORT))
        self._socket.settimeout(PATIENCE_SECONDS)
        self._is_off = False
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def switch_on(self) -> None:
        """Register, and answer whatever comes from then on."""
        self._send(self._register(1, ""))
        challenge = self._response()
        realm, nonce = (self._value(challenge, name) for name in ("realm", "nonce"))
        uri = f"sip:{self._pbx}"
        secret, request = (_md5(f"{self._number}:{realm}:{self._password}"), _md5(f"REGISTER:{uri}"))
        proof = (
            f'Authorization: Digest username="{self._number}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
            f'nc=00000001, cnonce="0a4f113b", qop=auth, algorithm=MD5, '
            f'response="{_md5(f"{secret}:{nonce}:00000001:0a4f113b:auth:{request}")}"\r\n'
        )
        self._send(self._register(2, proof))
        answer = self._response()
        assert answer.startswith("SIP/2.0 200"), answer
        self._socket.settimeout(POLL_SECONDS)
        self._thread.start()

    def lose_power(self) -> None:
        """Gone without a word; the address answers nothing any more, not even that nobody is there."""
        self._is_off = True
        self._thread.join()

    def close(self) -> None:
        """Give the address back."""
        if self._thread.is_alive():
            self.lose_power()
        self._socket.close()

    def _serve(self) -> None:
        while not self._is_off:
            try:
                request = self._receive()
            except TimeoutError:
                continue
            if request.startswith("INVITE "):
                self._send(self._answer(request, "Content-Type: application/sdp\r\n", self._sdp()))
            elif request and not request.startswith(("ACK ", "SIP/2.0")):
                self._send(self._answer(request))

    def _register(self, sequence: int, proof: str) -> str:
        who = f"sip:{self._number}@{self._pbx}"
        return (
            f"REGISTER sip:{self._pbx} SIP/2.0\r\nVia: SIP/2.0/UDP {self._own}:{PORT};branch=z9hG4bKv{sequence}\r\n"
            f"From: <{who}>;tag=vanishing\r\nTo: <{who}>\r\nCall-ID: vanishing-{self._number}\r\n"
            f"CSeq: {sequence} REGISTER\r\nContact: <sip:{self._number}@{self._own}:{PORT}>\r\nExpires: 600\r\n"
            f"Max-Forwards: 70\r\n{proof}Content-Length: 0\r\n\r\n"
        )

    def _answer(self, request: str, extra: str = "", body: str = "") -> str:
        kept = re.findall(r"^(?:Via|From|Call-ID|CSeq|Record-Route):.*\r\n", request, re.MULTILINE | re.IGNORECASE)
        to = re.findall(r"^To:.*(?=\r\n)", request, re.MULTILINE | re.IGNORECASE)[0]
        tag = "" if ";tag=" in to else ";tag=vanishing"
        contact = f"Contact: <sip:{self._number}@{self._own}:{PORT}>\r\n"
        return (
            f"SIP/2.0 200 OK\r\n{''.join(kept)}{to}{tag}\r\n{contact}{extra}Content-Length: {len(body)}\r\n\r\n{body}"
        )

    def _sdp(self) -> str:
        return (
            f"v=0\r\no=- 1 1 IN IP4 {self._own}\r\ns=-\r\nc=IN IP4 {self._own}\r\nt=0 0\r\n"
            "m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        )

    def _send(self, text: str) -> None:
        self._socket.sendto(text.encode(), (self._pbx, SIP_PORT))

    def _response(self) -> str:
        while not (text := self._receive()).startswith("SIP/2.0"):
            pass
        return text

    def _receive(self) -> str:
        return self._socket.recv(65535).decode(errors="replace")

    @staticmethod
    def _value(text: str, name: str) -> str:
        found = re.search(rf'{name}="([^"]*)"', text)
        assert found, text
        return found[1]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
