"""Studies, proposals, executors, and the loop that joins them."""
