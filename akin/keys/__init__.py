"""Keep the keys of the API: who may do what, in one file of hashes."""

from akin.keys.key import SCOPES, Key, digest_of, id_of, new_secret
from akin.keys.key_file import KeyFile, KeysUnusable, NoSuchKey
from akin.keys.ring import KeyRing

__all__ = [
    "SCOPES",
    "Key",
    "KeyFile",
    "KeyRing",
    "KeysUnusable",
    "NoSuchKey",
    "digest_of",
    "id_of",
    "new_secret",
]
