//! The state trie against a trie of all leaves in memory, which Ethereum's own tests judge in turn.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256, keccak256};
use gridbourse_native::block::AccountChange;
use gridbourse_native::trie::leaves;
use gridbourse_native::trie::part::TRIE;
use gridbourse_native::trie::proof::{ProofError, verify};
use gridbourse_native::trie::state::{Account, AccountProof, Changes, EMPTY_ROOT, StateTrie};
use proptest::prelude::*;
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, backends::InMemoryBackend};

#[derive(Clone, Default, Debug)]
struct ModelAccount {
    nonce: u64,
    code: Vec<u8>,
    slots: BTreeMap<U256, U256>,
}

/// The state as a dictionary.
#[derive(Clone, Default, Debug)]
struct Model(BTreeMap<Address, ModelAccount>);

fn sorted_root(mut leaves: Vec<(B256, Vec<u8>)>) -> B256 {
    leaves.sort_unstable();
    leaves::root(&leaves.iter().map(|(key, value)| (*key, value.as_slice())).collect::<Vec<_>>())
}

impl ModelAccount {
    fn account(&self) -> Account {
        let leaves = self.slots.iter().map(|(slot, value)| (slot_key(slot), alloy_rlp::encode(value))).collect();
        let storage_root = sorted_root(leaves);
        Account {
            nonce: self.nonce,
            balance: U256::from(self.nonce) << 70,
            storage_root,
            code_hash: keccak256(&self.code),
        }
    }
}

impl Model {
    fn root(&self) -> B256 {
        let leaf =
            |(address, model): (&Address, &ModelAccount)| (keccak256(address), alloy_rlp::encode(model.account()));
        sorted_root(self.0.iter().map(leaf).collect())
    }

    fn take_in(&mut self, change: &AccountChange) {
        if !change.exists {
            self.0.remove(&change.address);
            return;
        }
        let account = self.0.entry(change.address).or_default();
        if change.emptied {
            account.slots.clear();
        }
        account.nonce = change.nonce;
        account.slots.extend(change.slots.iter().copied());
        account.slots.retain(|_, value| !value.is_zero());
        if let Some(code) = &change.code {
            account.code = code.to_vec();
        }
    }
}

fn slot_key(slot: &U256) -> B256 {
    keccak256(slot.to_be_bytes::<32>())
}

fn change() -> impl Strategy<Value = AccountChange> {
    let slot = (0u64..400).prop_map(U256::from);
    let value = prop_oneof![
        4 => any::<[u8; 32]>().prop_map(U256::from_be_bytes),
        2 => (1u64..300).prop_map(U256::from),
        6 => Just(U256::ZERO),
    ];
    let slots = prop_oneof![
        3 => prop::collection::btree_map(slot.clone(), value.clone(), 0..12),
        1 => prop::collection::btree_map(slot, value, 100..250),
    ];
    let (exists, emptied) = (prop::bool::weighted(0.9), prop::bool::weighted(0.1));
    let code = prop::option::weighted(0.2, prop::collection::vec(any::<u8>(), 0..4));
    (0u8..4, exists, emptied, 0u64..1 << 40, code, slots).prop_map(|(address, exists, emptied, nonce, code, slots)| {
        AccountChange {
            address: Address::repeat_byte(address),
            exists,
            emptied,
            nonce,
            balance: U256::from(nonce) << 70,
            code: code.filter(|_| exists).map(Into::into),
            slots: if exists { slots.into_iter().collect() } else { Vec::new() },
        }
    })
}

fn created(address: Address, slots: impl Iterator<Item = (u8, u64)>) -> AccountChange {
    let slots = slots.map(|(slot, value)| (U256::from(slot), U256::from(value))).collect();
    AccountChange { address, exists: true, emptied: false, nonce: 1, balance: U256::ZERO, code: None, slots }
}

fn proven(root: B256, address: &Address, proof: &AccountProof) -> Option<(Account, BTreeMap<U256, U256>)> {
    let value = verify(root, keccak256(address).as_slice(), &proof.proof).expect("the account is proven");
    assert_eq!(value, proof.account.as_ref().map(alloy_rlp::encode));
    let account = proof.account?;
    let mut slots = BTreeMap::new();
    for (slot, value, nodes) in &proof.slots {
        let found = verify(account.storage_root, slot_key(slot).as_slice(), nodes).expect("the slot is proven");
        assert_eq!(found, (!value.is_zero()).then(|| alloy_rlp::encode(value)));
        slots.insert(*slot, *value);
    }
    Some((account, slots))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever changes, in however many blocks together, written, read again or not: the root is the state's, everything is
    /// proven by it, and nothing of what was is left in the file.
    #[test]
    fn root_is_the_state_s(blocks in prop::collection::vec((prop::collection::vec(change(), 1..6), any::<bool>(), any::<bool>(), any::<bool>()), 1..10)) {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        let mut model = Model::default();
        let mut changes = Changes::default();
        let write = database.begin_write().unwrap();
        let mut trie = StateTrie::open(&write.open_table(TRIE).unwrap()).unwrap();
        write.commit().unwrap();
        for (height, (block, is_batch, is_written, is_emptied)) in (1..).zip(&blocks) {
            for change in block {
                model.take_in(change);
                changes.add(change);
            }
            if *is_batch && height < blocks.len() as u64 {
                continue;
            }
            let write = database.begin_write().unwrap();
            {
                let mut table = write.open_table(TRIE).unwrap();
                let root = trie.update(&table, &std::mem::take(&mut changes), height).unwrap();
                prop_assert_eq!(root, model.root());
                prop_assert_eq!(trie.head().root, root);
                for address in (0..5).map(Address::repeat_byte) {
                    let slots: Vec<U256> = (0..430).step_by(11).map(U256::from).collect();
                    let proof = trie.prove(&table, &address, &slots).unwrap();
                    let expected = model.0.get(&address);
                    let found = proven(root, &address, &proof);
                    prop_assert_eq!(found.as_ref().map(|(account, _)| *account), expected.map(ModelAccount::account));
                    for (slot, value) in found.iter().flat_map(|(_, slots)| slots) {
                        prop_assert_eq!(*value, expected.unwrap().slots.get(slot).copied().unwrap_or_default());
                    }
                }
                if *is_written {
                    trie.write(&mut table, if *is_emptied { 0 } else { usize::MAX }).unwrap();
                    StateTrie::check(&table).unwrap();
                }
            }
            write.commit().unwrap();
            if *is_written && *is_emptied {
                let read = database.begin_read().unwrap();
                trie = StateTrie::open(&read.open_table(TRIE).unwrap()).unwrap();
                prop_assert_eq!(trie.head().height, height);
            }
        }
    }
}

#[test]
fn all_accounts_gone_leave_nothing() {
    let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
    let write = database.begin_write().unwrap();
    let mut table = write.open_table(TRIE).unwrap();
    let mut trie = StateTrie::open(&table).unwrap();
    for exists in [true, false] {
        let mut changes = Changes::default();
        for address in 0..200 {
            let change = created(Address::repeat_byte(address), (0..30).map(|slot| (slot, 1)));
            changes.add(&AccountChange { exists, slots: if exists { change.slots } else { Vec::new() }, ..change });
        }
        trie.update(&table, &changes, 1).unwrap();
        trie.write(&mut table, 0).unwrap();
    }
    assert_eq!(trie.head().root, EMPTY_ROOT);
    assert_eq!(table.len().unwrap(), 1, "the head only");
}

#[test]
fn a_proof_of_something_else_proves_nothing() {
    let items: Vec<Vec<u8>> = (0..150u16).map(|item| item.to_be_bytes().repeat(20)).collect();
    let root = leaves::ordered_root(&items);
    for (index, item) in items.iter().enumerate().filter(|(index, _)| index % 7 == 0 || *index > 126 && *index < 130) {
        let proof = leaves::ordered_proof(&items, index);
        let key = leaves::index_key(index);
        assert_eq!(verify(root, &key, &proof), Ok(Some(item.clone())));
        for position in 0..proof.len() {
            let mut other = proof.clone();
            other[position][7] ^= 1;
            assert_eq!(verify(root, &key, &other), Err(ProofError::OtherNode(position)));
        }
        assert_eq!(verify(root, &key, &proof[..proof.len() - 1]), Err(ProofError::Incomplete));
        assert_eq!(verify(root, &key, &[&proof[..], &proof[..1]].concat()), Err(ProofError::Surplus(proof.len())));
    }
    assert_eq!(verify(root, &leaves::index_key(150), &leaves::ordered_proof(&items, 150)), Ok(None));
    assert_eq!(leaves::ordered_root::<Vec<u8>>(&[]), EMPTY_ROOT);
    assert_eq!(verify(EMPTY_ROOT, &leaves::index_key(0), &[]), Ok(None));
}

/// A changed byte of any record is found, and its key named.
#[test]
fn changed_bytes_are_found() {
    let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
    let write = database.begin_write().unwrap();
    let mut table = write.open_table(TRIE).unwrap();
    let mut trie = StateTrie::open(&table).unwrap();
    let mut changes = Changes::default();
    changes.add(&created(Address::repeat_byte(1), (0..90).map(|slot| (slot, u64::from(slot) << 9 | 1))));
    trie.update(&table, &changes, 1).unwrap();
    trie.write(&mut table, 0).unwrap();
    let records: Vec<(Vec<u8>, Vec<u8>)> = table
        .iter()
        .unwrap()
        .map(|entry| entry.map(|(key, value)| (key.value().to_vec(), value.value().to_vec())).unwrap())
        .collect();
    assert!(records.len() > 10);
    for (key, record) in &records {
        for position in (0..record.len()).step_by(3) {
            let mut damaged = record.clone();
            damaged[position] ^= 4;
            table.insert(key.as_slice(), damaged.as_slice()).unwrap();
            let is_found = StateTrie::check(&table).is_err();
            assert!(is_found || key.is_empty(), "byte {position} of {key:02x?}");
        }
        table.remove(key.as_slice()).unwrap();
        assert!(StateTrie::check(&table).is_err(), "without {key:02x?}");
        table.insert(key.as_slice(), record.as_slice()).unwrap();
    }
    StateTrie::check(&table).unwrap();
}
