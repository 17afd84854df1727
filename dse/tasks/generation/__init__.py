"""Generation: samples that look like those of a data set."""
