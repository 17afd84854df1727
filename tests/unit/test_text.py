"""Text as characters: the canonical counts, streams that follow on, clear words where files are missing or wrong."""

from pathlib import Path

import pytest
import torch

from dse.data import text
from dse.data.ptb import CHARACTERS, PennTreebank, read
from dse.errors import DataError
from tests.data import needs_ptb


@needs_ptb
def test_the_treebank_has_the_published_counts() -> None:
    found = PennTreebank().load()
    assert (len(found.train), len(found.validation), len(found.test)) == (CHARACTERS, 393_042, 442_423)
    assert found.symbols == 50
    assert bytes(found.alphabet[place] for place in found.train[:33].tolist()) == b"aer banknote berlitz calloway cen"
    assert int(found.train.max()) == 49
    assert bytes(found.alphabet[place] for place in found.test[-1:].tolist()) == b"\n"


def test_streams_stand_side_by_side_and_targets_are_what_follows() -> None:
    inputs, targets = text.streams(torch.arange(12, dtype=torch.uint8), 3)
    assert inputs.t().tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert targets.t().tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert text.streams(torch.arange(4, dtype=torch.uint8), 1)[1].tolist() == [[1], [2], [3]]


def test_fewer_characters_than_streams_are_refused() -> None:
    with pytest.raises(DataError, match="5 characters are too few for 5 streams; use more, or fewer streams"):
        text.streams(torch.zeros(5, dtype=torch.uint8), 5)


def test_a_cut_text_keeps_its_beginning_its_alphabet_and_its_checksum() -> None:
    parts = [torch.arange(n, dtype=torch.uint8) for n in (9, 8, 7)]
    whole = text.Text("ptb", *parts, alphabet=b"abcdefghi", checksum="00")
    cut = whole.cut(4, None)
    assert [part.tolist() for part in (cut.train, cut.validation, cut.test)] == [[*range(4)], [*range(8)], [*range(7)]]
    assert (cut.symbols, cut.checksum) == (9, "00")
    assert len(whole.cut(None, 3).test) == 3


def test_missing_and_other_files_are_answered_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ptb\.train\.txt is missing\. Download it with `dse data ptb`"):
        read(tmp_path)
    (tmp_path / "ptb").mkdir()
    (tmp_path / "ptb" / "ptb.train.txt").write_text("something else\n")
    with pytest.raises(DataError, match=r"is not the canonical file\. Remove it"):
        read(tmp_path)
