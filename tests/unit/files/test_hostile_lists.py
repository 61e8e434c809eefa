"""Every row of a hostile list has a clear result, and nothing gets through that is no valid number."""

import subprocess
import sys
from pathlib import Path

import pytest

from stasis_dialer.core.model import Campaign, Trunk
from stasis_dialer.core.numbers import DIALLABLE, dial_endpoint
from stasis_dialer.errors import Refused
from stasis_dialer.files.listing import ReadOptions, open_list
from tests.hostilelists import GOOD, HEAD, HOSTILE

TRUNK = Trunk("carrier", "PJSIP/{number}@carrier")
HUGE = 2 << 30
MOST_MEBIBYTES = 160
"""Of the whole process; Python with phonenumbers alone takes 60."""

READ = """
import sys
from pathlib import Path
from stasis_dialer.core.model import Campaign
from stasis_dialer.files.listing import ReadOptions, open_list
for batch in open_list(Path(sys.argv[1]), Campaign(1, "x"), ReadOptions()).batches():
    for lead in batch.leads: print("imported")
    for row in batch.refused: print(row.reason)
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_given_a_hostile_list_then_each_row_has_a_clear_result(tmp_path: Path, name: str) -> None:
    hostile = HOSTILE[name]
    path = hostile.make(tmp_path)
    if hostile.results is None:
        with pytest.raises(Refused, match=hostile.says) as refusal:
            list(open_list(path, Campaign(1, "x"), ReadOptions()).batches())
        assert path.name in str(refusal.value) or "headings=" in str(refusal.value)
        return
    results = {}
    for batch in open_list(path, Campaign(1, "x"), ReadOptions()).batches():
        results |= {row.line: row.reason for row in batch.refused}
        for lead in batch.leads:
            results[lead.line] = "imported"
            for phone in lead.phones:
                dialled = dial_endpoint(TRUNK, phone.number).removeprefix("PJSIP/").removesuffix("@carrier")
                assert DIALLABLE.fullmatch(dialled)
    assert results == hostile.results


def test_given_a_line_of_two_gigabytes_then_the_memory_stays_flat(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.write((HEAD + GOOD * 5000).encode())
        file.seek(HUGE, 1)  # a hole: the file system keeps nothing of it, and it reads as NULs
        file.write(b"x\n" + GOOD.encode())
    done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True)
    *results, mebibytes = done.stdout.split()
    assert results.count("imported") == 5001
    assert results.count("line_too_long") == 1
    assert int(mebibytes) < MOST_MEBIBYTES
