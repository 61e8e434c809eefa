"""The carrier's Asterisk configuration: trunk to the PBX, phones that register with it, dialplan of the fates."""

from dataclasses import dataclass
from pathlib import Path

from stasis_dialer.lab.addresses import SIP_PORT, Block
from stasis_dialer.lab.fates import (
    BACKUP,
    BACKUP_DOMAIN,
    BEHAVIOURS,
    LONGEST_TALK_SECONDS,
    MIX_DIGIT,
    RING_SECONDS,
    TALK_SECONDS,
    TRUNK,
    Fate,
    mix_table,
)
from stasis_dialer.lab.greetings import GREETINGS

EXTRA_MODULES = (
    "app_echo",
    "app_exec",
    "app_milliwatt",
    "app_mixmonitor",
    "app_playtones",
    "app_senddtmf",
    "app_stack",
    "app_transfer",
    "func_env",
    "func_md5",
    "res_clioriginate",
)
CALLS_LOG = "calls.jsonl"
STARTED_BY_DEFAULT = "answers"
AUDIO_BY_DEFAULT = "speech"
TRUNK_BY_DEFAULT = "works"


@dataclass(frozen=True)
class CarrierSite:
    """What one lab's carrier is made of."""

    block: Block
    http_port: int
    ari_user: str
    ari_password: str
    phones: dict[str, str]
    seed: int
    log_path: Path
    speech: Path
    """Folder of spoken sounds for the phones' microphones."""


def carrier_files(site: CarrierSite, pbx_modules: str) -> dict[str, str]:
    """All configuration files by name; `pbx_modules` is the PBX's modules.conf, which the carrier extends."""
    return {
        "modules.conf": pbx_modules + "".join(f"\nload = {name}.so" for name in EXTRA_MODULES) + "\n",
        "http.conf": (
            f"[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = {site.http_port}\n"
            "sessionlimit = 500\nsession_keep_alive = 60000\nenable_static = no\n"
        ),
        "ari.conf": (
            "[general]\nenabled = yes\nchannelvars = PHONE,NATIONAL\n"
            f"[{site.ari_user}]\ntype = user\npassword = {site.ari_password}\n"
        ),
        "rtp.conf": "[general]\nrtpstart = 10000\nrtpend = 59999\n",
        "musiconhold.conf": (
            "[default]\nmode = playlist\n"
            + "".join(f"entry = {site.speech / name}\n" for name in ("demo-congrats", "demo-moreinfo", "demo-thanks"))
        ),
        "pjsip.conf": _pjsip(site),
        "extensions.conf": _extensions(site),
    }


def options() -> str:
    """What follows [directories] in asterisk.conf."""
    return "[options]\ntransmit_silence = yes\nmaxfiles = 65536\n"


def _pjsip(site: CarrierSite) -> str:
    block = site.block
    leg = "disallow = all\nallow = ulaw\ndirect_media = no\nrtp_symmetric = yes\nbind_rtp_to_media_address = yes\n"
    trunk = f"transport = trunk\nmedia_address = {block.carrier}\n{leg}"
    # Phones do not send the Q.850 cause that a carrier sends.
    phone = f"transport = phones\nmedia_address = {block.phones}\n{leg}suppress_q850_reason_headers = yes\n"
    pbx_uri = f"sip:{block.pbx}:{SIP_PORT}"
    parts = [
        # The referee must take every call that the PBX can place, so it never refuses for overload.
        "[global]\ntype = global\nendpoint_identifier_order = request_uri,ip\ntaskprocessor_overload_trigger = none\n",
        "[system]\ntype = system\ntimer_t1 = 100\ntimer_b = 6400\n",
        f"[trunk]\ntype = transport\nprotocol = udp\nbind = {block.carrier}:{SIP_PORT}\n",
        f"[phones]\ntype = transport\nprotocol = udp\nbind = {block.phones}:{SIP_PORT}\n",
        f"[pbx]\ntype = endpoint\n{trunk}context = from-pbx\naors = pbx\n",
        f"[pbx]\ntype = aor\ncontact = {pbx_uri}\n",
        f"[pbx]\ntype = identify\nendpoint = pbx\nmatch = {block.pbx}\n",
        f"[pbx-to-phones]\ntype = endpoint\n{phone}context = to-phones\naors = pbx\n",
        "[pbx-to-phones]\ntype = identify\nendpoint = pbx-to-phones\nmatch_request_uri = /^sip:p[0-9]+@/\n",
    ]
    for number, password in site.phones.items():
        parts += [
            f"[{number}]\ntype = endpoint\n{phone}context = to-phones\naors = pbx\nfrom_user = {number}\n"
            f"outbound_auth = {number}\n",
            f"[{number}]\ntype = auth\nauth_type = digest\nusername = {number}\npassword = {password}\n",
            f"[{number}]\ntype = registration\ntransport = phones\nserver_uri = {pbx_uri}\n"
            f"client_uri = sip:{number}@{block.pbx}:{SIP_PORT}\ncontact_user = p{number}\noutbound_auth = {number}\n"
            "expiration = 60\nretry_interval = 2\nforbidden_retry_interval = 2\nfatal_retry_interval = 2\n"
            "max_retries = 1000000\nmax_random_initial_delay = 0\n",
        ]
    return "\n".join(parts)


def _extensions(site: CarrierSite) -> str:
    table = [f"SEED = {site.seed}", f"CALLS_LOG = {site.log_path}"]
    table += [f"TRUNK_{name}_DOES = {TRUNK_BY_DEFAULT}" for name in (TRUNK, BACKUP)]
    table += [f"FATE_{behaviour.digit} = {fate}" for fate, behaviour in BEHAVIOURS.items()]
    table += [f"MIX_{byte:02x} = {fate}" for byte, fate in enumerate(mix_table())]
    table += [f"RING_{digit} = {seconds:g}" for digit, seconds in enumerate(RING_SECONDS)]
    table += [f"TALK_{digit} = {seconds or LONGEST_TALK_SECONDS:g}" for digit, seconds in enumerate(TALK_SECONDS)]
    table += greeting_globals()
    for number in site.phones:
        table += [f"PHONE_{number}_DOES = {STARTED_BY_DEFAULT}", f"PHONE_{number}_AUDIO = {AUDIO_BY_DEFAULT}"]
        table += [f"PHONE_{number}_DELAY = 0", f"PHONE_{number}_TALK = 0"]
    phones = "".join(f"exten => p{number},1,Goto(phone,{number},1)\n" for number in site.phones)
    words = {"<PHONES>": phones, "<MIX_DIGIT>": MIX_DIGIT, "<TRUNK>": TRUNK, "<BACKUP>": BACKUP}
    words |= {"<BACKUP_DOMAIN>": BACKUP_DOMAIN, "<CONGESTION>": Fate.CONGESTION}
    words |= {"<PBX>": f"{site.block.pbx}:{SIP_PORT}"}
    plan = DIALPLAN
    for word, text in words.items():
        plan = plan.replace(word, text)
    return "[general]\nstatic = yes\nwriteprotect = yes\n\n[globals]\n" + "\n".join(table) + "\n" + plan


def greeting_globals() -> list[str]:
    """What people and machines of an area code say."""
    return [f"SAYS_{it.fate}_{it.area} = {it.path.with_suffix('')}" for it in GREETINGS]


DIALPLAN = r"""
; An INVITE on the trunk. Logged before anything else happens; what came from outside goes into the log URL-encoded.
[from-pbx]
exten => _[!-~].,1,Set(DIALLED=${EXTEN})
 same => n,Goto(arrival,s,1)
exten => _[*#+0-9],1,Set(DIALLED=${EXTEN})
 same => n,Goto(arrival,s,1)

[arrival]
exten => s,1,Set(CALL_ID=${URIENCODE(${CHANNEL(pjsip,call-id)})})
 same => n,Set(ATTEMPT=${URIENCODE(${PJSIP_HEADER(read,X-SD-Attempt)})})
 same => n,Set(NUMBER=${URIENCODE(${DIALLED})})
 same => n,Set(REMOTE=${FILTER(-a-z0-9@.,${CHANNEL(pjsip,remote_uri)})})
 same => n,Set(TRUNK=${IF($["${REMOTE}" =~ "@<BACKUP_DOMAIN>"]?<BACKUP>:<TRUNK>)})
 same => n,Set(DIGITS=${FILTER(0-9,${DIALLED})})
 same => n,Set(PLUS=${FILTER(+,${DIALLED:0:1})})
 same => n,Set(NATIONAL=-)
 same => n,ExecIf($["${PLUS}" = "" & ${LEN(${DIGITS})} = 11]?Set(NATIONAL=${DIGITS}))
 same => n,ExecIf($["${PLUS}" = "" & ${LEN(${DIGITS})} = 12 & "x${DIGITS:0:1}" = "x0"]?Set(NATIONAL=${DIGITS:1}))
 same => n,ExecIf($[${LEN(${DIGITS})} = 13 & "x${DIGITS:0:2}" = "x55"]?Set(NATIONAL=${DIGITS:2}))
 same => n,Set(MISFITS=$[${LEN(${DIALLED})} - ${LEN(${PLUS})} - ${LEN(${DIGITS})}])
 same => n,Set(FATE=${FATE_5})
 same => n,GotoIf($[${MISFITS} != 0 | "x${NATIONAL:2:1}" != "x9"]?known)
 same => n,GotoIf($["x${NATIONAL:0:1}" = "x0" | "x${NATIONAL:1:1}" = "x0"]?known)
 same => n,Set(RING=${RING_${NATIONAL:4:1}})
 same => n,Set(TALK=${TALK_${NATIONAL:5:1}})
 same => n,Set(FATE=${FATE_${NATIONAL:3:1}})
 same => n,GotoIf($["x${NATIONAL:3:1}" != "x<MIX_DIGIT>"]?known)
 same => n,Set(BYTE=${MD5(${SEED}:${NATIONAL})})
 same => n,Set(FATE=${MIX_${BYTE:0:2}})
 same => n(known),ExecIf($["${TRUNK_${TRUNK}_DOES}" != "works"]?Set(FATE=<CONGESTION>))
 same => n,Set(SAYS=${SAYS_${FATE}_${NATIONAL:0:2}})
 same => n,Set(FROM=${URIENCODE(${CALLERID(num)})})
 same => n,Set(LINE={"event":"invite","at":${STRFTIME(,,%s.%3q)},"number":"${NUMBER}","call_id":"${CALL_ID}")
 same => n,Set(LINE=${LINE},"from":"${FROM}","attempt":"${ATTEMPT}","fate":"${FATE}","trunk":"${TRUNK}"})
 same => n,Set(FILE(${CALLS_LOG},,,al,u)=${LINE})
 same => n,Set(ANSWERED=null)
 same => n,Set(ENDED_BY=dialer)
 same => n,Set(CHANNEL(hangup_handler_push)=departure,s,1)
 same => n,Goto(fate-${FATE},s,1)

[departure]
exten => s,1,Set(LINE={"event":"end","at":${STRFTIME(,,%s.%3q)},"number":"${NUMBER}","call_id":"${CALL_ID}")
 same => n,Set(LINE=${LINE},"answered_at":${ANSWERED},"cause":"${HANGUPCAUSE}","ended_by":"${ENDED_BY}"})
 same => n,Set(FILE(${CALLS_LOG},,,al,u)=${LINE})
 same => n,Return()

; TIMEOUT(absolute) is the called side's patience: when it runs out, they hang up.
[hangs-up]
exten => T,1,Set(ENDED_BY=callee)
 same => n,Hangup(16)

; What this side hears and says, where the lab asks for it: a file, and a tone.
[audio]
exten => s,1,ExecIf($["x${EARS}" != "x"]?MixMonitor(${EARS}-all.wav,r(${EARS}.wav)))
 same => n,ExecIf($["x${TONE}" != "x"]?Playtones(${TONE}))
 same => n,Return()

[fate-human]
exten => s,1,Ringing()
 same => n,Wait(${RING})
 same => n,Set(TIMEOUT(absolute)=${TALK})
 same => n,Set(ANSWERED=${STRFTIME(,,%s.%3q)})
 same => n,Answer()
 same => n,Set(EARS=${EARS_${NATIONAL}})
 same => n,Set(TONE=${TONE_${NATIONAL}})
 same => n,GosubIf($["x${EARS}${TONE}" != "x"]?audio,s,1)
 same => n,Wait(0.3)
 same => n,ExecIf($["x${TONE}" = "x"]?Playback(${IF($[${LEN(${SAYS})} > 0]?${SAYS}:hello)}))
 same => n,Wait(86400)
include => hangs-up

[fate-machine]
exten => s,1,Ringing()
 same => n,Wait(${RING})
 same => n,Set(TIMEOUT(absolute)=${TALK})
 same => n,Set(ANSWERED=${STRFTIME(,,%s.%3q)})
 same => n,Answer()
 same => n,Playback(${IF($[${LEN(${SAYS})} > 0]?${SAYS}:vm-intro&beep)})
 same => n,Wait(30)
 same => n,Set(ENDED_BY=callee)
 same => n,Hangup(16)
include => hangs-up

[fate-dead_air]
exten => s,1,Ringing()
 same => n,Wait(${RING})
 same => n,Set(TIMEOUT(absolute)=${TALK})
 same => n,Set(ANSWERED=${STRFTIME(,,%s.%3q)})
 same => n,Answer()
 same => n,Wait(86400)
include => hangs-up

[fate-no_answer]
exten => s,1,Ringing()
 same => n,Wait(${RING})
 same => n,Set(ENDED_BY=carrier)
 same => n,Hangup(19)

[fate-voicemail_prompt]
exten => s,1,Ringing()
 same => n,Wait(${RING})
 same => n,Progress()
 same => n,Playback(vm-isunavail&vm-goodbye,noanswer)
 same => n,Set(ENDED_BY=carrier)
 same => n,Hangup(19)

[fate-busy]
exten => s,1,Set(ENDED_BY=callee)
 same => n,Hangup(17)

[fate-congestion]
exten => s,1,Set(ENDED_BY=carrier)
 same => n,Hangup(34)

[fate-unallocated]
exten => s,1,Set(ENDED_BY=carrier)
 same => n,Hangup(1)

[fate-rejected]
exten => s,1,Set(ENDED_BY=carrier)
 same => n,Hangup(21)

; A call of the PBX to a phone. What the phone does is in global variables that the lab changes while it runs.
[to-phones]
<PHONES>
[phone]
exten => _X.,1,Set(PHONE=${EXTEN})
 same => n,Set(CALL_ID=${URIENCODE(${CHANNEL(pjsip,call-id)})})
 same => n,Set(FROM=${URIENCODE(${CALLERID(num)})})
 same => n,Set(INFO=${URIENCODE(${PJSIP_HEADER(read,Call-Info)})})
 same => n,Set(LINE={"event":"ring","at":${STRFTIME(,,%s.%3q)},"phone":"${PHONE}","call_id":"${CALL_ID}")
 same => n,Set(LINE=${LINE},"from":"${FROM}","call_info":"${INFO}","does":"${PHONE_${PHONE}_DOES}"})
 same => n,Set(FILE(${CALLS_LOG},,,al,u)=${LINE})
 same => n,Goto(phone-${PHONE_${PHONE}_DOES},s,1)

[phone-answers]
exten => s,1,Ringing()
 same => n,Wait(${PHONE_${PHONE}_DELAY})
 same => n,ExecIf($[0${PHONE_${PHONE}_TALK} > 0]?Set(TIMEOUT(absolute)=${PHONE_${PHONE}_TALK}))
 same => n,Answer()
 same => n,Goto(phone-talks,s,1)

[phone-rings]
exten => s,1,Ringing()
 same => n,Wait(600)
 same => n,Hangup(19)

[phone-rejects]
exten => s,1,Hangup(17)

[phone-talks]
exten => s,1,Set(EARS=${PHONE_${PHONE}_EARS})
 same => n,Set(TONE=${PHONE_${PHONE}_HUMS})
 same => n,GosubIf($["x${EARS}${TONE}" != "x"]?audio,s,1)
 same => n,GotoIf($["x${TONE}" != "x"]?silence,1)
 same => n,Goto(${PHONE_${PHONE}_AUDIO},1)
exten => speech,1,MusicOnHold(default)
 same => n,Hangup(16)
exten => tone,1,Milliwatt()
 same => n,Hangup(16)
exten => echo,1,Echo()
 same => n,Hangup(16)
exten => silence,1,Wait(86400)
 same => n,Hangup(16)
include => hangs-up

; A phone's own transfer key: REFER within its call, which it goes on with when it is refused.
[phone-transfers]
exten => _[*0-9]!,1,Transfer(PJSIP/sip:${EXTEN}@<PBX>)
 same => n,Set(GLOBAL(PHONE_${PHONE}_TRANSFER)=${TRANSFERSTATUS})
 same => n,Goto(phone-talks,s,1)

; A customer who calls in: talks until either side ends.
[customer-talks]
exten => s,1,ExecIf($[0${TALK} > 0]?Set(TIMEOUT(absolute)=${TALK}))
 same => n,MusicOnHold(default)
 same => n,Hangup(16)
include => hangs-up

; Keys pressed on another channel: one half of a Local channel waits while the other one presses.
[keys]
exten => press,1,SendDTMF(${KEYS},100,100,${TARGET})
 same => n,Hangup()
exten => wait,1,Answer()
 same => n,Wait(30)
"""
