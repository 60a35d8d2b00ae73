//! What a chain keeps of a block: header, receipts, and what the block did to the state; canonical bytes, in RLP.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, Bloom, Bytes, Log, U256, b256, bytes, keccak256};
use alloy_rlp::{Decodable, Encodable, Header as RlpHeader, RlpDecodable, RlpEncodable};
use revm::primitives::hardfork::SpecId;

use crate::{
    error::{Error, Result},
    transaction::{Signature, recover},
    trie::leaves::ordered_root,
};

/// The sealer of a chain that others order.
pub const NO_SEALER: Address = Address::ZERO;

/// Hash of no code at all.
pub const NO_CODE: B256 = b256!("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");

/// A block's head.
#[derive(Clone, Debug, PartialEq, Eq, Hash, RlpEncodable, RlpDecodable)]
pub struct Header {
    /// The chain.
    pub chain_id: u64,
    /// Number of the block; the genesis is 0.
    pub height: u64,
    /// Seconds since the epoch, never before the parent's.
    pub timestamp: u64,
    /// Hash of the block before.
    pub parent_hash: B256,
    /// What commits to the transactions.
    pub transactions_root: B256,
    /// What commits to the receipts.
    pub receipts_root: B256,
    /// What commits to all that the block changed of the state.
    pub changes_root: B256,
    /// Height of the block whose state `state_root` commits to.
    pub state_height: u64,
    /// Root of Ethereum's state trie at `state_height`.
    pub state_root: B256,
    /// Gas of all transactions.
    pub gas_used: u64,
    /// Most gas that a block may use.
    pub gas_limit: u64,
    /// Who sealed the block.
    pub sealer: Address,
    /// The sealer's signature of the digest, `r || s || parity`; what the engine that ordered the block says of it
    /// where there is no sealer; empty in the genesis.
    pub seal: Bytes,
}

impl Header {
    /// Canonical bytes, the seal included.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        alloy_rlp::encode(self)
    }

    /// The block's name, which the next block carries. It covers the seal: whoever trusts the newest seal trusts all.
    #[must_use]
    pub fn hash(&self) -> B256 {
        keccak256(self.bytes())
    }

    /// What the sealer signs: the hash of the header with an empty seal.
    #[must_use]
    pub fn digest(&self) -> B256 {
        self.sealed(Bytes::new()).hash()
    }

    /// The header with a seal.
    #[must_use]
    pub fn sealed(&self, seal: Bytes) -> Self {
        Self { seal, ..self.clone() }
    }

    /// Whether the seal is the sealer's. Where there is no sealer this is no question.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        if self.sealer == NO_SEALER {
            return true;
        }
        let [r, s, parity] = [0..32, 32..64, 64..65].map(|part| self.seal.get(part).unwrap_or_default());
        let signature = Signature {
            odd: parity == [1],
            r: U256::try_from_be_slice(r).unwrap_or_default(),
            s: U256::try_from_be_slice(s).unwrap_or_default(),
        };
        self.seal.len() == 65
            && parity[0] <= 1
            && recover(self.digest(), &signature).is_ok_and(|who| who == self.sealer)
    }
}

/// What a chain is before its first block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// Number that transactions are signed for.
    pub chain_id: u64,
    /// Whose key seals the blocks.
    pub sealer: Address,
    /// Most gas in one block, and so in one transaction.
    pub gas_limit: u64,
    /// Earliest time of a block.
    pub timestamp: u64,
    /// Ethereum's rules.
    pub fork: SpecId,
}

/// Where Ethereum keeps the hashes of the last 8191 blocks (EIP-2935), and the code that keeps them.
pub const HISTORY: Address = alloy_primitives::address!("0000F90827F1C53a10cb7A02335B175320002935");
const HISTORY_CODE: Bytes = bytes!(
    "3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500"
);

impl Genesis {
    /// Block 0: it has no transactions and no seal. Its name covers the rules: their name stands where later blocks
    /// name their parent.
    #[must_use]
    pub fn header(&self) -> Header {
        let nothing = ordered_root::<Bytes>(&[]);
        Header {
            chain_id: self.chain_id,
            height: 0,
            timestamp: self.timestamp,
            parent_hash: keccak256(<&str>::from(self.fork)),
            transactions_root: nothing,
            receipts_root: nothing,
            changes_root: changes_root(&alloy_rlp::encode(self.state())),
            state_height: 0,
            state_root: B256::ZERO,
            gas_used: 0,
            gas_limit: self.gas_limit,
            sealer: self.sealer,
            seal: Bytes::new(),
        }
    }

    /// The accounts that are there before the first block.
    #[must_use]
    pub fn state(&self) -> Vec<AccountChange> {
        if !self.fork.is_enabled_in(SpecId::PRAGUE) {
            return Vec::new();
        }
        vec![AccountChange {
            address: HISTORY,
            exists: true,
            emptied: false,
            nonce: 1,
            balance: U256::ZERO,
            code: Some(HISTORY_CODE),
            slots: Vec::new(),
        }]
    }
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// Type of the transaction.
    pub kind: u8,
    /// Whether its effects hold.
    pub succeeded: bool,
    /// Gas after refunds.
    pub gas_used: u64,
    /// Gas of the block up to and with this one.
    pub cumulative_gas_used: u64,
    /// The contract it created.
    pub contract: Option<Address>,
    /// What the contract said when it reverted.
    pub revert_data: Bytes,
    /// Why the EVM stopped it without a word of the contract.
    pub halt: String,
    /// The events, in their order.
    pub logs: Vec<Log>,
}

#[derive(RlpEncodable, RlpDecodable)]
struct Outcome {
    kind: u8,
    succeeded: bool,
    gas_used: u64,
    cumulative_gas_used: u64,
    contract: Bytes,
    revert_data: Bytes,
    halt: String,
    logs: Vec<Log>,
}

impl Receipt {
    /// All that is stored of it.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        alloy_rlp::encode(Outcome {
            kind: self.kind,
            succeeded: self.succeeded,
            gas_used: self.gas_used,
            cumulative_gas_used: self.cumulative_gas_used,
            contract: self.contract.map_or_else(Bytes::new, |address| Bytes::copy_from_slice(address.as_slice())),
            revert_data: self.revert_data.clone(),
            halt: self.halt.clone(),
            logs: self.logs.clone(),
        })
    }

    /// Read what is stored.
    ///
    /// # Errors
    ///
    /// It is no receipt.
    pub fn read(mut stored: &[u8]) -> Result<Self> {
        let found = Outcome::decode(&mut stored).map_err(|error| unreadable("receipt", error))?;
        let contract = if found.contract.is_empty() {
            None
        } else {
            Some(Address::try_from(&found.contract[..]).map_err(|error| unreadable("receipt", error))?)
        };
        Ok(Self {
            kind: found.kind,
            succeeded: found.succeeded,
            gas_used: found.gas_used,
            cumulative_gas_used: found.cumulative_gas_used,
            contract,
            revert_data: found.revert_data,
            halt: found.halt,
            logs: found.logs,
        })
    }

    /// Bloom filter of the events (Yellow Paper, 4.3.1).
    #[must_use]
    pub fn bloom(&self) -> Bloom {
        self.logs.iter().collect()
    }

    /// What Ethereum's receipts trie holds: `type || rlp([status, cumulative gas, bloom, logs])` (EIP-2718, EIP-658).
    #[must_use]
    pub fn consensus_bytes(&self) -> Vec<u8> {
        let bloom = self.bloom();
        let payload_length =
            self.succeeded.length() + self.cumulative_gas_used.length() + bloom.length() + self.logs.length();
        let mut out = Vec::with_capacity(payload_length + 8);
        if self.kind != 0 {
            out.push(self.kind);
        }
        RlpHeader { list: true, payload_length }.encode(&mut out);
        self.succeeded.encode(&mut out);
        self.cumulative_gas_used.encode(&mut out);
        bloom.encode(&mut out);
        self.logs.encode(&mut out);
        out
    }

    /// Who emitted the events.
    #[must_use]
    pub fn emitters(&self) -> BTreeSet<Address> {
        self.logs.iter().map(|log| log.address).collect()
    }
}

/// What a block did to one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountChange {
    /// The account.
    pub address: Address,
    /// Whether it is there after the block (EIP-161).
    pub exists: bool,
    /// Whether all it had stored before is gone.
    pub emptied: bool,
    /// Its nonce after the block.
    pub nonce: u64,
    /// Its balance after the block, in wei.
    pub balance: U256,
    /// Its code, where that changed.
    pub code: Option<Bytes>,
    /// Changed slots with their values after the block, by rising key.
    pub slots: Vec<(U256, U256)>,
}

impl Encodable for AccountChange {
    fn encode(&self, out: &mut dyn alloy_rlp::BufMut) {
        let code: Vec<&Bytes> = self.code.iter().collect();
        let mut slots = Vec::with_capacity(self.slots.len() * 64);
        for (key, value) in &self.slots {
            slots.extend_from_slice(&key.to_be_bytes::<32>());
            slots.extend_from_slice(&value.to_be_bytes::<32>());
        }
        let slots = &slots[..];
        let payload_length = self.address.length()
            + self.exists.length()
            + self.emptied.length()
            + self.nonce.length()
            + self.balance.length()
            + code.length()
            + slots.length();
        RlpHeader { list: true, payload_length }.encode(out);
        self.address.encode(out);
        self.exists.encode(out);
        self.emptied.encode(out);
        self.nonce.encode(out);
        self.balance.encode(out);
        code.encode(out);
        slots.encode(out);
    }
}

impl Decodable for AccountChange {
    fn decode(buf: &mut &[u8]) -> alloy_rlp::Result<Self> {
        let mut body = RlpHeader::decode_bytes(buf, true)?;
        let body = &mut body;
        let (address, exists, emptied) = (Decodable::decode(body)?, Decodable::decode(body)?, Decodable::decode(body)?);
        let (nonce, balance) = (Decodable::decode(body)?, Decodable::decode(body)?);
        let mut code: Vec<Bytes> = Decodable::decode(body)?;
        let slots = RlpHeader::decode_bytes(body, false)?;
        let (words, rest) = slots.as_chunks::<32>();
        if code.len() > 1 || words.len() % 2 == 1 || !rest.is_empty() || !body.is_empty() {
            return Err(alloy_rlp::Error::Custom("a change has at most one code, and slots of 64 bytes"));
        }
        let slots = words.as_chunks::<2>().0;
        let slots = slots.iter().map(|[key, value]| (U256::from_be_bytes(*key), U256::from_be_bytes(*value)));
        Ok(Self { address, exists, emptied, nonce, balance, code: code.pop(), slots: slots.collect() })
    }
}

/// An error of stored bytes, without their place.
pub(crate) fn unreadable(what: &'static str, error: impl std::fmt::Display) -> Error {
    Error::Invalid(what, format!("unreadable: {error}"))
}

/// What commits to a block's changes: the hash of their list.
#[must_use]
pub fn changes_root(encoded: &[u8]) -> B256 {
    keccak256(encoded)
}
