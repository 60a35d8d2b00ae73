//! Proof that a file is what was written, and that what was written is right.

use alloy_primitives::{B256, keccak256, map::HashMap};
use redb::{Database, WriteTransaction, backends::InMemoryBackend};
use revm::DatabaseRef;

use crate::{
    block::{AccountChange, Header, Receipt, changes_root, unreadable},
    disk::{Disk, Pages, STORED_BYTES, damage},
    error::{Error, Result},
    execute::{Environment, OpenBlock},
    roots::store_error,
    store::{Store, StoredBlock, StoredTransaction},
    transaction::SignedTransaction,
    trie::leaves::ordered_root,
    trie::{
        part::TRIE,
        state::{Changes, StateTrie},
    },
};

/// The first page from one on that is not what was written, among so many; the number of the one behind them.
///
/// # Errors
///
/// The disk fails.
pub fn scrub(pages: &Pages<dyn Disk>, first: u64, most: u64) -> std::io::Result<(Option<String>, u64)> {
    let last = pages.count()?.min(first.saturating_add(most));
    let mut page = vec![0; STORED_BYTES - 8];
    for number in first.max(1)..last {
        match pages.read_pages(number, &mut page) {
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => return Ok((Some(damage(number)), number)),
            other => other?,
        }
    }
    Ok((None, last))
}

/// Check everything, as `Verification`, and run all blocks again.
///
/// # Errors
///
/// Something is not what was sealed, or not what executing gives; the error names the place.
pub fn verify(store: &Store) -> Result<()> {
    let mut verification = Verification::new(store, true)?;
    while verification.go_on(store, u64::MAX)?.is_some() {}
    Ok(())
}

/// Reads all blocks from the genesis on, some at a time: their links, seals, roots and indexes, and the state that what
/// they say they changed leads to. Whether that is what they had to change shows only who runs them again.
pub struct Verification {
    executes: bool,
    state: Replayed,
    roots: ReplayedRoots,
    height: u64,
    parent_hash: B256,
    transactions: u64,
}

impl Verification {
    /// Begin.
    ///
    /// # Errors
    ///
    /// The file is damaged, or the disk fails.
    pub fn new(store: &Store, executes: bool) -> Result<Self> {
        let mut state = Replayed::default();
        state.apply(&store.genesis().state());
        let parent_hash = store.block_hash_ref(0)?;
        state.hashes.push(parent_hash);
        let roots = ReplayedRoots::new(&store.genesis().state())?;
        Ok(Self { executes, state, roots, height: 0, parent_hash, transactions: 0 })
    }

    /// Check so many blocks more; returns up to which one, and None when that was all, with the state behind it.
    ///
    /// # Errors
    ///
    /// Something is not what was sealed, or not what executing gives; the error names the place.
    pub fn go_on(&mut self, store: &Store, most: u64) -> Result<Option<u64>> {
        let head = store.head().height;
        if self.height == head {
            return self.finish(store).map(|()| None);
        }
        let first = self.height + 1;
        for height in first..=head.min(self.height.saturating_add(most)) {
            let block = check_block(store, height, self.parent_hash)?;
            if block.header.state_height + 1 != height || Some(&block.header.state_root) != self.roots.known.last() {
                return Err(store.corrupted(&place(height), &"its state root is not that of the state it found"));
            }
            if self.executes {
                execute_again(store, &block, &self.state)?;
            }
            self.state.apply(&block.changes);
            self.roots.add(height, &block.changes)?;
            self.transactions += block.stored.len() as u64;
            self.parent_hash = block.header.hash();
            self.state.hashes.push(self.parent_hash);
            self.height = height;
        }
        Ok(Some(self.height))
    }

    fn finish(&self, store: &Store) -> Result<()> {
        if self.parent_hash != store.head_hash() {
            return Err(store.corrupted("head", &"it is not the newest block"));
        }
        compare_state(store, &self.state)?;
        let (height, root) = store.checked_trie()?;
        if self.roots.known.get(usize::try_from(height).unwrap_or(usize::MAX)) != Some(&root) {
            return Err(store.corrupted("state trie", &"its root is not that of the state"));
        }
        let slots: usize = self.state.accounts.values().map(|account| account.slots.len()).sum();
        if store.counts()? == [self.height, self.height, self.transactions, self.transactions, slots as u64] {
            Ok(())
        } else {
            Err(store.corrupted("database", &"a row stands outside the chain"))
        }
    }
}

/// Check some blocks from a height on, each by itself and its link; returns the height to check next.
///
/// # Errors
///
/// One is not what was sealed; the error names the place.
pub fn check_blocks(store: &Store, first: u64, most: u64) -> Result<u64> {
    let first = first.max(1);
    let mut parent_hash = store.block_hash_ref(first - 1)?;
    let end = first.saturating_add(most).min(store.head().height + 1);
    for height in first..end {
        parent_hash = check_block(store, height, parent_hash)?.header.hash();
    }
    Ok(end.max(first))
}

/// Check a block that another node ran: it stands on the head and holds what its header commits to.
///
/// # Errors
///
/// It does not.
pub fn check_received(store: &Store, block: &StoredBlock) -> Result<()> {
    let receipts: Result<Vec<_>> = block.receipts.iter().map(|stored| Receipt::read(stored)).collect();
    let receipts: Vec<_> = receipts?.iter().map(Receipt::consensus_bytes).collect();
    let header = &block.header;
    let fits = header.height == store.head().height + 1
        && header.parent_hash == store.head_hash()
        && header.sealer == store.genesis().sealer
        && ordered_root(&block.transactions) == header.transactions_root
        && ordered_root(&receipts) == header.receipts_root
        && changes_root(&alloy_rlp::encode(&block.changes)) == header.changes_root
        && header.state_height == store.head().height
        && header.state_root == store.state_root()?;
    if fits {
        return Ok(());
    }
    Err(store.corrupted(&format!("block {}", header.height), &"it does not stand on the head, or holds something else"))
}

/// A block that holds what its header commits to.
struct Checked {
    header: Header,
    stored: Vec<StoredTransaction>,
    changes: Vec<AccountChange>,
}

fn place(height: u64) -> String {
    format!("block {height}")
}

fn check_block(store: &Store, height: u64, parent_hash: B256) -> Result<Checked> {
    let refuse = |finding: &str| Err(store.corrupted(&place(height), &finding));
    let Some(header) = store.header(height)? else { return refuse("missing") };
    let (stored, changes) = (store.transactions(height)?, store.changes(height)?);
    if header.height != height || header.parent_hash != parent_hash || header.sealer != store.genesis().sealer {
        return refuse("its header does not stand on the block before it");
    }
    if !header.is_sealed() {
        return refuse("its seal is not the sealer's");
    }
    if store.height_of(header.hash())? != Some(height) {
        return refuse("its hash does not lead to it");
    }
    let raws: Vec<_> = stored.iter().map(|transaction| &transaction.raw).collect();
    if ordered_root(&raws) != header.transactions_root {
        return refuse("its transactions are not those that were sealed");
    }
    let mut receipts = Vec::with_capacity(stored.len());
    for transaction in &stored {
        let receipt = Receipt::read(&transaction.receipt)?;
        check_indexes(store, transaction, &receipt)?;
        receipts.push(receipt.consensus_bytes());
    }
    if ordered_root(&receipts) != header.receipts_root {
        return refuse("its receipts are not those that were sealed");
    }
    if changes_root(&alloy_rlp::encode(&changes)) != header.changes_root {
        return refuse("what it changed is not what was sealed");
    }
    Ok(Checked { header, stored, changes })
}

fn check_indexes(store: &Store, transaction: &StoredTransaction, receipt: &Receipt) -> Result<()> {
    let refuse = |what: &str| {
        let finding = format!("transaction {}: {what} does not lead to it", transaction.position);
        Err(store.corrupted(&place(transaction.height), &finding))
    };
    let found = store.transaction(keccak256(&transaction.raw))?;
    if found.is_none_or(|found| found.position != transaction.position || found.height != transaction.height) {
        return refuse("its hash");
    }
    for emitter in receipt.emitters() {
        let from = (transaction.height, transaction.position);
        if store.transactions_with_logs(Some(emitter), from, transaction.height, 1)?.first() != Some(transaction) {
            return refuse("the log index");
        }
    }
    Ok(())
}

fn execute_again(store: &Store, Checked { header, stored, changes }: &Checked, state: &Replayed) -> Result<()> {
    let environment = Environment::of(store.genesis(), header.height, header.timestamp, header.parent_hash);
    let mut block = OpenBlock::new(&environment, state)?;
    let raws: Vec<_> = stored.iter().map(|transaction| transaction.raw.clone()).collect();
    SignedTransaction::decode_all(&raws, |signed| block.add(&signed))?;
    let done = block.finish();
    // Its receipts hold more than their root covers: why it failed.
    let is_same = done.receipts.iter().zip(stored).all(|(receipt, stored)| receipt.bytes() == stored.receipt)
        && done.changes == *changes
        && done.gas_used == header.gas_used;
    if is_same {
        return Ok(());
    }
    Err(store.corrupted(&place(header.height), &"executing it gives something else"))
}

fn compare_state(store: &Store, state: &Replayed) -> Result<()> {
    let mut accounts = 0;
    store.walk_state(|address, info, slots| {
        accounts += 1;
        let is_same = state.accounts.get(&address).is_some_and(|expected| {
            let info_is_same = expected.info.as_ref().is_some_and(|known| {
                (known.nonce, known.balance, known.code_hash) == (info.nonce, info.balance, info.code_hash)
            });
            info_is_same
                && expected.slots.len() == slots.len()
                && slots.iter().all(|(key, value)| expected.slots.get(key) == Some(value))
        });
        if is_same {
            Ok(())
        } else {
            Err(store.corrupted(&format!("state of {address}"), &"not what the blocks make it"))
        }
    })?;
    if accounts == state.accounts.values().filter(|account| account.info.is_some()).count() {
        return Ok(());
    }
    Err(store.corrupted("state", &"an account is missing"))
}

/// The state roots that blocks lead to, by a trie of its own in memory.
struct ReplayedRoots {
    trie: StateTrie,
    nothing_stored: WriteTransaction,
    /// By height.
    known: Vec<B256>,
}

impl ReplayedRoots {
    fn new(genesis: &[AccountChange]) -> Result<Self> {
        let opened = || -> std::result::Result<Self, redb::Error> {
            let database = Database::builder().create_with_backend(InMemoryBackend::new())?;
            let nothing_stored = database.begin_write()?;
            let trie = StateTrie::open(&nothing_stored.open_table(TRIE)?).map_err(store_error)?;
            Ok(Self { trie, nothing_stored, known: Vec::new() })
        };
        let mut roots = opened().map_err(|error| unreadable("state trie", error))?;
        roots.add(0, genesis)?;
        Ok(roots)
    }

    fn add(&mut self, height: u64, changes: &[AccountChange]) -> Result<()> {
        let mut all = Changes::default();
        changes.iter().for_each(|change| all.add(change));
        let table = self.nothing_stored.open_table(TRIE).map_err(|error| unreadable("state trie", error))?;
        self.known.push(self.trie.update(&table, &all, height).map_err(|error| unreadable("state trie", error))?);
        Ok(())
    }
}

/// The state that blocks lead to, in memory.
#[derive(Default)]
struct Replayed {
    accounts: HashMap<alloy_primitives::Address, ReplayedAccount>,
    codes: HashMap<B256, revm::bytecode::Bytecode>,
    hashes: Vec<B256>,
}

#[derive(Default)]
struct ReplayedAccount {
    info: Option<revm::state::AccountInfo>,
    slots: HashMap<alloy_primitives::U256, alloy_primitives::U256>,
}

impl Replayed {
    fn apply(&mut self, changes: &[AccountChange]) {
        for change in changes {
            let account = self.accounts.entry(change.address).or_default();
            let mut info = account.info.take().unwrap_or_default();
            (info.nonce, info.balance) = (change.nonce, change.balance);
            if let Some(code) = &change.code {
                info.code_hash = keccak256(code);
                self.codes.insert(info.code_hash, revm::bytecode::Bytecode::new_raw(code.clone()));
            }
            info.code = self.codes.get(&info.code_hash).cloned();
            account.info = change.exists.then_some(info);
            if change.emptied {
                account.slots.clear();
            }
            for (key, value) in &change.slots {
                if value.is_zero() {
                    account.slots.remove(key);
                } else {
                    account.slots.insert(*key, *value);
                }
            }
        }
    }
}

impl DatabaseRef for &Replayed {
    type Error = Error;

    fn basic_ref(&self, address: alloy_primitives::Address) -> Result<Option<revm::state::AccountInfo>> {
        Ok(self.accounts.get(&address).and_then(|account| account.info.clone()))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<revm::bytecode::Bytecode> {
        Ok(self.codes.get(&hash).cloned().unwrap_or_default())
    }

    fn storage_ref(
        &self,
        address: alloy_primitives::Address,
        key: alloy_primitives::U256,
    ) -> Result<alloy_primitives::U256> {
        Ok(self.accounts.get(&address).and_then(|account| account.slots.get(&key)).copied().unwrap_or_default())
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256> {
        Ok(usize::try_from(number).ok().and_then(|number| self.hashes.get(number)).copied().unwrap_or_default())
    }
}
