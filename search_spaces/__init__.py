"""Study files; run one with `dse run search_spaces/NAME.toml`."""
