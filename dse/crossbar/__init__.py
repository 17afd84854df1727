"""Arrays of differential pairs: converters, products in both directions, programming, refresh, event counts."""
