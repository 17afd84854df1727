"""The inverse question: what a design must be like to reach a target."""
