//! The state trie: accounts by Keccak-256 of their address, and for each the trie of its storage.

use std::collections::{BTreeMap, HashMap};

use alloy_primitives::{Address, B256, U256, b256, keccak256, map::HashSet};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use redb::Table;

use super::grow::{Entry, Trie};
use super::part::{Part, Path, Place, Stored, TrieError, record_keys};
use crate::block::{AccountChange, NO_CODE};
use crate::keccak::hash_many;

/// Root of a trie without leaves.
pub const EMPTY_ROOT: B256 = b256!("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");

/// The trie of accounts. Storage tries have numbers of their own, which are never used again.
const ACCOUNTS: u64 = 0;
/// A stored account: the number of its storage trie in front of what Ethereum's trie holds.
const NUMBER_BYTES: usize = 8;

/// An account as Ethereum's state trie holds it (Yellow Paper, section 4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, RlpEncodable, RlpDecodable)]
pub struct Account {
    pub nonce: u64,
    pub balance: U256,
    pub storage_root: B256,
    pub code_hash: B256,
}

/// What became of one account.
#[derive(Clone, Default, Debug)]
struct Change {
    /// Nonce and balance; none where there is no account any more.
    account: Option<(u64, U256)>,
    code_hash: Option<B256>,
    emptied: bool,
    slots: BTreeMap<U256, U256>,
}

/// What became of the state, in one block or in several.
#[derive(Clone, Default, Debug)]
pub struct Changes(BTreeMap<Address, Change>);

impl Changes {
    /// Adds what happened next.
    pub fn add(&mut self, next: &AccountChange) {
        let change = self.0.entry(next.address).or_default();
        change.account = next.exists.then_some((next.nonce, next.balance));
        if !next.exists {
            change.code_hash = Some(NO_CODE);
        }
        if let Some(code) = &next.code {
            change.code_hash = Some(keccak256(code));
        }
        if next.emptied || !next.exists {
            change.emptied = true;
            change.slots.clear();
        }
        change.slots.extend(next.slots.iter().copied());
    }
}

/// What an account and some slots hold, with the nodes that prove it against a state root (EIP-1186).
#[derive(Clone, Debug)]
pub struct AccountProof {
    /// None where there is no such account, which is proven too.
    pub account: Option<Account>,
    pub proof: Vec<Vec<u8>>,
    /// For each slot what it holds, and the nodes that prove it against the account's storage root.
    pub slots: Vec<(U256, U256, Vec<Vec<u8>>)>,
}

/// The state trie as it was behind some block.
#[derive(Debug)]
pub struct StateTrie {
    head: Head,
    tries: HashMap<u64, Place>,
    removed: HashSet<Vec<u8>>,
    forgotten: Vec<u64>,
    /// How many leaves were changed since the last writing, and since the memory was emptied.
    unwritten: usize,
    held: usize,
}

/// Which block the trie is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, RlpEncodable, RlpDecodable)]
pub struct Head {
    pub height: u64,
    pub root: B256,
    next_number: u64,
}

impl StateTrie {
    /// The trie as it was written last; an empty one at height 0 if it never was.
    ///
    /// # Errors
    /// Where the table cannot be read or understood.
    pub fn open(stored: &impl Stored) -> Result<Self, TrieError> {
        let head = match stored.get([].as_slice())? {
            Some(record) => Head::decode(&mut record.value()).map_err(|_| TrieError::Damaged(vec![]))?,
            None => Head { height: 0, root: EMPTY_ROOT, next_number: ACCOUNTS + 1 },
        };
        let (tries, removed) = (HashMap::new(), HashSet::default());
        Ok(Self { head, tries, removed, forgotten: Vec::new(), unwritten: 0, held: 0 })
    }

    /// The block whose state this is, and the root.
    pub fn head(&self) -> Head {
        self.head
    }

    /// How many leaves were changed since the trie was written.
    pub fn unwritten(&self) -> usize {
        self.unwritten
    }

    /// Takes in what the blocks up to `height` changed, and gives the root. `stored` is the table as it was last written.
    ///
    /// # Errors
    /// Where the table cannot be read or understood. The trie is of no use then but for being opened again.
    pub fn update(&mut self, stored: &impl Stored, changes: &Changes, height: u64) -> Result<B256, TrieError> {
        let addresses: Vec<&[u8]> = changes.0.keys().map(|address| address.as_slice()).collect();
        let mut accounts = Vec::with_capacity(addresses.len());
        for (hash, change) in hash_many(&addresses).into_iter().zip(changes.0.values()) {
            accounts.push((hash, self.account(stored, &hash, change)?));
        }
        self.head.root = self.grow(stored, ACCOUNTS, self.head.root, accounts)?;
        self.head.height = height;
        Ok(self.head.root)
    }

    /// The stored account behind a change, with the root of its storage.
    fn account(&mut self, stored: &impl Stored, hash: &B256, change: &Change) -> Result<Option<Vec<u8>>, TrieError> {
        let old = self.stored_account(stored, hash)?;
        let code_hash = change.code_hash.or(old.map(|(_, account)| account.code_hash)).unwrap_or(NO_CODE);
        if let Some((number, _)) = old.filter(|_| change.emptied) {
            self.tries.remove(&number);
            self.forgotten.push(number);
        }
        let Some((nonce, balance)) = change.account else { return Ok(None) };
        let (number, storage_root) = match old.filter(|_| !change.emptied) {
            Some((number, account)) => (number, account.storage_root),
            None => (self.new_number(), EMPTY_ROOT),
        };
        let slots: Vec<[u8; 32]> = change.slots.keys().map(U256::to_be_bytes).collect();
        let slots: Vec<&[u8]> = slots.iter().map(<[u8; 32]>::as_slice).collect();
        let values = change.slots.values().map(|value| (!value.is_zero()).then(|| alloy_rlp::encode(value)));
        let leaves = hash_many(&slots).into_iter().zip(values).collect();
        let storage_root = self.grow(stored, number, storage_root, leaves)?;
        let mut value = number.to_be_bytes().to_vec();
        Account { nonce, balance, storage_root, code_hash }.encode(&mut value);
        Ok(Some(value))
    }

    fn new_number(&mut self) -> u64 {
        self.head.next_number += 1;
        self.head.next_number - 1
    }

    fn grow(
        &mut self,
        stored: &impl Stored,
        number: u64,
        root: B256,
        mut leaves: Vec<Entry>,
    ) -> Result<B256, TrieError> {
        if leaves.is_empty() {
            return Ok(root);
        }
        leaves.sort_unstable_by_key(|(key, _)| *key);
        let mut place = self.tries.remove(&number).or((root != EMPTY_ROOT).then_some(Place::STORED));
        let root = trie(stored, number).update(&mut place, &leaves, &mut self.removed)?;
        self.tries.extend(place.map(|place| (number, place)));
        self.unwritten += leaves.len();
        self.held += leaves.len();
        Ok(root)
    }

    /// The root of a trie's parts, if it has any.
    fn place(&mut self, number: u64, root: B256) -> Option<&mut Place> {
        (root != EMPTY_ROOT).then(|| self.tries.entry(number).or_insert(Place::STORED))
    }

    fn stored_account(&mut self, stored: &impl Stored, hash: &B256) -> Result<Option<(u64, Account)>, TrieError> {
        let Some(place) = self.place(ACCOUNTS, self.head.root) else { return Ok(None) };
        let Some(value) = trie(stored, ACCOUNTS).value(place, hash)? else { return Ok(None) };
        decoded(&value).map(Some).ok_or_else(|| TrieError::Damaged(Path::ROOT.record_key(ACCOUNTS)))
    }

    /// What an account and its slots hold, proven against the root.
    ///
    /// # Errors
    /// Where the table cannot be read or understood.
    pub fn prove(
        &mut self,
        stored: &impl Stored,
        address: &Address,
        slots: &[U256],
    ) -> Result<AccountProof, TrieError> {
        let hash = keccak256(address);
        let found = self.stored_account(stored, &hash)?;
        let mut proof = Vec::new();
        if let Some(place) = self.place(ACCOUNTS, self.head.root) {
            trie(stored, ACCOUNTS).prove(place, &hash, &mut proof)?;
        }
        let mut proven = Vec::with_capacity(slots.len());
        for slot in slots {
            let hash = keccak256(slot.to_be_bytes::<32>());
            let (mut value, mut proof) = (U256::ZERO, Vec::new());
            if let Some((number, account)) = &found
                && let Some(place) = self.place(*number, account.storage_root)
            {
                let trie = trie(stored, *number);
                if let Some(encoded) = trie.value(place, &hash)? {
                    value = U256::decode(&mut encoded.as_slice())
                        .map_err(|_| TrieError::Damaged(Path::ROOT.record_key(*number)))?;
                }
                trie.prove(place, &hash, &mut proof)?;
            }
            proven.push((*slot, value, proof));
        }
        Ok(AccountProof { account: found.map(|(_, account)| account), proof, slots: proven })
    }

    /// Makes every node of the stored trie anew from its leaves and compares. Gives the block it is of, and how many leaves it has.
    ///
    /// # Errors
    /// Names the first record that is missing, surplus or not what it was.
    pub fn check(stored: &impl Stored) -> Result<(Head, u64), TrieError> {
        let head = Self::open(stored)?.head;
        let (mut parts, mut leaf_count, mut accounts) = (0, 0, Vec::new());
        if head.root != EMPTY_ROOT {
            let root = trie(stored, ACCOUNTS).check(&mut parts, &mut |_, value| accounts.push(value.to_vec()))?;
            (root == head.root).then_some(()).ok_or(TrieError::Damaged(vec![]))?;
        }
        for value in accounts {
            leaf_count += 1;
            let damaged = || TrieError::Damaged(Path::ROOT.record_key(ACCOUNTS));
            let (number, account) = decoded(&value).ok_or_else(damaged)?;
            if account.storage_root != EMPTY_ROOT {
                let root = trie(stored, number).check(&mut parts, &mut |_, _| leaf_count += 1)?;
                (root == account.storage_root)
                    .then_some(())
                    .ok_or(TrieError::Damaged(Path::ROOT.record_key(number)))?;
            }
        }
        let is_whole = stored.len()? == parts + u64::from(stored.get([].as_slice())?.is_some());
        is_whole.then_some((head, leaf_count)).ok_or(TrieError::Damaged(vec![]))
    }

    /// Writes what changed since the last time; memory is emptied where it came to hold more than `most_held` leaves.
    ///
    /// # Errors
    /// Where the table cannot be written.
    pub fn write(
        &mut self,
        table: &mut Table<&'static [u8], &'static [u8]>,
        most_held: usize,
    ) -> Result<(), redb::StorageError> {
        for number in self.forgotten.drain(..) {
            let keys = record_keys(number);
            table.retain_in::<&[u8], _>(keys.start.as_slice()..keys.end.as_slice(), |_, _| false)?;
        }
        for key in self.removed.drain() {
            table.remove(key.as_slice())?;
        }
        for (number, place) in &mut self.tries {
            write_changed(table, *number, &Path::ROOT, place)?;
        }
        table.insert([].as_slice(), alloy_rlp::encode(self.head).as_slice())?;
        self.unwritten = 0;
        if self.held > most_held {
            self.tries.clear();
            self.held = 0;
        }
        Ok(())
    }
}

fn trie<T: Stored>(stored: &T, number: u64) -> Trie<'_, T> {
    Trie { stored, number, prefix: if number == ACCOUNTS { NUMBER_BYTES } else { 0 } }
}

/// The number of its storage trie, and an account.
fn decoded(value: &[u8]) -> Option<(u64, Account)> {
    let (number, account) = value.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), alloy_rlp::decode_exact(account).ok()?))
}

fn write_changed(
    table: &mut Table<&'static [u8], &'static [u8]>,
    trie: u64,
    path: &Path,
    place: &mut Place,
) -> Result<(), redb::StorageError> {
    if !std::mem::take(&mut place.is_changed) {
        return Ok(());
    }
    if let Some(record) = place.part.encode() {
        table.insert(path.record_key(trie).as_slice(), record.as_slice())?;
    }
    if let Part::Divided(division) = &mut place.part {
        for (nibble, child) in division.children.iter_mut().enumerate() {
            if let Some((_, child)) = child {
                write_changed(table, trie, &path.child(nibble), child)?;
            }
        }
    }
    Ok(())
}
