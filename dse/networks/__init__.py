"""Networks: what can be trained."""
