//! The bindings of tries, and of a transaction on a state that is given whole.

use std::collections::HashMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use pyo3::{exceptions::PyValueError, prelude::*};
use revm::{
    context::{BlockEnv, CfgEnv},
    context_interface::block::BlobExcessGasAndPrice,
    primitives::hardfork::SpecId,
};

use crate::{
    block::AccountChange,
    execute::{Environment, check, intrinsic_gas},
    transaction::SignedTransaction,
    transition as judged,
    trie::{leaves, proof},
};

fn invalid(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn word(bytes: &[u8]) -> PyResult<B256> {
    B256::try_from(bytes).map_err(|_| invalid(format!("a word of {} bytes: give 32", bytes.len())))
}

/// The root of a list: of the transactions or receipts of a block, in their order.
#[pyfunction]
pub fn ordered_root(items: Vec<Vec<u8>>) -> Vec<u8> {
    leaves::ordered_root(&items).to_vec()
}

/// The nodes that prove what stands at an index of a list, or that nothing does.
#[pyfunction]
pub fn ordered_proof(items: Vec<Vec<u8>>, index: usize) -> Vec<Vec<u8>> {
    leaves::ordered_proof(&items, index)
}

/// The key of an index in the trie of a list.
#[pyfunction]
pub fn ordered_key(index: usize) -> Vec<u8> {
    leaves::index_key(index)
}

/// The root of a trie with these keys and values, which are not empty.
#[pyfunction]
pub fn trie_root(leaves: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<u8> {
    let mut sorted: Vec<_> = leaves.iter().map(|(key, value)| (key, value.as_slice())).collect();
    sorted.sort_unstable();
    leaves::root(&sorted).to_vec()
}

/// The nodes that prove what a trie with these keys and values has under a key, or that it has nothing.
#[pyfunction]
pub fn trie_proof(leaves: Vec<(Vec<u8>, Vec<u8>)>, key: &[u8]) -> Vec<Vec<u8>> {
    let mut sorted: Vec<_> = leaves.iter().map(|(key, value)| (key, value.as_slice())).collect();
    sorted.sort_unstable();
    let mut proof = Vec::new();
    leaves::prove(&sorted, 0, key, &mut proof);
    proof
}

/// The value that a trie with this root has under a key; none if it has none, which is proven too.
#[pyfunction]
pub fn verify_proof(root: &[u8], key: &[u8], nodes: Vec<Vec<u8>>) -> PyResult<Option<Vec<u8>>> {
    proof::verify(word(root)?, key, &nodes).map_err(invalid)
}

fn named(fork: &str) -> PyResult<SpecId> {
    fork.parse().map_err(|_| invalid(format!("fork {fork}: no name of a fork of Ethereum")))
}

/// Who signed a transaction, its hash, and the gas it takes before it runs; an error if no state lets it into a block of the chain.
#[pyfunction]
pub fn read_transaction(fork: &str, chain_id: u64, raw: Vec<u8>) -> PyResult<(Vec<u8>, Vec<u8>, u64)> {
    let fork = named(fork)?;
    let mut signed = SignedTransaction::decode(Bytes::from(raw)).map_err(invalid)?;
    signed.transaction.chain_id.get_or_insert(chain_id);
    check(&signed, chain_id, fork, (signed.transaction.nonce, U256::MAX), u64::MAX).map_err(invalid)?;
    Ok((signed.sender.to_vec(), signed.hash.to_vec(), intrinsic_gas(&signed.transaction, fork)))
}

/// What a block is, as contracts see it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Block {
    chain_id: u64,
    number: u64,
    timestamp: u64,
    gas_limit: u64,
    coinbase: [u8; 20],
    base_fee: u64,
    prev_randao: [u8; 32],
    excess_blob_gas: u64,
    hashes: HashMap<u64, [u8; 32]>,
}

/// Address, nonce, balance, code, and what its slots hold.
type Account = ([u8; 20], u64, [u8; 32], Vec<u8>, Vec<([u8; 32], [u8; 32])>);

/// Root of the state behind a transaction, hash of its logs, its gas, and why it was refused.
type Transition = (Vec<u8>, Vec<u8>, u64, Option<String>);

/// Runs a signed transaction by the rules of a fork on a state that is given whole. Gives the state root and the hash of the logs
/// behind it, the gas it used, and why it may not enter a block if so.
#[pyfunction]
pub fn transition(
    py: Python<'_>,
    fork: &str,
    block: Block,
    accounts: Vec<Account>,
    raw: Vec<u8>,
) -> PyResult<Transition> {
    let fork = named(fork)?;
    let mut environment = Environment {
        rules: CfgEnv::new_with_spec(fork).with_chain_id(block.chain_id),
        block: BlockEnv {
            number: U256::from(block.number),
            timestamp: U256::from(block.timestamp),
            gas_limit: block.gas_limit,
            beneficiary: Address::from(block.coinbase),
            basefee: block.base_fee,
            prevrandao: Some(B256::from(block.prev_randao)),
            ..BlockEnv::default()
        },
        gas_is_free: false,
        parent_hash: B256::ZERO,
    };
    let fraction = if fork.is_enabled_in(SpecId::PRAGUE) { 5_007_716 } else { 3_338_477 };
    environment.block.blob_excess_gas_and_price = Some(BlobExcessGasAndPrice::new(block.excess_blob_gas, fraction));
    let accounts: Vec<AccountChange> = accounts.into_iter().map(account).collect();
    let hashes = block.hashes.into_iter().map(|(number, hash)| (number, hash.into())).collect();
    let done = py.detach(|| judged::transition(&environment, &accounts, hashes, Bytes::from(raw))).map_err(invalid)?;
    Ok((done.state_root.to_vec(), done.logs_hash.to_vec(), done.gas_used, done.rejection))
}

fn account((address, nonce, balance, code, slots): Account) -> AccountChange {
    let word = |bytes| U256::from_be_bytes::<32>(bytes);
    AccountChange {
        address: Address::from(address),
        exists: true,
        emptied: false,
        nonce,
        balance: word(balance),
        code: Some(Bytes::from(code)),
        slots: slots.into_iter().map(|(key, value)| (word(key), word(value))).collect(),
    }
}
