"""Columns by heading and by content, and what a row makes of a lead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_dialer.core.lists import (
    Columns,
    ListedLead,
    PhoneColumn,
    RowRefused,
    columns_by_content,
    columns_by_heading,
    has_headings,
    heading,
    read_lead,
)
from stasis_dialer.core.numbers import E164_DIGITS
from stasis_dialer.core.options import Numbers
from stasis_dialer.errors import Refused

RULES = Numbers()


def read(cells: list[str], columns: Columns, rules: Numbers = RULES) -> ListedLead:
    return read_lead(2, cells, columns, "BR", rules)


def numbers(cells: list[str], columns: Columns, rules: Numbers = RULES) -> list[str]:
    return [phone.number for phone in read(cells, columns, rules).phones]


@pytest.mark.parametrize(
    ("text", "normal"),
    [("Telefone Celular 2", "telefone_celular_2"), ("telefone2", "telefone_2"), ("  Razão Social ", "razao_social")],
)
def test_a_heading_is_without_case_accents_and_punctuation(text: str, normal: str) -> None:
    assert heading(text) == normal


@pytest.mark.parametrize(
    ("headings", "phones", "names"),
    [
        ("nome;telefone", [1], [0]),
        ("Nome Completo;Celular;Telefone2", [1, 2], [0]),
        ("name;phone_number;alternate_phone;max_attempts", [1, 2], [0]),
        ("alternate_phone;phone_number", [1, 0], []),
        ("CPF;RAZÃO SOCIAL;FONE 1;FONE 2;FONE 3", [2, 3, 4], [1]),
        ("first_name;last_name;Mobile Phone", [2], [0, 1]),
        ("cliente;WhatsApp;tipo telefone;operadora celular", [1], [0]),
        ("Tel. Residencial;Tel. Comercial", [0, 1], []),
        ("DDD;NUMERO;DATA", [1], []),
        ("numero", [0], []),
        ("rua;numero;fone", [2], []),
    ],
)
def test_columns_are_known_by_their_headings(headings: str, phones: list[int], names: list[int]) -> None:
    columns = columns_by_heading(headings.split(";"))
    assert [column.index for column in columns.phones] == phones
    assert list(columns.names) == names


def test_given_area_codes_in_a_column_of_their_own_then_each_belongs_to_the_next_phone() -> None:
    columns = columns_by_heading(["ddd1", "fone1", "DDD 2", "fone2", "fone3"])
    assert columns.phones == (PhoneColumn(1, 0), PhoneColumn(3, 2), PhoneColumn(4))
    assert numbers(["11", "98765-4321", "(021)", "31234567", ""], columns) == ["5511987654321", "552131234567"]
    assert numbers(["", "1198765-4321", "x", "", ""], columns) == ["5511987654321"]


def test_unknown_columns_are_attributes_under_labels_that_differ() -> None:
    columns = columns_by_heading(["nome", "fone", "Cidade", "", "Cidade", "max_attempts"])
    lead = read(["Ana", "11987654321", " São Paulo ", "x", "", "5"], columns)
    assert lead.attributes == {"Cidade": "São Paulo", "column_4": "x"}
    assert lead.max_attempts == 5
    assert columns.attributes[2] == (4, "Cidade (5)")


def test_a_mapping_goes_before_the_headings() -> None:
    columns = columns_by_heading(
        ["nome", "contrato", "xyz", "fone"],
        {"xyz": "phone", "Contrato": "attribute:Contract", "4": "skip", "1": "attribute:who"},
    )
    assert columns == Columns((PhoneColumn(2),), (), None, ((0, "who"), (1, "Contract")))


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ({"xyz": "phone"}, "no such column: --map xyz=phone; headings=nome, fone"),
        ({"nome": "nickname"}, "no such field"),
        ({"0": "phone"}, "no such column"),
        ({"fone": "skip"}, "no column with phone numbers: headings=nome, fone"),
    ],
)
def test_given_a_mapping_that_fits_nothing_then_it_is_refused(mapping: dict[str, str], says: str) -> None:
    with pytest.raises(Refused, match=says):
        columns_by_heading(["nome", "fone"], mapping)


@pytest.mark.parametrize(
    ("first", "is_heading"),
    [(["nome", "fone"], True), (["Ana", "11987654321"], False), (["11987654321"], False), (["", " "], False)],
)
def test_a_first_row_without_a_number_has_the_headings(first: list[str], is_heading: bool) -> None:
    assert has_headings(first, "BR", RULES) is is_heading


def test_given_no_headings_then_columns_are_known_by_what_they_hold() -> None:
    rows = [
        ["12345678909", "Ana Lima", "(11) 98765-4321", ""],
        ["98765432100", "Zé", "21 98765-4321", "11 3123-4567"],
        ["1", "Bia", "none", ""],
    ]
    columns = columns_by_content(rows, "BR", RULES)
    assert [column.index for column in columns.phones] == [2, 3]
    assert (columns.names, columns.attributes) == ((1,), ((0, "column_1"),))
    with pytest.raises(Refused, match="--map 1=phone"):
        columns_by_content([["Ana", "1"]], "BR", RULES)
    assert columns_by_content([["Ana", "1"]], "BR", RULES, {"2": "phone"}).phones == (PhoneColumn(1),)


ONE = columns_by_heading(["nome", "fone"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("11 98765-4321 / 11 3123-4567", ["5511987654321", "551131234567"]),
        ("11987654321;1131234567", ["5511987654321", "551131234567"]),
        ("11987654321 ou 1131234567", ["5511987654321", "551131234567"]),
        ("11987654321, 5511987654321", ["5511987654321"]),
        ('="11987654321"', ["5511987654321"]),
        ("'11987654321", ["5511987654321"]),
    ],
)
def test_given_a_cell_as_lists_have_it_then_its_numbers(text: str, found: list[str]) -> None:
    assert numbers(["Ana", text], ONE) == found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no_number"),
        ("123", "invalid_number"),
        ("+1 212 555 2368", "foreign_number"),
        ("0300 123 4567", "premium_number"),
        ("1.19877E+10", "invalid_number"),
        ("5511987654321@evil", "invalid_number"),
        ("PJSIP/x&PJSIP/y", "invalid_number"),
        ("1,Dial(PJSIP/5511987654321)", "invalid_number"),
        ("5511987654321;evil", "invalid_number"),
        ("5511987654321&5511987654322", "invalid_number"),
        ("'; DROP TABLE discador_contatos; --", "invalid_number"),
        ('=HYPERLINK("http://evil","11987654321")', "invalid_number"),
        ("${SHELL(id)}", "invalid_number"),
        ("11987654321\x00", "invalid_number"),
        ("/".join(["11987654321"] * 40), "invalid_number"),
    ],
)
def test_given_no_number_that_may_be_called_then_the_row_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(RowRefused) as refusal:
        read(["Ana", text], ONE)
    assert refusal.value.reason == reason
    assert "98765432" not in str(refusal.value)


def test_given_a_bad_phone_beside_a_good_one_then_the_lead_keeps_the_good_one() -> None:
    lead = read(["Ana", "123", "11987654321"], columns_by_heading(["nome", "fone1", "fone2"]))
    assert [phone.number for phone in lead.phones] == ["5511987654321"]
    assert lead.remarks == ("phone 1: invalid_number",)


@pytest.mark.parametrize("attempts", ["0", "101", "many", "-1", "1.5", "²"])
def test_given_a_bad_limit_of_attempts_then_the_row_is_refused(attempts: str) -> None:
    with pytest.raises(RowRefused, match="max_attempts"):
        read(["11987654321", attempts], columns_by_heading(["fone", "max_attempts"]))


def test_names_and_attributes_hold_no_control_characters_and_are_bounded() -> None:
    columns = columns_by_heading(["nome", "fone", "nota"])
    lead = read(["A\x00na\r\n " + "x" * 300, "11987654321", "a\x1b[31m" + "y" * 5000], columns)
    assert lead.name.startswith("A na  x")
    assert len(lead.name) == 255
    assert lead.attributes is not None
    assert lead.attributes["nota"].startswith("a [31my")
    assert len(lead.attributes["nota"]) == 4000


@given(st.lists(st.text(max_size=30), max_size=8))
def test_given_any_row_then_a_lead_with_valid_numbers_or_a_reason(cells: list[str]) -> None:
    columns = Columns((PhoneColumn(0), PhoneColumn(2, 1)), (3,), 4, ((5, "a"), (6, "b")))
    try:
        lead = read(cells, columns, Numbers("11"))
    except RowRefused as error:
        assert error.reason
        return
    assert lead.phones
    assert all(E164_DIGITS.fullmatch(phone.number) for phone in lead.phones)
    assert "\x00" not in lead.name
