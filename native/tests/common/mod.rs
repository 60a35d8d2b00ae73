//! A small chain whose blocks are real: signed transactions that create a contract and fill and clear its storage.

use std::path::Path;
use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use gridbourse_native::{
    block::{Genesis, Header, Receipt, changes_root},
    disk::Disk,
    error::Result,
    execute::{Environment, OpenBlock},
    store::{Store, StoredBlock},
    transaction::{Signature, SignedTransaction, Transaction},
    trie::leaves::ordered_root,
};
use revm::primitives::hardfork::SpecId;
use secp256k1::{Message, SECP256K1, SecretKey};

pub const CHAIN_ID: u64 = 7;
/// How many slots a call of the contract writes.
pub const SLOTS_PER_CALL: u8 = 8;

/// `for i in 0..8 { sstore(calldata[0] + i, calldata[32]) }; log1(0xaa)`, and what creates it.
fn init_code() -> Vec<u8> {
    let mut code = Vec::new();
    for slot in 0..SLOTS_PER_CALL {
        code.extend([0x60, 0x20, 0x35, 0x60, 0x00, 0x35, 0x60, slot, 0x01, 0x55]);
    }
    code.extend([0x60, 0xaa, 0x5f, 0x5f, 0xa1, 0x00]);
    let length = code.len() as u8;
    [&[0x60, length, 0x60, 10, 0x5f, 0x39, 0x60, length, 0x5f, 0xf3][..], &code].concat()
}

pub fn key(number: u8) -> SecretKey {
    SecretKey::from_byte_array([number; 32]).unwrap()
}

pub fn address(key: &SecretKey) -> Address {
    Address::from_slice(&keccak256(&key.public_key(SECP256K1).serialize_uncompressed()[1..])[12..])
}

fn sign(digest: B256, key: &SecretKey) -> Signature {
    let (parity, compact) = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(digest.0), key).serialize_compact();
    let [r, s] = [&compact[..32], &compact[32..]].map(U256::from_be_slice);
    Signature { odd: i32::from(parity) == 1, r, s }
}

pub fn genesis() -> Genesis {
    let sealer = address(&key(1));
    Genesis { chain_id: CHAIN_ID, sealer, gas_limit: 30_000_000, timestamp: 1_000, fork: SpecId::PRAGUE }
}

pub fn open(main: Arc<dyn Disk>, journal: Box<dyn Disk>) -> Result<Store> {
    let genesis = genesis();
    Store::open_on(Path::new("a.chain"), main, journal, &genesis, &genesis.header())
}

pub fn transaction(nonce: u64, to: TxKind, data: Vec<u8>) -> Bytes {
    let transaction = Transaction {
        kind: 2,
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_limit: 1_000_000,
        max_fee_per_gas: U256::ZERO,
        max_priority_fee_per_gas: U256::ZERO,
        to,
        value: U256::ZERO,
        data: data.into(),
        access_list: Default::default(),
        authorizations: Vec::new(),
    };
    transaction.signed_bytes(&sign(transaction.digest(), &key(2))).into()
}

/// The transactions of a block: the first creates the contract, later ones fill slots or clear some of long ago.
pub fn transactions(height: u64) -> Vec<Bytes> {
    let contract = address(&key(2)).create(0);
    let call = |nonce: u64| {
        let (first, value) = if nonce.is_multiple_of(3) { (nonce / 2, 0) } else { (nonce, nonce << 20 | 1) };
        let slot = U256::from(first) * U256::from(SLOTS_PER_CALL);
        let data = [slot.to_be_bytes::<32>(), U256::from(value).to_be_bytes::<32>()].concat();
        transaction(nonce, TxKind::Call(contract), data)
    };
    if height == 1 {
        vec![transaction(0, TxKind::Create, init_code())]
    } else {
        vec![call(2 * height - 3), call(2 * height - 2)]
    }
}

/// The next block of a chain, sealed.
pub fn next_block(store: &Store) -> Result<StoredBlock> {
    let (genesis, height) = (store.genesis(), store.head().height + 1);
    let timestamp = genesis.timestamp + height;
    let mut block = OpenBlock::new(&Environment::of(genesis, height, timestamp, store.head_hash()), store)?;
    let transactions = transactions(height);
    for raw in &transactions {
        block.add(&SignedTransaction::decode(raw.clone())?)?;
    }
    let done = block.finish();
    assert!(done.receipts.iter().all(|receipt| receipt.succeeded));
    let consensus: Vec<_> = done.receipts.iter().map(Receipt::consensus_bytes).collect();
    let header = Header {
        chain_id: CHAIN_ID,
        height,
        timestamp,
        parent_hash: store.head_hash(),
        transactions_root: ordered_root(&transactions),
        receipts_root: ordered_root(&consensus),
        changes_root: changes_root(&alloy_rlp::encode(&done.changes)),
        state_height: height - 1,
        state_root: store.state_root()?,
        gas_used: done.gas_used,
        gas_limit: genesis.gas_limit,
        sealer: genesis.sealer,
        seal: Bytes::new(),
    };
    let signature = sign(header.digest(), &key(1));
    let seal =
        [&signature.r.to_be_bytes::<32>()[..], &signature.s.to_be_bytes::<32>(), &[signature.odd.into()]].concat();
    let receipts = done.receipts.iter().map(|receipt| receipt.bytes().into()).collect();
    Ok(StoredBlock { header: header.sealed(seal.into()), transactions, receipts, changes: done.changes })
}
