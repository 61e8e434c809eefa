"""Whatever stands in a configuration: settings, or one `ConfigurationError`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from stasis_dialer.errors import ConfigurationError
from stasis_dialer.settings import check_campaign, load_settings, read_value

KEYS = st.sampled_from(
    ["ari", "database", "api", "trunks", "log", "url", "password", "token", "name", "endpoint", "headers", "x", "<<"]
)
TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["{number}", "{", "{0}", "{number:{x}}", "${A}", "${", "http://x", "UTC", "../x", "\0", "info"]),
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.dates(), st.datetimes())
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | TEXTS, inner, max_size=4), max_leaves=15
)
YAML_SIGNS = st.text(st.sampled_from("abc019:-[]{},&*!|>'\"%@`#?.~<=\n\t \\${}é\u2028"), max_size=60)


def load(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            load_settings(path, {"A": "b"})
        except ConfigurationError as error:
            assert str(error)


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_given_any_values_under_known_keys_then_settings_or_one_error(data: dict[str, object]) -> None:
    load(yaml.safe_dump(data))


@given(st.one_of(YAML_SIGNS, st.text(max_size=60)))
@example("a: &a {b: *a}")
@example("? {a: 1}\n: 2")
@example("<<: 3")
@example("a: 0o9")
@example("a: 1e999")
def test_given_any_text_then_settings_or_one_error(text: str) -> None:
    load(text)


@given(st.dictionaries(KEYS | TEXTS | st.sampled_from(["name", "settings", "start_time", "mode"]), VALUES, max_size=6))
def test_given_any_campaign_then_it_is_valid_or_one_error(data: dict[str, object]) -> None:
    try:
        check_campaign(data)
    except ConfigurationError as error:
        assert str(error)


@given(st.one_of(YAML_SIGNS, st.text(max_size=60)))
def test_given_any_value_of_the_command_line_then_it_is_read_or_one_error(text: str) -> None:
    try:
        read_value(text)
    except ConfigurationError as error:
        assert str(error)
