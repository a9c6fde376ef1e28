"""Keep sets of files in a bucket, each under the digest of its files: push them, and fetch them whole or not at all.

    <address>/LATEST                   the digest of the bundle that was pushed last
    <address>/bundles/<digest>.json    its files, with their digests and sizes
    <address>/files/<SHA-256>          the content of a file, which bundles share

A bundle is complete in the bucket before its name is, so that a push that was killed leaves nothing that is fetched.
`<address>@<digest>` names one bundle for ever; its digest covers every byte.
"""

from akin.bundles.bundle import Bundle, FileRecord, Source, latest, parse_source, read_bundle
from akin.bundles.fetch import fetch_files
from akin.bundles.places import NothingThere, Place
from akin.bundles.push import prune, push

__all__ = [
    "Bundle",
    "FileRecord",
    "NothingThere",
    "Place",
    "Source",
    "fetch_files",
    "latest",
    "parse_source",
    "prune",
    "push",
    "read_bundle",
]
