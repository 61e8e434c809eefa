"""What the carrier's people and machines say: one table behind the recordings, the dialplan and the benchmarks.

A number's area code chooses the voice, so the truth about each call is known beforehand: a person at 41 says a short
"Alô?", a machine at 41 is the mailbox of a Brazilian operator. Area codes without an entry have the plain voices.
`speak` made the recordings in `voices/`; they are kept, so that every lab hears the same.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stasis_dialer.lab.fates import Fate

VOICES: Final = Path(__file__).with_name("voices")
SUFFIX: Final = ".gsm"


@dataclass(frozen=True)
class Greeting:
    """One recording.

    Units: `speed` is words a minute, `pitch` 0 to 99, `noise` the level of a street behind the voice (0: none, 1: as
    loud as the voice), `tail_seconds` how long that goes on after the last word.
    """

    name: str
    fate: Fate
    area: int
    language: str
    text: str
    """Parts between | have a pause of `pause_seconds` between them."""
    speed: int = 160
    pitch: int = 50
    noise: float = 0.0
    tail_seconds: float = 0.0
    pause_seconds: float = 0.9

    @property
    def path(self) -> Path:
        """The recording."""
        return VOICES / f"{self.name}{SUFFIX}"

    @property
    def has_beep(self) -> bool:
        """Whether a beep follows: a machine that records."""
        return self.fate is Fate.MACHINE


def _person(name: str, area: int, language: str, text: str, **voice: float) -> Greeting:
    return Greeting(name, Fate.HUMAN, area, language, text, **voice)  # type: ignore[arg-type]


def _machine(name: str, area: int, language: str, text: str, **voice: float) -> Greeting:
    return Greeting(name, Fate.MACHINE, area, language, text, **voice)  # type: ignore[arg-type]


GREETINGS: Final = (
    _person("pt-short", 41, "pt-br", "Alô?"),
    _person("pt-short-woman", 42, "pt-br+f3", "Alô?", pitch=70),
    _person("pt-oi", 43, "pt-br", "Oi, pode falar.", speed=170),
    _person("pt-who", 44, "pt-br+f2", "Alô, quem fala?", pitch=65),
    _person("pt-long", 45, "pt-br", "Alô, bom dia, aqui é da casa da Maria, quem está falando?", speed=165),
    _person("pt-twice", 46, "pt-br", "Alô?|Alô?"),
    _person("pt-street", 47, "pt-br", "Alô?", noise=0.03, tail_seconds=8.0),
    _person("pt-loud-street", 48, "pt-br+f3", "Alô, quem é?", pitch=70, noise=0.1, tail_seconds=8.0),
    _person("en-short", 61, "en-us", "Hello?"),
    _person("en-name", 62, "en-gb", "John Smith speaking."),
    _person("en-long", 63, "en-us+f3", "Hello, you have reached the Smith family, who is calling please?", pitch=70),
    _person("en-street", 64, "en-us", "Hello?", noise=0.05, tail_seconds=8.0),
    _machine(
        "pt-mailbox", 41, "pt-br+f3",
        "Sua chamada está sendo encaminhada para a caixa postal e estará sujeita a cobrança após o sinal.",
        pitch=65,
    ),
    _machine(
        "pt-family", 42, "pt-br",
        "Você ligou para a família Silva. No momento não podemos atender. Deixe seu recado após o sinal.",
    ),
    _machine("pt-brief", 43, "pt-br", "Deixe seu recado após o sinal.", speed=175),
    _machine(
        "pt-hello-first", 44, "pt-br",
        "Alô!|Não posso atender agora. Deixe seu recado depois do bipe.", pause_seconds=1.2,
    ),
    _machine(
        "pt-machine-street", 45, "pt-br+f2",
        "Olá, aqui é a Ana. Agora não posso falar, mas deixe o seu recado que eu ligo de volta.",
        pitch=60, noise=0.05,
    ),
    _machine(
        "en-standard", 61, "en-us",
        "Hi, you have reached five five five, one two three four. Please leave a message after the tone.",
    ),
    _machine("en-brief", 62, "en-gb+f2", "Please leave a message after the tone.", pitch=60),
    _machine(
        "en-hello-first", 63, "en-us", "Hello.|I cannot come to the phone right now. Leave a message.",
        pause_seconds=1.2,
    ),
)  # fmt: skip


def greeting(name: str) -> Greeting:
    """The greeting of that name. Raises: KeyError."""
    return {each.name: each for each in GREETINGS}[name]


def table_markdown() -> str:
    """The table for the documentation."""
    lines = ["| DD | fate | recording | says |", "|---|---|---|---|"]
    for it in GREETINGS:
        street = {0.0: ""}.get(it.noise, f" (a street behind, {it.noise:g})")
        lines.append(f"| {it.area} | {it.fate} | {it.name} | {it.text.replace('|', ' … ')}{street} |")
    return "\n".join(lines)
