"""Accounts, sessions and API tokens."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from sqlite3 import IntegrityError, Row

from gridbourse.api.schema import Account, Token
from gridbourse.crypto.keys import Address
from gridbourse.crypto.node_keys import NodeKeys
from gridbourse.errors import EnvelopeError, InvalidValue, SignInRefused
from gridbourse.index.participants import ParticipantRegistry
from gridbourse.region.names import comparable, require_name
from gridbourse.service.accounts import ServiceStore
from gridbourse.service.auth import ethereum, keystore
from gridbourse.service.auth.attempts import Attempts
from gridbourse.service.auth.ethereum import SignInMessage
from gridbourse.service.rights import Kind, Principal, Scope
from gridbourse.text import Message

NONCE_SECONDS = 600
SESSION_SECONDS = 12 * 3600
MIN_TOKEN_SECONDS, MAX_TOKEN_SECONDS = 60, 366 * 86_400
TOKEN_PREFIX = "gbt_"  # noqa: S105 - marks a token as ours, as secret scanners want it


@dataclass(frozen=True, slots=True)
class Credential:
    """A new session or token: its secret, told once, and who it speaks for."""

    secret: str
    principal: Principal
    expires_at: int


class Credentials:
    """Tells who asks.

    Parameters
    ----------
    store
        Where accounts, sessions and tokens are.
    directory
        The nodes and their addresses.
    members
        Kind and name of the masters and the regulator by their address on the main chain.
    chain_id
        The main chain's.
    clock
        Seconds since the epoch.
    """

    def __init__(
        self,
        store: ServiceStore,
        directory: ParticipantRegistry,
        members: Mapping[Address, tuple[Kind, str]],
        chain_id: int,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._directory = directory
        self._members = members
        self._chain_id = chain_id
        self._clock = clock
        self._attempts = Attempts(store, clock)

    # Signing in

    def message(self, address: Address, domain: str, uri: str) -> str:
        """Write the message that an address signs to sign in; its nonce is good for one sign-in, for ten minutes."""
        now, nonce = self._clock(), secrets.token_hex(16)
        self._store.change("DELETE FROM nonces WHERE expires_at < ?", now)
        self._store.change("INSERT INTO nonces VALUES (?, ?)", nonce, now + NONCE_SECONDS)
        return SignInMessage(domain, uri, address, self._chain_id, nonce, now, now + NONCE_SECONDS).text()

    def sign_in_with_key(self, message: str, signature: bytes, domain: str) -> Credential:
        """Sign in with a signed message.

        Raises
        ------
        SignInRefused
            It is not as it must be, its nonce was used or not given out here, or the address is nobody's.
        """
        now = self._clock()
        stated = ethereum.verify(message, signature, domain=domain, chain_id=self._chain_id, now=now)
        # Taking the nonce is one statement: of two that come with the same one, one gets it.
        if not self._store.change("DELETE FROM nonces WHERE nonce = ? AND expires_at >= ?", stated.nonce, now):
            raise SignInRefused(
                Message("Nonce: was used, is too old, or was not given out here; ask for a new message")
            )
        kind, name = self._holder(stated.address)
        return self._begin_session(kind, name, None, None)

    def sign_in_with_password(self, account: str, password: str, address: str) -> Credential:
        """Sign in to a kept account; slow on purpose, so not to be called in the event loop.

        Parameters
        ----------
        account, password
            What the holder says.
        address
            From where it is said.

        Raises
        ------
        SignInRefused
            There is no such account, or the password is another's; which of the two is not said.
        TooManyAttempts
            The account was tried too often, be it from one address or from many.
        """
        attempt = self._attempts.begin(account, address)
        row = self._store.row("SELECT * FROM accounts WHERE name = ?", account)
        if not keystore.is_password(password, row["password_hash"] if row else None) or row is None:
            raise SignInRefused(Message("account or password is wrong"))
        self._attempts.succeed(attempt, account, address)
        keys = keystore.unlock_with_password(row["keystore"], password) if row["keystore"] else None
        return self._begin_session(Kind(row["kind"]), row["subject"], account, keys)

    def session(self, secret: str) -> Principal | None:
        """Who a session's cookie speaks for; None if it does for nobody, or no longer."""
        raw = _raw(secret)
        if raw is None:
            return None
        query = "SELECT * FROM sessions WHERE digest = ? AND expires_at > ?"
        row = self._store.row(query, keystore.digest(raw), self._clock())
        if row is None:
            return None
        return self._principal(row, frozenset(Scope), raw, f"session {row['digest'].hex()[:12]}")

    def end_session(self, secret: str) -> None:
        """Sign out."""
        raw = _raw(secret)
        if raw is not None:
            self._store.change("DELETE FROM sessions WHERE digest = ?", keystore.digest(raw))

    # Accounts

    def create_account(self, name: str, kind: Kind, subject: str, password: str, keys: NodeKeys | None) -> Account:
        """Make an account; slow on purpose, so not to be called in the event loop.

        Parameters
        ----------
        name
            What its holder signs in with.
        kind, subject
            Whom it speaks for.
        password
            Its first password.
        keys
            The node's keys, to be kept encrypted under the password.

        Raises
        ------
        InvalidValue
            The name is taken, looks like another's or is none, or the password is too short.
        """
        require_name("account", name)
        taken = {comparable(row["name"]) for row in self._store.rows("SELECT name FROM accounts")}
        if comparable(name) in taken:
            raise InvalidValue("account", name, Message("a name that no other account has"))
        password_hash = keystore.hash_password(password)
        locked = keystore.lock_with_password(keys, password) if keys else None
        row = (name, kind, subject, password_hash, locked, self._clock())
        try:
            self._store.change("INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?)", *row)
        except IntegrityError as error:
            raise InvalidValue("account", name, Message("a name that no other account has")) from error
        return Account(name, kind, subject, self._clock())

    def change_password(self, account: str, old: str, new: str) -> None:
        """Change a password; all sessions and tokens of the account end. Raises like `sign_in_with_password`."""
        row = self._store.row("SELECT * FROM accounts WHERE name = ?", account)
        if not keystore.is_password(old, row["password_hash"] if row else None) or row is None:
            raise SignInRefused(Message("account or password is wrong"))
        password_hash = keystore.hash_password(new)
        locked = None
        if row["keystore"]:
            locked = keystore.lock_with_password(keystore.unlock_with_password(row["keystore"], old), new)
        with self._store.transaction() as db:
            db.execute(
                "UPDATE accounts SET password_hash = ?, keystore = ? WHERE name = ?", (password_hash, locked, account)
            )
            db.execute("DELETE FROM sessions WHERE account = ?", (account,))
            db.execute("DELETE FROM tokens WHERE account = ?", (account,))

    def accounts(self, subjects: Iterable[str]) -> list[Account]:
        """Accounts that speak for any of some nodes, masters or the regulator."""
        wanted = set(subjects)
        rows = self._store.rows("SELECT * FROM accounts ORDER BY name")
        return [
            Account(row["name"], row["kind"], row["subject"], row["created_at"])
            for row in rows
            if row["subject"] in wanted
        ]

    def close_account(self, name: str) -> None:
        """Delete an account; its sessions and tokens end."""
        self._store.change("DELETE FROM accounts WHERE name = ?", name)

    # Tokens

    def create_token(self, principal: Principal, name: str, scopes: Iterable[Scope], seconds: int) -> tuple[Token, str]:
        """Make a token that speaks for the caller, for some time and within some scopes.

        Returns
        -------
        tuple of Token and str
            The token, and its secret, which is kept nowhere.

        Raises
        ------
        InvalidValue
            The time is too long, for anybody or for whom asks with a token that ends before, or a scope is asked for
            that the caller itself lacks.
        """
        require_name("name", name)
        wanted = frozenset(scopes)
        most_seconds = MAX_TOKEN_SECONDS
        if principal.token_id is not None and principal.expires_at is not None:
            most_seconds = min(most_seconds, principal.expires_at - self._clock())
        if not MIN_TOKEN_SECONDS <= seconds <= most_seconds:
            remedy = Message("{least} to {most} seconds", least=MIN_TOKEN_SECONDS, most=most_seconds)
            if most_seconds < MIN_TOKEN_SECONDS:
                remedy = Message("a session to make it in: this token ends too soon to make another")
            raise InvalidValue("expires_in_seconds", seconds, remedy)
        if not wanted or not wanted <= principal.scopes:
            raise InvalidValue("scopes", sorted(wanted), f"some of {', '.join(sorted(principal.scopes))}")
        raw, now, token_id = secrets.token_bytes(keystore.SECRET_BYTES), self._clock(), secrets.token_hex(8)
        locked = keystore.lock(principal.keys, raw) if principal.keys and Scope.TRADE in wanted else None
        self._store.change(
            "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            token_id,
            keystore.digest(raw),
            name,
            principal.kind,
            principal.name,
            " ".join(sorted(wanted)),
            locked,
            now,
            now + seconds,
            principal.account,
            principal.token_id,
        )
        return Token(token_id, name, sorted(wanted), now, now + seconds), TOKEN_PREFIX + _text(raw)

    def tokens(self, principal: Principal) -> list[Token]:
        """The caller's tokens that are still good."""
        query = "SELECT * FROM tokens WHERE kind = ? AND subject = ? AND expires_at > ? ORDER BY created_at, id"
        rows = self._store.rows(query, principal.kind, principal.name, self._clock())
        return [
            Token(row["id"], row["name"], row["scopes"].split(), row["created_at"], row["expires_at"]) for row in rows
        ]

    def revoke_token(self, principal: Principal, token_id: str) -> bool:
        """Revoke one of the caller's tokens; False if it has no such token."""
        statement = "DELETE FROM tokens WHERE id = ? AND kind = ? AND subject = ?"
        return bool(self._store.change(statement, token_id, principal.kind, principal.name))

    def token(self, secret: str) -> Principal | None:
        """Who a token speaks for; None if it does for nobody, or no longer."""
        raw = _raw(secret.removeprefix(TOKEN_PREFIX)) if secret.startswith(TOKEN_PREFIX) else None
        if raw is None:
            return None
        query = "SELECT * FROM tokens WHERE digest = ? AND expires_at > ?"
        row = self._store.row(query, keystore.digest(raw), self._clock())
        if row is None:
            return None
        scopes = frozenset(map(Scope, row["scopes"].split()))
        return self._principal(row, scopes, raw, f"token {row['id']}", row["id"])

    def identity(self, token: str | None, session: str | None) -> str | None:
        """Who a token or a session speaks for, in one name for all of them; None if it does for nobody.

        Keys stay locked: it only tells whose share of the service a request takes.
        """
        for table, secret in (("tokens", token and token.removeprefix(TOKEN_PREFIX)), ("sessions", session)):
            raw = _raw(secret) if secret else None
            if raw is not None:
                query = f"SELECT kind, subject FROM {table} WHERE digest = ? AND expires_at > ?"  # noqa: S608 - one of two
                row = self._store.row(query, keystore.digest(raw), self._clock())
                if row is not None:
                    return f"{row['kind']}:{row['subject']}"
        return None

    # What both have in common

    def _begin_session(self, kind: Kind, name: str, account: str | None, keys: NodeKeys | None) -> Credential:
        raw, now = secrets.token_bytes(keystore.SECRET_BYTES), self._clock()
        digest = keystore.digest(raw)
        locked = keystore.lock(keys, raw) if keys else None
        expires_at = now + SESSION_SECONDS
        self._store.change("DELETE FROM sessions WHERE expires_at <= ?", now)
        row = (digest, kind, name, account, locked, now, expires_at)
        self._store.change("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)", *row)
        principal = self._speaker(kind, name, frozenset(Scope), keys, f"session {digest.hex()[:12]}")
        if principal is None:
            raise SignInRefused(Message("{name!r} takes no part in this region any more", name=name))
        return Credential(_text(raw), replace(principal, account=account, expires_at=expires_at), expires_at)

    def _principal(
        self, row: Row, scopes: frozenset[Scope], raw: bytes, credential: str, token_id: str | None = None
    ) -> Principal | None:
        try:
            keys = keystore.unlock(row["wrapped_keys"], raw) if row["wrapped_keys"] else None
        except EnvelopeError:
            return None
        speaker = self._speaker(Kind(row["kind"]), row["subject"], scopes, keys, credential)
        if speaker is None:
            return None
        return replace(speaker, account=row["account"], token_id=token_id, expires_at=row["expires_at"])

    def _speaker(
        self, kind: Kind, name: str, scopes: frozenset[Scope], keys: NodeKeys | None, credential: str
    ) -> Principal | None:
        master = name if kind is Kind.MASTER else None
        if kind is Kind.NODE:
            node = self._directory.node(name)
            if node is None or node.is_revoked:
                return None
            master = node.master
        return Principal(kind, name, master, scopes, keys, credential)

    def _holder(self, address: Address) -> tuple[Kind, str]:
        if address in self._members:
            return self._members[address]
        for node in self._directory.nodes():
            if node.address == address:
                return Kind.NODE, node.node_id
        text = "{address} is the key of nobody in this region"
        raise SignInRefused(Message(text, address=ethereum.checksum_address(address)))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _raw(text: str) -> bytes | None:
    try:
        raw = base64.b64decode(text + "=", altchars=b"-_", validate=True)
    except ValueError:
        return None
    return raw if len(raw) == keystore.SECRET_BYTES else None
