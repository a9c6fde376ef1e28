"""Load: people who search, played by Locust, and the report of what they met.

`python -m loadtests users` plays a growing number of people who wait for their answers; `python -m loadtests rate`
sends requests at a constant rate, whether or not earlier ones are answered, and looks for the highest rate that is
still fast. Both speak to the service as any client does and import nothing else of this project.
"""
