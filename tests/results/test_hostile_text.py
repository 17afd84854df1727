"""Text of results and cards of others reaches a terminal as text: nothing in it is obeyed."""

import logging
import os
import unicodedata
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from dse.analysis.tables.render import render
from dse.devices.fit.table import read_table
from dse.errors import DseError, SettingError, printable
from dse.pricing.card import read_cost_card
from dse.results.store import Store, create
from dse.search.study import read_study
from tests.results.rows import ABOUT, row

ESCAPES = "a\x1b[31mred\x1b]0;title\x07\x9b2J\r\u202egnirts\u2066 [bold]b[/bold] :smile:"


def obeyed(text):
    """The characters of a text that a terminal could obey."""
    return [c for c in text if c not in "\n\t" and unicodedata.category(c)[0] == "C"]


def test_control_characters_are_spelt_out():
    assert printable(ESCAPES) == (
        "a\\x1b[31mred\\x1b]0;title\\x07\\x9b2J\\x0d\\u202egnirts\\u2066 [bold]b[/bold] :smile:"
    )
    assert printable("plain \N{MICRO SIGN}S\n\tüber 日本") == "plain \N{MICRO SIGN}S\n\tüber 日本"


def test_a_table_shows_names_and_values_as_they_are_spelt():
    text = render(pl.DataFrame({ESCAPES: [ESCAPES, "[/nothing]"]}), title="t")
    assert not obeyed(text)
    assert "[bold]b[/bold] :smile:" in text
    assert "[/nothing]" in text


ASKED = [("front",), ("status",), ("show", "0"), ("query", "SELECT trial, failure, origin FROM trials"), ("price",)]


@pytest.mark.parametrize("command", ASKED)
def test_results_of_others_command_no_terminal(tmp_path, here, command):
    create(tmp_path / "r", {**ABOUT, "name": ESCAPES, "study_key": "k"}, {"study.toml": b""})
    hostile = dict.fromkeys(("origin", "host", "code", "design_key"), ESCAPES)
    with Store(tmp_path / "r") as store:
        store.append([{**row(0, reason=ESCAPES), **hostile, "parameters": "{}", "packages": "{}", "design": "{}"}])
    done = here(command[0], tmp_path / "r", *command[1:])
    assert done.exit_code in (0, 2)
    assert "red" in done.output
    assert not obeyed(done.stdout + done.stderr)


def test_a_message_with_a_name_of_others_commands_no_terminal(tmp_path, here):
    (tmp_path / "s.toml").write_text('name = "a"\nobjectives = ["\\u001b[31mx"]\n')
    done = here("check", tmp_path / "s.toml")
    assert done.exit_code == 2
    assert not obeyed(done.stderr)


CARD = 'title = "t"\nbase = "bottom_up_28nm"\n[adc_per_code_j]\nvalue = 2.5e-14\nunit = "J/code"\nsource = "made up"\n'


def test_a_card_may_begin_with_a_mark_of_its_encoding(tmp_path):
    (tmp_path / "plain.toml").write_text(CARD)
    (tmp_path / "marked.toml").write_text(CARD, encoding="utf-8-sig")
    marked, plain = (read_cost_card(f"{name}.toml", tmp_path) for name in ("marked", "plain"))
    assert replace(marked, name="x", lineage=()) == replace(plain, name="x", lineage=())


def test_a_card_that_is_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(SettingError, match=r"the card pipe\.toml is no file"):
        read_cost_card("pipe.toml", tmp_path)


@pytest.mark.parametrize("read", [read_study, read_table])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_a_file_that_is_a_pipe_or_has_no_end_is_refused_at_once(read, kind, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DseError, match="is no file"):
        read(Path("/dev/zero") if kind == "device" else tmp_path / kind)


def test_a_warning_of_any_command_commands_no_terminal(here):
    assert logging.lastResort is not None
    logging.lastResort.setFormatter(None)
    assert here("plugins").exit_code == 0
    assert logging.lastResort.format(logging.makeLogRecord({"msg": ESCAPES})) == printable(ESCAPES)
