"""The byte scan itself: a search that can't find anything proves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from .byte_scan import ByteScan, Found, planted

NAME = "Wilhelmina Przybylski"


@pytest.mark.parametrize("how", planted(NAME))
def test_a_planted_name_is_found_in_every_writing(how: str, tmp_path: Path) -> None:
    (tmp_path / "innocent").write_bytes(b"nothing of note " * 1000)
    file = tmp_path / "deep" / "er"
    file.parent.mkdir()
    file.write_bytes(bytes(range(256)) * 40 + planted(NAME)[how])
    assert Found(file, how) in ByteScan([NAME, "Somebody Else Entirely"]).files(tmp_path)


def test_clean_files_are_clean_and_were_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 10_000_000 + b"Wilhelmina Przybylsk")
    scan = ByteScan([NAME])
    assert scan.files(tmp_path) == []
    assert (scan.files_read, scan.bytes_read) == (1, 10_000_020)
