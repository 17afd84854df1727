"""Tiki-Taka in its later forms: gradients gather in an array of their own, which is read and filtered digitally."""
