"""Steps of the check: each module has a function `run` that gets the job and a recorder."""
