"""Mixed-precision descent: pairs of cells with a digital accumulator for each weight."""
