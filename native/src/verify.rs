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

/// Read all blocks, check their links, roots, seals and indexes, run them again from the genesis, and compare what
/// they do and the state they lead to with what is stored.
///
/// # Errors
///
/// Something is not what was sealed, or not what executing gives; the error names the place.
pub fn verify(store: &Store) -> Result<()> {
    let mut state = Replayed::default();
    state.apply(&store.genesis().state());
    let genesis_hash = store.block_hash_ref(0)?;
    let (mut parent_hash, mut transactions) = (genesis_hash, 0);
    state.hashes.push(genesis_hash);
    let mut roots = ReplayedRoots::new(&store.genesis().state())?;
    for height in 1..=store.head().height {
        let place = format!("block {height}");
        let header = store.header(height)?.ok_or_else(|| store.corrupted(&place, &"missing"))?;
        let stored = store.transactions(height)?;
        check_block(store, &header, parent_hash, &stored)?;
        if header.state_height + 1 != height || Some(&header.state_root) != roots.known.last() {
            return Err(store.corrupted(&place, &"its state root is not that of the state it found"));
        }
        execute_again(store, &header, parent_hash, &stored, &mut state)?;
        roots.add(height, &store.changes(height)?)?;
        transactions += stored.len() as u64;
        parent_hash = header.hash();
        state.hashes.push(parent_hash);
    }
    if parent_hash != store.head_hash() {
        return Err(store.corrupted("head", &"it is not the newest block"));
    }
    compare_state(store, &state)?;
    let (height, root) = store.checked_trie()?;
    if roots.known.get(usize::try_from(height).unwrap_or(usize::MAX)) != Some(&root) {
        return Err(store.corrupted("state trie", &"its root is not that of the state"));
    }
    let blocks = store.head().height;
    let slots: usize = state.accounts.values().map(|account| account.slots.len()).sum();
    if store.counts()? == [blocks, blocks, transactions, transactions, slots as u64] {
        Ok(())
    } else {
        Err(store.corrupted("database", &"a row stands outside the chain"))
    }
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

fn check_block(store: &Store, header: &Header, parent: B256, stored: &[StoredTransaction]) -> Result<()> {
    let place = format!("block {}", header.height);
    let refuse = |finding: &str| Err(store.corrupted(&place, &finding));
    if header.parent_hash != parent || header.sealer != store.genesis().sealer {
        return refuse("its header does not stand on the block before it");
    }
    if !header.is_sealed() {
        return refuse("its seal is not the sealer's");
    }
    if store.height_of(header.hash())? != Some(header.height) {
        return refuse("its hash does not lead to it");
    }
    let raws: Vec<_> = stored.iter().map(|transaction| &transaction.raw).collect();
    if ordered_root(&raws) != header.transactions_root {
        return refuse("its transactions are not those that were sealed");
    }
    for transaction in stored {
        let found = store.transaction(keccak256(&transaction.raw))?;
        if found.is_none_or(|found| found.position != transaction.position || found.height != transaction.height) {
            return refuse(&format!("transaction {}: its hash does not lead to it", transaction.position));
        }
        for emitter in Receipt::read(&transaction.receipt)?.emitters() {
            let from = (transaction.height, transaction.position);
            let found = store.transactions_with_logs(Some(emitter), from, transaction.height, 1)?;
            if found.first() != Some(transaction) {
                return refuse(&format!("transaction {}: the log index does not lead to it", transaction.position));
            }
        }
    }
    Ok(())
}

fn execute_again(
    store: &Store,
    header: &Header,
    parent_hash: B256,
    stored: &[StoredTransaction],
    state: &mut Replayed,
) -> Result<()> {
    let environment = Environment::of(store.genesis(), header.height, header.timestamp, parent_hash);
    let mut block = OpenBlock::new(&environment, &*state)?;
    let raws: Vec<_> = stored.iter().map(|transaction| transaction.raw.clone()).collect();
    SignedTransaction::decode_all(&raws, |signed| block.add(&signed))?;
    let done = block.finish();
    let receipts: Vec<_> = done.receipts.iter().map(Receipt::consensus_bytes).collect();
    let is_same = done.receipts.iter().zip(stored).all(|(receipt, stored)| receipt.bytes() == stored.receipt)
        && ordered_root(&receipts) == header.receipts_root
        && changes_root(&alloy_rlp::encode(&done.changes)) == header.changes_root
        && done.changes == store.changes(header.height)?
        && done.gas_used == header.gas_used;
    state.apply(&done.changes);
    if is_same {
        return Ok(());
    }
    Err(store.corrupted(&format!("block {}", header.height), &"executing it gives something else"))
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
