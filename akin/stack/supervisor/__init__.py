"""The supervisor of the local stack: starts Triton, the service and the page, and starts again what dies or hangs.

`restarts.py` says after which pause a part is started again and when it is given up; `health.py` tells a hung part from
a busy one; `parts.py` says how each part is started and looked at; `keeper.py` keeps one part running; `logs.py` bounds
the log files; `__main__.py` is the process that does all of it for one data folder.
"""
