"""Hold the default encoder of Akin as data: one exported version, which `akin` publishes in its model repository."""
