"""The page of a study that runs, served to a browser: it reads results and writes nothing.

watching.py   what is served: the page and the progress, read anew when results have come
server.py     who may ask, and what is answered
"""
