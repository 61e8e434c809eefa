"""What the dialer logs of its own defects: where it was, and never what it held."""

import subprocess
import sys
from pathlib import Path

import pytest

FAILS = """
import sys
import structlog
from stasis_dialer.telemetry import configure_logs
configure_logs("info", "{format}")
def fail():
    held = sys.argv[1]
    raise ValueError("broken")
try:
    fail()
except ValueError:
    structlog.get_logger().exception("loop-failed")
"""


@pytest.mark.parametrize("form", ["console", "json"])
def test_given_a_defect_when_it_is_logged_then_what_the_code_held_is_not(tmp_path: Path, form: str) -> None:
    script = tmp_path / "fails.py"
    script.write_text(FAILS.replace("{format}", form))

    done = subprocess.run([sys.executable, str(script), "open-sesame"], capture_output=True, text=True, check=True)

    assert "ValueError: broken" in done.stderr
    assert "in fail" in done.stderr
    assert "open-sesame" not in done.stderr
