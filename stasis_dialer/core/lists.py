"""A list's columns and rows: which column is what, by its heading or its content, and what a row makes of a lead.

Pure: files are read by `files`, leads are written by `db.imports`. Every row has one result, a lead or a reason.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from stasis_dialer.core.numbers import normalise
from stasis_dialer.core.options import Numbers
from stasis_dialer.errors import NumberRefused, Refused

MAX_PHONES: Final = 20
"""Phones of one lead. Not measured; real lists have up to six."""
MAX_COLUMNS: Final = 500
MAX_NAME: Final = 255
MAX_LABEL: Final = 100
MAX_ATTRIBUTE: Final = 4000
"""Characters of one attribute's value; the rest of a longer one is cut."""
MOST_ATTEMPTS: Final = 100
PHONE_SHARE: Final = 0.6
"""A column without heading holds phones when at least this share of its filled cells are valid numbers."""

SKIP: Final = "skip"
FIELDS: Final = ("name", "phone", "area_code", "max_attempts", SKIP)
"""What `--map COLUMN=FIELD` may say, beside `attribute:LABEL` and the legacy's names of phones."""

_LEGACY_PHONES: Final = ("phone_number", "alternate_phone")
_NAMES: Final = frozenset(
    {
        "nome",
        "name",
        "nome_completo",
        "full_name",
        "fullname",
        "nome_cliente",
        "nome_do_cliente",
        "cliente",
        "client",
        "customer",
        "customer_name",
        "contato",
        "contact",
        "contact_name",
        "nome_contato",
        "nome_do_contato",
        "razao_social",
        "pessoa",
        "titular",
        "devedor",
        "lead",
        "lead_name",
        "primeiro_nome",
        "first_name",
        "firstname",
        "sobrenome",
        "last_name",
        "lastname",
        "surname",
    }
)
_PHONE_WORDS: Final = frozenset(
    {
        "telefone",
        "telefones",
        "tel",
        "tels",
        "fone",
        "fones",
        "phone",
        "phones",
        "telephone",
        "celular",
        "celulares",
        "cel",
        "cell",
        "cellphone",
        "mobile",
        "movel",
        "whatsapp",
        "whats",
        "wpp",
        "zap",
        "phonenumber",
    }
)
_NOT_PHONE: Final = frozenset(
    {
        "tipo",
        "type",
        "operadora",
        "carrier",
        "status",
        "situacao",
        "data",
        "date",
        "hora",
        "obs",
        "observacao",
        "qtd",
        "quantidade",
        "ramal",
        "score",
        "origem",
        "fonte",
        "valido",
        "melhor_horario",
        "optin",
        "consentimento",
        "aceita",
        "id",
    }
)
_AREA_WORDS: Final = frozenset({"ddd", "area", "area_code", "cod_area", "codigo_area", "areacode"})
_NUMBER: Final = frozenset({"numero", "number", "num", "numeros", "numbers"})
"""Phones when an area code stands before, or nothing else beside: else it may be a house's number."""
_ATTEMPTS: Final = frozenset({"max_attempts", "max_tentativas", "tentativas_maximas"})

_NOT_A_WORD: Final = re.compile(r"[^a-z0-9]+")
_TRAILING_DIGITS: Final = re.compile(r"(?<=[a-z])(?=[0-9]+$)")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ufeff]+")
_AS_FORMULA: Final = re.compile(r'="([^"]*)"')
_SEVERAL: Final = re.compile(r"[/;,|]|\s+(?:ou|e|or)\s+", re.IGNORECASE)
_SCIENTIFIC: Final = re.compile(r"[0-9]+[.,][0-9]+[eE]\+?[0-9]+")


class RowRefused(Exception):
    """A row that makes no lead: `reason` is a word, the message says more without showing a number."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class PhoneColumn:
    """A column with phones, and the one before it that holds their area codes, if there is one."""

    index: int
    area_index: int | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column is what; what is nothing else is an attribute under its label."""

    phones: tuple[PhoneColumn, ...]
    names: tuple[int, ...] = ()
    max_attempts: int | None = None
    attributes: tuple[tuple[int, str], ...] = ()


class ListedPhone(NamedTuple):
    """A valid number, E.164 without plus, and how the list has it."""

    number: str
    original: str


class ListedLead(NamedTuple):
    """What a row makes of a lead; `remarks` are its phones that were left out, and why."""

    line: int
    name: str
    phones: tuple[ListedPhone, ...]
    max_attempts: int | None = None
    attributes: Mapping[str, str] | None = None
    remarks: tuple[str, ...] = ()


def heading(text: str) -> str:
    """A heading without case, accents and punctuation: `Telefone Celular 2` is `telefone_celular_2`."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return _TRAILING_DIGITS.sub("_", _NOT_A_WORD.sub("_", plain).strip("_"))


def has_headings(first: Sequence[str], region: str, rules: Numbers) -> bool:
    """Whether a file's first row names its columns: it has text, and no phone number."""
    return any(cell.strip() for cell in first) and not any(_is_number(cell, region, rules) for cell in first)


def columns_by_heading(headings: Sequence[str], mapping: Mapping[str, str] | None = None) -> Columns:
    """The columns by their headings; `mapping` (column's heading or number, from 1: field) goes before them.

    Raises: Refused for a mapping that fits nothing, or when no column has phones.
    """
    mapped = _mapped(headings, mapping or {})
    fields: list[str] = []
    for index, text in enumerate(headings):
        field = mapped.get(index) or _field(heading(text))
        if not field and heading(text) in _NUMBER and (len(headings) == 1 or fields[-1:] == ["area_code"]):
            field = "phone"
        fields.append(field)
    columns = _columns(fields, headings)
    if not columns.phones:
        seen = ", ".join(text.strip() for text in headings)[:200] or "nothing"
        raise Refused(f"no column with phone numbers: headings={seen}; say which one with --map COLUMN=phone")
    return columns


def columns_by_content(
    rows: Sequence[Sequence[str]], region: str, rules: Numbers, mapping: Mapping[str, str] | None = None
) -> Columns:
    """The columns of a file without headings, by its first rows; `mapping` goes by the columns' numbers.

    Raises: Refused for a mapping that fits nothing, or when no column has phones.
    """
    width = max((len(row) for row in rows), default=0)
    labels = [f"column_{index + 1}" for index in range(width)]
    mapped = _mapped(labels, mapping or {})
    cells = [[row[index] for row in rows if index < len(row) and row[index].strip()] for index in range(width)]
    fields: list[str] = []
    for index in range(width):
        field = mapped.get(index) or ("phone" if _are_phones(cells[index], region, rules) else "")
        if not field and "name" not in fields and "name" not in mapped.values() and _are_names(cells[index]):
            field = "name"
        fields.append(field)
    columns = _columns(fields, labels)
    if not columns.phones:
        raise Refused(
            "no column with phone numbers: the file has no headings and no column of valid numbers; "
            "say which one with --map 1=phone, or complete numbers with --area-code"
        )
    return columns


def read_lead(line: int, cells: Sequence[str], columns: Columns, region: str, rules: Numbers) -> ListedLead:
    """The lead of one row. Raises: RowRefused."""
    if len(cells) > MAX_COLUMNS:
        raise RowRefused("too_many_columns", f"columns={len(cells)} limit={MAX_COLUMNS}")
    width = len(cells)
    phones, remarks = _phones(cells, columns, region, rules)
    attributes = {}
    for index, label in columns.attributes:
        if index < width and (text := _text(cells[index], MAX_ATTRIBUTE)):
            attributes[label] = text
    attempts = columns.max_attempts
    return ListedLead(
        line,
        _text(" ".join([cells[index] for index in columns.names if index < width]), MAX_NAME),
        phones,
        _attempts(cells[attempts]) if attempts is not None and attempts < width else None,
        attributes or None,
        remarks,
    )


def _phones(
    cells: Sequence[str], columns: Columns, region: str, rules: Numbers
) -> tuple[tuple[ListedPhone, ...], tuple[str, ...]]:
    phones: list[ListedPhone] = []
    problems: list[NumberRefused] = []
    remarks: list[str] = []
    for position, column in enumerate(columns.phones, 1):
        text = cells[column.index].strip(" ") if column.index < len(cells) else ""
        if not text:
            continue
        own = rules if column.area_index is None else _with_area(rules, cells, column.area_index)
        try:
            phones += _numbers(text, region, own)
        except NumberRefused as error:
            problems.append(error)
            remarks.append(f"phone {position}: {error.reason}")
    if not phones:
        if problems:
            raise RowRefused(problems[0].reason, str(problems[0]))
        raise RowRefused("no_number", "the row has no phone number")
    if len(phones) > 1:
        phones = list({phone.number: phone for phone in reversed(phones)}.values())[::-1][:MAX_PHONES]
    return tuple(phones), tuple(remarks)


def _numbers(text: str, region: str, rules: Numbers) -> list[ListedPhone]:
    """The numbers of a cell: one, or several with a separator between them.

    Raises: NumberRefused when any of them is none.
    """
    try:
        return [ListedPhone(normalise(text, region, rules), text)]
    except NumberRefused as error:
        bare = text.removeprefix("'")
        wrapped = _AS_FORMULA.fullmatch(bare)
        if wrapped:
            bare = wrapped[1]
        if bare != text:
            return [ListedPhone(normalise(bare, region, rules), text)]
        if _SCIENTIFIC.fullmatch(bare):
            raise NumberRefused(
                "a spreadsheet has rounded the number (1.19877E+10); format the column as text and export it again"
            ) from error
        parts = [part.strip(" ") for part in _SEVERAL.split(bare) if part.strip(" ")]
        if not 1 < len(parts) <= MAX_PHONES:
            raise
    return [ListedPhone(normalise(part, region, rules), part) for part in parts]


def _with_area(rules: Numbers, cells: Sequence[str], index: int) -> Numbers:
    """The rules with the area code that stands beside a phone, when it is one."""
    digits = cells[index].strip(" ()").removesuffix(".0").lstrip("0") if index < len(cells) else ""
    is_code = digits.isascii() and digits.isdigit() and 2 <= len(digits) <= 4
    return replace(rules, area_code=digits) if is_code else rules


def _attempts(text: str) -> int | None:
    digits = text.strip()
    if not digits:
        return None
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 3 and 1 <= int(digits) <= MOST_ATTEMPTS):
        raise RowRefused("bad_value", f"max_attempts is no number from 1 to {MOST_ATTEMPTS}: seen={digits[:20]!r}")
    return int(digits)


def _text(text: str, longest: int) -> str:
    """A cell's text for people: no control characters, no spaces around, not too long."""
    if not text.isprintable():
        text = _CONTROL.sub(" ", text)
    return text.strip()[:longest]


def _field(name: str) -> str:
    """What a heading in its normal form says, or ''."""
    if name in _NAMES:
        return "name"
    if name in _ATTEMPTS:
        return "max_attempts"
    if name in _LEGACY_PHONES:
        return name
    words = [word for word in name.split("_") if not word.isdigit()]
    if name in _AREA_WORDS or "_".join(words) in _AREA_WORDS or words[:1] == ["ddd"]:
        return "area_code"
    if _PHONE_WORDS.intersection(words) and not _NOT_PHONE.intersection(words):
        return "phone"
    return ""


def _mapped(headings: Sequence[str], mapping: Mapping[str, str]) -> dict[int, str]:
    """The fields that `mapping` gives to columns, by index."""
    names = [heading(text) for text in headings]
    fields: dict[int, str] = {}
    for column, field in mapping.items():
        known = field in FIELDS or field in _LEGACY_PHONES or field.startswith("attribute:")
        if not known:
            raise Refused(f"no such field: --map {column}={field}; use {', '.join(FIELDS)} or attribute:LABEL")
        if heading(column) in names:
            index = names.index(heading(column))
        elif column.isascii() and column.isdigit() and 1 <= int(column) <= max(len(names), MAX_COLUMNS):
            index = int(column) - 1
        else:
            seen = ", ".join(text.strip() for text in headings)[:200]
            raise Refused(f"no such column: --map {column}={field}; headings={seen}")
        fields[index] = field
    return fields


def _columns(fields: Sequence[str], headings: Sequence[str]) -> Columns:
    phones: list[tuple[int, PhoneColumn]] = []
    attributes: list[tuple[int, str]] = []
    names: list[int] = []
    attempts = area = None
    for index, field in enumerate(fields):
        if field == "area_code":
            area = index
        elif field == "phone" or field in _LEGACY_PHONES:
            rank = _LEGACY_PHONES.index(field) if field in _LEGACY_PHONES else len(_LEGACY_PHONES)
            phones.append((rank, PhoneColumn(index, area)))
            area = None
        elif field == "name":
            names.append(index)
        elif field == "max_attempts":
            attempts = index
        elif field != SKIP:
            label = field.removeprefix("attribute:") or headings[index].strip() or f"column_{index + 1}"
            attributes.append((index, _text(label, MAX_LABEL)))
    ordered = sorted(phones, key=lambda phone: phone[0])
    return Columns(
        tuple(column for _, column in ordered[:MAX_PHONES]), tuple(names), attempts, tuple(_distinct(attributes))
    )


def _distinct(attributes: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """Attributes with labels that differ."""
    taken: set[str] = set()
    distinct = []
    for index, label in attributes:
        own = label if label not in taken else f"{label} ({index + 1})"
        taken.add(own)
        distinct.append((index, own))
    return distinct


def _is_number(text: str, region: str, rules: Numbers) -> bool:
    try:
        return bool(_numbers(text.strip(" "), region, rules))
    except NumberRefused:
        return False


def _are_phones(cells: Sequence[str], region: str, rules: Numbers) -> bool:
    valid = sum(_is_number(cell, region, rules) for cell in cells)
    return bool(cells) and valid / len(cells) >= PHONE_SHARE


def _are_names(cells: Sequence[str]) -> bool:
    named = sum(not any(sign.isdigit() for sign in cell) and "@" not in cell for cell in cells)
    return bool(cells) and named / len(cells) >= PHONE_SHARE
