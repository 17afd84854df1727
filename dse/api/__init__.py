"""The front door in Python: what `import dse` hands on. Everything else is open, and may change.

running.py    run a study, open its results
studies.py    a study made in Python instead of TOML
results.py    what results answer: fronts, tables, SQL, prices, reports
designs.py    one design, simulated here and now
"""
