"""Serve the same papers with the same encoder on many machines, which share an object store and nothing else.

    <address>/models/                    bundles of models (`akin.bundles`)
    <address>/snapshots/                 bundles of snapshots
    <address>/editions/<digest>.json     a snapshot and the models that belong to it, by the digests of their bundles
    <address>/channels/<name>            the digest of the edition that the machines of a channel serve

An edition is complete in the store before a channel names it. A channel is one small object that is replaced in one
step, so that a machine learns of snapshot and encoder together.
"""

from akin.fleet.edition import Edition, read_channel, read_editions
from akin.fleet.follower import Follower
from akin.fleet.publication import prune, publish, use

__all__ = ["Edition", "Follower", "prune", "publish", "read_channel", "read_editions", "use"]
