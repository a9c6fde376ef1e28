"""Supervise the local stack: start Triton, the service and the page, and restart a part that ends or hangs.

`restart_policy.py` chooses the pause before a restart and when a part is given up; `health.py` distinguishes a
hung part from a busy one; `parts.py` defines how each part is started and probed; `keeper.py` keeps one part running;
`logs.py` limits the size of log files; `__main__.py` is the supervisor process of one data folder.
"""
