"""A function node below a master: it signs its own records, and they lie on its master's slave chain."""

from __future__ import annotations

from gridbourse.contracts.slave_ledger import LedgerRecord, SlaveLedger
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.node_keys import NodeKeys
from gridbourse.ledger.merkle_log import Slave
from gridbourse.ledger.records import Cancellation, Confirmation, Details, NodeDetails, OrderDetails
from gridbourse.ledger.sealing import open_record, seal_record
from gridbourse.market.types import Offer, OrderId, Side
from gridbourse.region.description import NodeSpec


class FunctionNode:
    """A plant, a household, a factory, a service of the grid: a prosumer with keys of its own.

    Parameters
    ----------
    spec
        Who and what it is.
    keys
        Its own keys; the master does not have them.
    slave
        The slave chain of its master.
    readers
        public keys that its records are sealed to besides its own: its master's encryption node and
        the regulator.
    """

    def __init__(self, spec: NodeSpec, keys: NodeKeys, slave: Slave, readers: tuple[bytes, ...]) -> None:
        self.spec = spec
        self.address = keys.address
        self.encryption_public = keys.encryption.public_bytes
        self._keys = keys
        self._slave = slave
        self._readers = (keys.encryption.public_bytes, *readers)
        self._wallet = Wallet(slave.chain, keys.signing)

    def offer(
        self,
        offer: Offer,
        *,
        energy_quota_wh: int | None = None,
        replaces: OrderId | None = None,
        automatic: bool = False,
    ) -> bytes:
        """Sign the record of an order.

        Parameters
        ----------
        offer
            What to buy or sell.
        energy_quota_wh
            What the node may sell in the period; just the offer by default.
        replaces
            The node's order that this one takes the place of, of the same side, energy types and period.
        automatic
            Whether the node does it by itself.

        Returns
        -------
        bytes
            The raw slave-chain transaction, to be handed to the slave chain.
        """
        return self.sign(self.order(offer, energy_quota_wh=energy_quota_wh, replaces=replaces, automatic=automatic))

    def order(
        self,
        offer: Offer,
        *,
        energy_quota_wh: int | None = None,
        replaces: OrderId | None = None,
        automatic: bool = False,
    ) -> OrderDetails:
        """What `offer` signs."""
        place = self.spec.node_id, self.spec.location
        return OrderDetails.of(*place, offer, energy_quota_wh=energy_quota_wh, replaces=replaces, automatic=automatic)

    def cancel(self, order_id: OrderId) -> bytes:
        """Sign the record that an order of this node is to leave the market."""
        return self.sign(Cancellation(self.spec.node_id, order_id.pack()))

    def decide(self, deal_id: int, side: Side, *, confirmed: bool) -> bytes:
        """Sign the record of an answer to a deal: confirm it, or abandon it."""
        return self.sign(Confirmation(self.spec.node_id, deal_id, side, confirmed))

    def sign(self, details: NodeDetails) -> bytes:
        """Sign the record of what the node states for itself; returns the raw slave-chain transaction."""
        content = seal_record(self._slave.ledger, self.address, details, self._readers, self._keys.encryption.suite)
        (raw,) = self._wallet.sign([self._slave.ledger.append(details.KIND, content)])
        return raw

    def forget_unsent(self) -> None:
        """Take back what was signed and did not get to the slave chain."""
        self._wallet.forget_nonces()

    def read(self, record: LedgerRecord, ledger: SlaveLedger | None = None) -> Details:
        """Open a record that is sealed to this node, of its own slave chain or of another one's ledger.

        Raises
        ------
        EnvelopeError
            It is not.
        """
        return open_record(ledger or self._slave.ledger, record, *self._keys.opening)
