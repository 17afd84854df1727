"""From event counts to energy, latency, area and lifetime: cost cards and the expressions that apply them. No torch."""
