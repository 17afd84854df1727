"""A study as one page that opens anywhere, offline: linked pictures, the front as a table, and what made it.

subject.py      what the page is about: the designs that it holds, with ranks and intervals
panels.py       the panels in their order; a new one is an entry there, and a function of its name in `assets`
whatif.py       what the page needs to price designs anew; columns.py packs its numbers
series.py       learning curves, energy by phase and part, wear
compared.py     several studies in one page
provenance.py   the study file, what made the results, the cost card with its sources
page.py         the page itself, from templates and `assets`
pictures.py     the main figures as files, for a paper or a slide
"""
