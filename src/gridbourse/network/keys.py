"""What nodes act with, and the folder that keeps it.

Every node has keys of its own in a file of its own, so that a real region hands each file to the one who runs
the node. Files are readable by their owner only.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

from gridbourse.crypto.envelope import EncryptionKey
from gridbourse.crypto.keys import Address, SigningKey
from gridbourse.crypto.pseudonym import PseudonymKey
from gridbourse.errors import InvalidValue

_OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """The private keys of one node.

    Parameters
    ----------
    signing
        Signs the node's transactions.
    encryption
        Opens what is sealed to the node.
    """

    signing: SigningKey
    encryption: EncryptionKey

    @classmethod
    def generate(cls) -> Self:
        """Make both keys from the operating system's randomness."""
        return cls(SigningKey.generate(), EncryptionKey.generate())

    @property
    def address(self) -> Address:
        """The node's address on every chain."""
        return self.signing.address


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """The private keys of a master.

    Parameters
    ----------
    node
        Its own; the encryption key is its encryption node's.
    sealer
        Seals the blocks of the chain it runs.
    pseudonyms
        Names its users on the main chain.
    """

    node: NodeKeys
    sealer: SigningKey
    pseudonyms: PseudonymKey

    @classmethod
    def generate(cls) -> Self:
        """Make all keys from the operating system's randomness."""
        return cls(NodeKeys.generate(), SigningKey.generate(), PseudonymKey.generate())


class KeyFolder:
    """Key files below one folder, one for each node.

    Parameters
    ----------
    folder
        Made when the first key is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save_node(self, name: str, keys: NodeKeys) -> None:
        """Write a node's keys.

        Raises
        ------
        InvalidValue
            A file with keys of this name exists: keys are never overwritten.
        """
        self._save(name, {"signing": keys.signing.secret, "encryption": keys.encryption.secret})

    def save_master(self, name: str, keys: MasterKeys) -> None:
        """Write a master's keys. Raises like `save_node`."""
        secrets = {"sealer": keys.sealer.secret, "pseudonyms": keys.pseudonyms.secret}
        own = {"signing": keys.node.signing.secret, "encryption": keys.node.encryption.secret}
        self._save(name, own | secrets)

    def load_node(self, name: str) -> NodeKeys:
        """Read a node's keys.

        Raises
        ------
        InvalidValue
            The file is missing or holds no keys.
        """
        secrets = self._load(name, ("signing", "encryption"))
        return NodeKeys(SigningKey(secrets["signing"]), EncryptionKey(secrets["encryption"]))

    def load_master(self, name: str) -> MasterKeys:
        """Read a master's keys. Raises like `load_node`."""
        secrets = self._load(name, ("signing", "encryption", "sealer", "pseudonyms"))
        node = NodeKeys(SigningKey(secrets["signing"]), EncryptionKey(secrets["encryption"]))
        return MasterKeys(node, SigningKey(secrets["sealer"]), PseudonymKey(secrets["pseudonyms"]))

    def _path(self, name: str) -> Path:
        # A name may hold any character, a file name may not; and no two names may share a file.
        return self._folder / f"{quote(name, safe='')}.json"

    def _save(self, name: str, secrets: dict[str, bytes]) -> None:
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"node": name} | {field: secret.hex() for field, secret in secrets.items()}, indent=1)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        except FileExistsError as error:
            raise InvalidValue("key file", str(path), "another name: keys are never overwritten") from error
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text + "\n")

    def _load(self, name: str, fields: tuple[str, ...]) -> dict[str, bytes]:
        path = self._path(name)
        try:
            stored = json.loads(path.read_text("utf-8"))
            return {field: bytes.fromhex(stored[field]) for field in fields}
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InvalidValue("key file", str(path), f"a file with the keys of {name}: {', '.join(fields)}") from error
