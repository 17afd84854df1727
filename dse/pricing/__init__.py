"""From event counts to energy: cost cards and the expressions that apply them. No torch."""
