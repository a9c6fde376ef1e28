"""Load tests: simulated users, run by Locust, and a report of the measurements.

`python -m loadtests users` runs a growing number of users who wait for their answers (a closed loop);
`python -m loadtests rate` sends requests at a constant rate, whether or not earlier ones are answered (an open loop),
and finds the highest rate that is still fast. Both use the service over HTTP, as any client does.
"""
