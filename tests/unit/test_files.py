"""Files that a design names: known by their content, found wherever they lie, believed by their checksum alone."""

import hashlib
import os
from pathlib import Path

import pytest

from dse import files
from dse.errors import DataError


def written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_file_is_known_by_the_sha_256_of_its_bytes(tmp_path: Path) -> None:
    seen = files.see(written(tmp_path / "a.bin", b"abc"))
    assert (seen.sha256, seen.size, seen.name) == (hashlib.sha256(b"abc").hexdigest(), 3, "a.bin")


def test_a_checksum_is_computed_again_only_where_size_or_time_of_change_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "a.bin", b"abc")
    first = files.see(path)
    with monkeypatch.context() as patch:
        patch.setattr(files, "_checksum", lambda _: pytest.fail("computed again"))
        assert files.see(path) == first
    written(path, b"abd")
    os.utime(path, ns=(0, 0))
    assert files.see(path).sha256 == hashlib.sha256(b"abd").hexdigest()


def test_a_file_whose_size_and_time_are_as_before_is_known_to_be_another(tmp_path: Path) -> None:
    path = written(tmp_path / "a.bin", b"abc")
    first, was = files.see(path), path.stat()
    while path.stat().st_ctime_ns == was.st_ctime_ns:  # clocks of file systems tick in milliseconds
        path.write_bytes(b"abd")
        os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    again = files.see(path)
    written(tmp_path / "other.bin", b"abe").replace(path)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert len({first.sha256, again.sha256, files.see(path).sha256}) == 3


def test_a_file_that_is_another_after_it_was_read_is_refused(tmp_path: Path) -> None:
    seen = files.see(written(tmp_path / "a.bin", b"abc"))
    files.check_same(seen.path, seen.sha256)
    written(seen.path, b"half of it")
    with pytest.raises(DataError, match=r"a\.bin has changed while it was read"):
        files.check_same(seen.path, seen.sha256)


@pytest.mark.parametrize("name", ["a\0b.npz", "a\ud800.npz"])
def test_a_path_that_no_file_can_have_is_said_to_be(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no path that a file can have") as refused:
        files.see(tmp_path / name)
    assert str(refused.value).isprintable()


def test_a_home_folder_that_is_not_there_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_DATA_DIR", "~no such user/data")
    with pytest.raises(DataError, match=r"^~no such user/data begins with a home folder that is not there"):
        files.data_folder()


def test_a_folder_is_known_by_names_and_checksums_of_what_is_in_it(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        written(folder / "a", b"1")
        written(folder / "b", b"2")
    written(two / ".hidden", b"3")
    assert files.see(one).sha256 == files.see(two).sha256 == files.checksum_of({"b": b"2", "a": b"1"})
    (two / "b").rename(two / "c")
    assert files.see(one).sha256 != files.see(two).sha256


def test_a_file_is_found_by_its_checksum_wherever_it_was_seen_or_offered(tmp_path: Path) -> None:
    seen = files.see(written(tmp_path / "a.bin", b"moved"))
    assert files.find(seen.sha256, "a.bin").read() == {"": b"moved"}
    moved = tmp_path / "b.bin"
    seen.path.rename(moved)
    with pytest.raises(DataError, match=r"a\.bin with the SHA-256 .* is missing; it was looked for as"):
        files.find(seen.sha256, "a.bin")
    files.offer(seen.sha256, moved)
    with files.find(seen.sha256, "a.bin").open() as handle:
        assert handle.read() == b"moved"


def test_a_file_is_found_in_the_folder_of_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_DATA_DIR", str(tmp_path))
    written(tmp_path / "c.bin", b"there")
    assert files.find(hashlib.sha256(b"there").hexdigest(), "c.bin").place == tmp_path / "c.bin"


def test_bytes_from_elsewhere_are_believed_only_if_the_checksum_is_right() -> None:
    right, wrong = (hashlib.sha256(text).hexdigest() for text in (b"brought", b"promised"))
    for sha256 in (right, wrong):
        files.offer(sha256, lambda: {"": b"brought"})
    assert files.find(right, "d.bin").read() == {"": b"brought"}
    with pytest.raises(DataError, match="is missing"):
        files.find(wrong, "d.bin")


def test_a_file_that_has_changed_is_said_to_have(tmp_path: Path) -> None:
    seen = files.see(written(tmp_path / "e.bin", b"before"))
    written(seen.path, b"after!!")
    with pytest.raises(DataError, match=r"e\.bin has changed: .* Put the former file back"):
        files.find(seen.sha256, "e.bin")


def test_what_is_no_file_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, said in (("none", "there is no file"), ("empty", "has no files"), ("pipe", "is no file")):
        with pytest.raises(DataError, match=said):
            files.see(tmp_path / name)
