"""The page of cards side by side says what its command prints."""

from pathlib import Path

from dse.pricing.anchors import read_anchors
from pipelines.cards_side_by_side import resnet20, table, tables

PAGE = Path(__file__).parents[2] / "findings" / "cards.md"


def test_the_page_holds_the_tables_as_the_command_prints_them() -> None:
    page = PAGE.read_text()
    assert page[page.index("## ") :] == "\n".join(tables())


def test_a_layer_of_an_inference_has_the_events_of_its_shape() -> None:
    product = next(anchor.layers for anchor in read_anchors() if anchor.name == "hermes_core")
    layers, macs = resnet20(product)
    first, last = layers.row(0, named=True), layers.row(-1, named=True)
    assert (first["rows"], first["cols"], first["mvm_forward"]) == (27, 16, 32 * 32)
    assert (last["rows"], last["cols"], last["mvm_forward"]) == (57, 10, 1)  # a row of biases
    assert first["adc_forward"] == 16 * 32 * 32
    deep = layers.filter(rows=9 * 56).row(0, named=True)  # two arrays along the rows
    assert (deep["row_tiles"], deep["partial_adds_forward"]) == (2, 56 * deep["mvm_forward"])
    assert macs == (layers["rows"] * layers["cols"] * layers["mvm_forward"]).sum()


def test_what_has_no_price_stands_last() -> None:
    text = table("T", [("a", 2.0), ("b", None)], [("published", 4.0)], 4.0)
    assert text.splitlines()[4:] == ["| `a` | 2 J | 0.5 |", "| published | 4 J | 1 |", "| `b` | no price | - |"]
