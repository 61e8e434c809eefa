"""What the commands that read a list refuse before they touch the database."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from stasis_dialer.cli.main import main

USAGE = 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("leads", "import", "{list}", "--campaign", "x", "--map", "fone"), "write COLUMN=FIELD, not 'fone'"),
        (("leads", "import", "{list}", "--campaign", "x", "--delimiter", ";;"), "one sign, or TAB"),
        (("leads", "import", "{list}", "--campaign", "x", "--area-code", "x1"), "two to four digits"),
        (("leads", "import", "{list}", "--campaign", "x", "--dedupe", "never"), "'never' is not one of"),
        (("leads", "import", "{list}", "--campaign", "x", "--encoding", "ebcdic"), "'ebcdic' is not one of"),
        (("leads", "import", "{list}"), "Missing option '--campaign'"),
        (("dnc", "import", "{list}"), "Missing option '--source'"),
        (("dnc", "add", "1", "--expires", "soon"), "'soon' does not match"),
    ],
)
def test_given_a_mistake_then_it_is_said_which(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text("fone\n11987654321\n")
    done = CliRunner().invoke(main, [word.format(list=path) for word in words])
    assert done.exit_code == USAGE
    assert says in done.output
