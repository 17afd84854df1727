"""What trained networks of packages are asked: bytes of files, files by their endings, packages that are missing."""

import json
import zipfile

import numpy as np
import pytest

from dse.errors import DataError
from pipelines import trained_networks
from pipelines.common import program
from pipelines.trained_networks import (
    BLOCK,
    DIRECTION,
    ENDINGS,
    FILE_TYPE,
    FILE_TYPE_FACTS,
    HALF,
    PADDING,
    Shipped,
    bytes_of,
    files_of,
    lines_of_text,
    main,
    re_estimated,
    study_of,
    write,
)
from tests import model_files
from tests.data import needs_ptb


def test_both_ends_of_a_file_are_taken_without_white_space():
    short = bytes_of(b" \n abc \n")
    assert bytes(short[:5].tolist()) == b"abc \n"
    assert bytes(short[-6:].tolist()) == b" \n abc"
    assert set(short[5:-6]) == {PADDING}
    long = bytes_of(bytes([1]) * BLOCK + bytes([2]) * 5 + bytes([3]) * HALF)
    assert long[:HALF].tolist() == [1] * HALF
    assert long[HALF:].tolist() == [3] * HALF


def test_some_files_of_each_ending_are_taken(tmp_path):
    for name in ("a.py", "b.py", "c.py", "d.PY", "e.md", "f.md", "g.what", "h.json"):
        (tmp_path / name).write_bytes(b"x" * HALF)
    (tmp_path / "small.py").write_bytes(b"x")
    found = files_of([tmp_path], of_each=3)
    # Two of three of Python, both of Markdown; one alone has none for the test.
    assert sorted(own for _, own in found) == ["markdown", "markdown", "python", "python"]
    assert files_of([tmp_path], of_each=3) == found
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "i.md").write_bytes(b"x" * HALF)
    nested = files_of([tmp_path, tmp_path / "site-packages"], of_each=8)
    assert len({path for path, _ in nested}) == len(nested) == 6


@needs_ptb
def test_every_second_line_stands_on_its_head():
    x, y = lines_of_text(4)
    assert (x.shape, x.dtype, y.tolist()) == ((4, 3, 48, 192), np.float32, [0, 1, 0, 1])
    assert x.min() >= -1.0
    assert x.max() <= 1.0
    for own in x:  # dark on light
        shown = own[:, :, own.any(axis=(0, 1))]
        assert np.median(shown) > 0.5
        assert (shown < -0.2).any()
    assert np.array_equal(lines_of_text(2)[0], x[:2])


def test_a_package_that_is_missing_or_another_is_one_message(tmp_path):
    arguments = ["--packages", str(tmp_path), "--out", str(tmp_path / "out"), "--executor", "local"]
    with pytest.raises(SystemExit, match=r"error: .*has no wheel of rapidocr==3.10.0; fetch it: pip download"):
        program(lambda: main(arguments))
    wheel = tmp_path / "rapidocr-3.10.0-py3-none-any.whl"
    wheel.write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"cannot be read: .*; remove it"):
        DIRECTION.read(tmp_path)
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr(DIRECTION.inside, b"another")
    with pytest.raises(DataError, match=r"is not the one of rapidocr==3.10.0"):
        DIRECTION.read(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        Shipped("rapidocr==3.10.0", "elsewhere", "").read(tmp_path)


def test_a_network_that_is_unknown_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--packages", str(tmp_path), "--out", str(tmp_path), "--networks", "direction,speech"])
    assert "--networks has speech; give some of direction, file_type" in capsys.readouterr().err


@needs_ptb
@pytest.mark.slow
def test_the_studies_of_both_networks_are_valid(tmp_path, monkeypatch):
    monkeypatch.setattr(trained_networks.sysconfig, "get_paths", lambda: {"stdlib": tmp_path, "purelib": tmp_path})
    for number in range(2):
        for ending in ("py", "md"):
            (tmp_path / f"{number}.{ending}").write_bytes(b"import this\n" * HALF)
    names = [*dict.fromkeys(ENDINGS.values()), *(f"other {n}" for n in range(214))][:214]
    for own, known in ((DIRECTION, model_files.DIRECTION), (FILE_TYPE, model_files.FILE_TYPE)):
        assert (own.package, own.inside, own.sha256) == (known.package, known.inside, known.sha256)
        with zipfile.ZipFile(tmp_path / f"{own.package.replace('==', '-')}-any.whl", "w") as packed:
            packed.writestr(own.inside, known.content())
            packed.writestr(FILE_TYPE_FACTS, json.dumps({"target_labels_space": names}))
    for name in ("direction", "file_type"):
        write(name, tmp_path, tmp_path, samples=8)
        study = study_of(name, tmp_path, repetitions=1).checked
        assert study.controls[name].network.file == f"{name}.onnx"
    assert 0.0 <= re_estimated(tmp_path, "direction") <= 1.0
