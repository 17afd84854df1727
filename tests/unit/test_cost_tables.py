"""Tables of cost cards, of which that of a single card is made once."""

import polars as pl

from dse.pricing.card import as_frame, read_cost_card


def test_the_table_of_a_card_is_its_row_among_others_and_is_made_once() -> None:
    card = read_cost_card("bottom_up_28nm")
    dearer = card.with_values({"cell_bits": 2.0 * card.values["cell_bits"]}, name="dearer")
    both = as_frame([card, dearer])
    assert as_frame([card]).equals(both[:1])
    assert as_frame([card]) is as_frame([card])
    assert as_frame([dearer]).equals(both[1:])  # what is changed has a table of its own
    assert both.get_column("card.cell_bits").to_list() == [card.values["cell_bits"], 2.0 * card.values["cell_bits"]]
    assert both.schema["card.cell_bits"] == pl.Float64
