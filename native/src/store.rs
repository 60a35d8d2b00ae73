//! A chain in one file: blocks, receipts, state, code and indexes, in a database with checked pages (`disk`) and a
//! journal (`journal`) beside it while it is open.
//!
//! Appending makes a block durable in the journal and puts it into an open database transaction, in which everything
//! is looked up. When the journal is long, that transaction is committed and the journal starts anew.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use alloy_primitives::{Address, B256, Bytes, U256, map::HashMap};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use redb::{Database, ReadableTable, TableDefinition, WriteTransaction};
use revm::{DatabaseRef, bytecode::Bytecode, state::AccountInfo};

use crate::{
    block::{AccountChange, Genesis, Header, NO_CODE, Receipt, unreadable},
    disk::{Disk, Pages, damage},
    error::{Error, Result},
    history::{History, Undo},
    journal::Journal,
    roots::{Roots, store_error},
    trie::{
        part::TRIE,
        state::{AccountProof, StateTrie},
    },
};

const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
const HEADERS: TableDefinition<u64, &[u8]> = TableDefinition::new("headers");
const CHANGES: TableDefinition<u64, &[u8]> = TableDefinition::new("changes");
const BODIES: TableDefinition<(u64, u32), &[u8]> = TableDefinition::new("bodies");
const HEIGHTS: TableDefinition<[u8; 32], u64> = TableDefinition::new("heights");
const PLACES: TableDefinition<[u8; 32], (u64, u32)> = TableDefinition::new("places");
const LOGS: TableDefinition<([u8; 20], u64), &[u8]> = TableDefinition::new("logs");
const ACCOUNTS: TableDefinition<[u8; 20], [u8; 72]> = TableDefinition::new("accounts");
const SLOTS: TableDefinition<([u8; 20], [u8; 32]), &[u8]> = TableDefinition::new("slots");
const CODES: TableDefinition<[u8; 32], &[u8]> = TableDefinition::new("codes");

/// The journal goes into the database when it has so many bytes: this bounds memory and the time of opening.
const JOURNAL_BYTES: u64 = 32 << 20;
/// What the journal holds until a new file is whole.
const BEING_MADE: &[u8] = b"being made";
/// Stands in the file as long as a journal belongs to it.
const HAS_JOURNAL: &str = "journal";
/// Blocks are lists; a record whose first byte is below is a value that is kept beside them.
const FIRST_OF_LIST: u8 = 0xc0;
/// Memory for pages of the database.
const PAGE_CACHE_BYTES: usize = 96 << 20;
/// So many slots and accounts stay decoded, twice.
const CACHED_VALUES: usize = 100_000;

/// A block as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct StoredBlock {
    /// Its head.
    pub header: Header,
    /// Its raw transactions.
    pub transactions: Vec<Bytes>,
    /// Their encoded receipts.
    pub receipts: Vec<Bytes>,
    /// What it did to the state.
    pub changes: Vec<AccountChange>,
}

/// A transaction in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTransaction {
    /// Its block.
    pub height: u64,
    /// Its number in it.
    pub position: u32,
    /// Its bytes.
    pub raw: Bytes,
    /// Its encoded receipt.
    pub receipt: Bytes,
}

/// Values that were read or written lately. The older half is forgotten when the newer one is full.
#[derive(Debug)]
struct Recent<K, V> {
    new: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: std::hash::Hash + Eq + Copy, V: Clone> Recent<K, V> {
    fn new() -> Self {
        Self { new: HashMap::default(), old: HashMap::default() }
    }

    fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.new.get(key) {
            return Some(value.clone());
        }
        let value = self.old.remove(key)?;
        self.put(*key, value.clone());
        Some(value)
    }

    fn put(&mut self, key: K, value: V) {
        if self.new.len() >= CACHED_VALUES {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.insert(key, value);
    }
}

#[derive(Debug)]
struct Known {
    accounts: Recent<Address, Option<AccountInfo>>,
    slots: Recent<(Address, U256), U256>,
    codes: HashMap<B256, Bytecode>,
}

const MAX_CODES: usize = 256;

/// The open file of a chain.
pub struct Store {
    path: PathBuf,
    genesis: Genesis,
    pages: Pages<dyn Disk>,
    database: Option<Database>,
    transaction: Option<WriteTransaction>,
    /// None while the file is being made, and when it is closed.
    roots: Option<Roots>,
    journal: Journal,
    /// Whether the file says that a journal belongs to it.
    has_journal: bool,
    known: Mutex<Known>,
    head: Header,
    head_hash: B256,
    progress: u64,
    history: History,
    /// Keeps other processes out; `None` where there is no file.
    lock: Option<File>,
}

const UNPOISONED: &str = "nothing panics while it holds this lock";

/// Where a chain's journal is while it is open.
#[must_use]
pub fn journal_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-journal");
    PathBuf::from(name)
}

impl Store {
    /// Open a chain's file; it is made if it does not exist.
    ///
    /// # Errors
    ///
    /// Another process has it open, it is damaged, it belongs to another genesis, or the disk fails.
    pub fn open(path: &Path, genesis: &Genesis, genesis_header: &Header) -> Result<Self> {
        let open = |path: &Path| {
            let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
            options.map_err(|error| match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                    let remedy = io::Error::other(format!("{error}; name a file in a directory that exists"));
                    Error::Io(path.to_owned(), remedy)
                }
                _ => Error::Io(path.to_owned(), error),
            })
        };
        let lock = open(path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Locked(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(Error::Io(path.to_owned(), error)),
        }
        let main = Arc::new(Mutex::new(open(path)?));
        let had_journal = journal_path(path).exists();
        let journal = Box::new(Mutex::new(open(&journal_path(path))?));
        keep_names(path).map_err(|error| Error::Io(path.to_owned(), error))?;
        let mut store = Self::open_on(path, main, journal, genesis, genesis_header)?;
        if !had_journal && store.has_journal {
            let finding = "it is missing, and the chain was not closed: what it held is lost";
            return Err(corrupted(&journal_path(path), "whole file".to_owned(), &finding));
        }
        store.lock = Some(lock);
        Ok(store)
    }

    /// Write down whether a journal belongs to the file: before the first thing is written to it, and when it goes.
    fn mark(&mut self, has_journal: bool) -> Result<()> {
        if self.has_journal == has_journal {
            return Ok(());
        }
        {
            let mut table = self.open_transaction()?.open_table(META).map_err(|error| self.failed(error))?;
            let kept: Option<&[u8]> = has_journal.then_some(&[]);
            match kept {
                Some(value) => table.insert(HAS_JOURNAL, value).map(|_| ()),
                None => table.remove(HAS_JOURNAL).map(|_| ()),
            }
            .map_err(|error| self.failed(error))?;
        }
        self.checkpoint()?;
        self.has_journal = has_journal;
        Ok(())
    }

    /// Open a chain on disks; the path only names it.
    ///
    /// # Errors
    ///
    /// As `open`.
    pub fn open_on(
        path: &Path,
        main: Arc<dyn Disk>,
        journal: Box<dyn Disk>,
        genesis: &Genesis,
        genesis_header: &Header,
    ) -> Result<Self> {
        let (mut journal, mut found) = Journal::open(journal).map_err(|error| Error::Io(journal_path(path), error))?;
        let was_cut_off = found.records.first().is_some_and(|(_, payload)| payload == BEING_MADE);
        if was_cut_off || main.size().map_err(|error| Error::Io(path.to_owned(), error))? == 0 {
            if !was_cut_off && !found.records.is_empty() {
                return Err(corrupted(path, "whole file".to_owned(), &"it is empty, and its journal holds blocks"));
            }
            begin_file(main.as_ref(), &mut journal).map_err(|error| Error::Io(path.to_owned(), error))?;
            found.records.clear();
        }
        let pages = Pages(main);
        let database = open_database(path, &pages)?;
        let known = Known { accounts: Recent::new(), slots: Recent::new(), codes: HashMap::default() };
        let mut store = Self {
            path: path.to_owned(),
            genesis: genesis.clone(),
            pages,
            database: Some(database),
            transaction: None,
            roots: None,
            journal,
            has_journal: false,
            known: Mutex::new(known),
            head: genesis_header.clone(),
            head_hash: genesis_header.hash(),
            progress: 0,
            history: History::default(),
            lock: None,
        };
        store.begin()?;
        store.load(genesis_header)?;
        if let Some(database) = &store.database {
            store.roots = Some(Roots::open(database).map_err(|error| store.failed(error))?);
        }
        store.replay(found)?;
        Ok(store)
    }

    fn begin(&mut self) -> Result<()> {
        let Some(database) = &self.database else { return Err(self.closed()) };
        let mut transaction = database.begin_write().map_err(|error| self.failed(error))?;
        // The next opening then needs no walk through the file, however this process ends.
        transaction.set_quick_repair(true);
        self.transaction = Some(transaction);
        Ok(())
    }

    /// Find the head, or lay the genesis down in a new file.
    fn load(&mut self, genesis_header: &Header) -> Result<()> {
        let stored = self.meta("genesis")?;
        if stored.is_none() {
            self.write_meta("genesis", genesis_header.hash().as_slice())?;
            self.write_meta("genesis header", &genesis_header.bytes())?;
            let state = self.genesis.state();
            self.write_state(&state)?;
            Roots::create(self.open_transaction()?, &state).map_err(|error| self.failed(error))?;
            return self.checkpoint();
        }
        if stored.as_deref() != Some(genesis_header.hash().as_slice()) {
            let bytes = self.meta("genesis header")?.unwrap_or_default();
            let found = Header::decode(&mut &bytes[..]).map_err(|error| self.corrupted("genesis", &error))?;
            return Err(Error::OtherGenesis(format!(
                "chain id {}, sealer {:#x}, gas limit {}, timestamp {}",
                found.chain_id, found.sealer, found.gas_limit, found.timestamp
            )));
        }
        let height = self.number("height")?.unwrap_or_default();
        if height > 0 {
            self.head = self.header(height)?.ok_or_else(|| self.corrupted(&format!("block {height}"), &"missing"))?;
            self.head_hash = self.head.hash();
        }
        self.progress = self.number("progress")?.unwrap_or_default();
        self.has_journal = self.meta(HAS_JOURNAL)?.is_some();
        Ok(())
    }

    /// Take in what the journal holds beyond the database.
    fn replay(&mut self, found: crate::journal::Found) -> Result<()> {
        let journal = journal_path(&self.path);
        let corrupted = |place: String, finding: &str| {
            let finding = format!("{finding}; restore the file from a backup, or fetch the chain again");
            Err(Error::Corrupted { path: journal.clone(), place, finding })
        };
        if let Some(place) = found.damage {
            return corrupted(format!("byte {place}"), "a block is not what was written");
        }
        let had_records = !found.records.is_empty() || self.journal.size() > 0;
        for (progress, payload) in found.records {
            if payload.is_empty() {
                self.progress = self.progress.max(progress);
                continue;
            }
            if payload[0] < FIRST_OF_LIST {
                let (name, value) = read_note(&payload).map_err(|error| unreadable("journal", error))?;
                self.write_meta(&name, &value)?;
                continue;
            }
            let block = StoredBlock::decode(&mut &payload[..]).map_err(|error| unreadable("journal", error))?;
            let height = block.header.height;
            if height <= self.head.height {
                continue;
            }
            if height != self.head.height + 1 || block.header.parent_hash != self.head_hash {
                return corrupted(format!("block {height}"), "it does not stand on the head of the file");
            }
            self.take_in(block, progress)?;
        }
        if had_records { self.checkpoint() } else { self.journal.clear().map_err(|error| self.disk_failed(error)) }
    }

    /// Make a block durable. When this returns, it survives a crash of the machine.
    ///
    /// # Errors
    ///
    /// The disk fails; the store must be opened anew.
    pub fn append(&mut self, block: StoredBlock, progress: u64) -> Result<()> {
        self.mark(true)?;
        self.journal.append(progress, &alloy_rlp::encode(&block)).map_err(|error| self.disk_failed(error))?;
        self.take_in(block, progress)?;
        if self.journal.size() > JOURNAL_BYTES { self.checkpoint() } else { Ok(()) }
    }

    /// Keep how far the engine that orders this chain has come, by its own count.
    ///
    /// # Errors
    ///
    /// The disk fails.
    pub fn set_progress(&mut self, progress: u64) -> Result<()> {
        self.mark(true)?;
        self.journal.append(progress, &[]).map_err(|error| self.disk_failed(error))?;
        self.progress = progress;
        Ok(())
    }

    fn take_in(&mut self, block: StoredBlock, progress: u64) -> Result<()> {
        let (height, hash) = (block.header.height, block.header.hash());
        let mut logs: HashMap<Address, Vec<u8>> = HashMap::default();
        {
            let transaction = self.open_transaction()?;
            let mut table = transaction.open_table(HEADERS).map_err(|error| self.failed(error))?;
            table.insert(height, &block.header.bytes()[..]).map_err(|error| self.failed(error))?;
            let mut table = transaction.open_table(CHANGES).map_err(|error| self.failed(error))?;
            table.insert(height, &alloy_rlp::encode(&block.changes)[..]).map_err(|error| self.failed(error))?;
            let mut table = transaction.open_table(HEIGHTS).map_err(|error| self.failed(error))?;
            table.insert(hash.0, height).map_err(|error| self.failed(error))?;
            let mut bodies = transaction.open_table(BODIES).map_err(|error| self.failed(error))?;
            let mut places = transaction.open_table(PLACES).map_err(|error| self.failed(error))?;
            for ((raw, receipt), position) in block.transactions.iter().zip(&block.receipts).zip(0_u32..) {
                let body = alloy_rlp::encode(vec![raw.clone(), receipt.clone()]);
                bodies.insert((height, position), &body[..]).map_err(|error| self.failed(error))?;
                let name = alloy_primitives::keccak256(raw);
                places.insert(name.0, (height, position)).map_err(|error| self.failed(error))?;
                for emitter in Receipt::read(receipt)?.emitters() {
                    logs.entry(emitter).or_default().extend_from_slice(&position.to_le_bytes());
                }
            }
            let mut table = transaction.open_table(LOGS).map_err(|error| self.failed(error))?;
            for (emitter, positions) in &logs {
                table.insert((emitter.0.0, height), &positions[..]).map_err(|error| self.failed(error))?;
            }
        }
        let undo = self.write_state(&block.changes)?;
        self.history.push(undo);
        if let Some(roots) = &mut self.roots {
            roots.add(height, block.changes);
        }
        self.head = block.header;
        self.head_hash = hash;
        self.progress = progress.max(self.progress);
        Ok(())
    }

    /// Write what a block changed; returns what it overwrote.
    fn write_state(&self, changes: &[AccountChange]) -> Result<Undo> {
        let mut undo = Undo::default();
        let transaction = self.open_transaction()?;
        let mut accounts = transaction.open_table(ACCOUNTS).map_err(|error| self.failed(error))?;
        let mut slots = transaction.open_table(SLOTS).map_err(|error| self.failed(error))?;
        let mut codes = transaction.open_table(CODES).map_err(|error| self.failed(error))?;
        let mut known = self.known.lock().expect(UNPOISONED);
        for change in changes {
            let key = change.address.0.0;
            let before = account_of(&accounts, key).map_err(|error| self.failed(error))?;
            let mut code_hash = before.as_ref().map(|info| info.code_hash);
            undo.accounts.insert(change.address, before);
            if let Some(code) = &change.code {
                let hash = alloy_primitives::keccak256(code);
                codes.insert(hash.0, &code[..]).map_err(|error| self.failed(error))?;
                code_hash = Some(hash);
            }
            let info = change.exists.then(|| AccountInfo {
                nonce: change.nonce,
                balance: change.balance,
                code_hash: code_hash.unwrap_or(NO_CODE),
                code: None,
                ..AccountInfo::default()
            });
            match &info {
                Some(info) => accounts.insert(key, account_bytes(info)).map(|_| ()),
                None => accounts.remove(key).map(|_| ()),
            }
            .map_err(|error| self.failed(error))?;
            known.accounts.put(change.address, info);
            if change.emptied {
                let all = (key, [0; 32])..=(key, [0xff; 32]);
                let forget = |(_, slot): ([u8; 20], [u8; 32]), value: &[u8]| {
                    undo.slots.insert((change.address, U256::from_be_bytes(slot)), U256::from_be_slice(value));
                    false
                };
                slots.retain_in(all, forget).map_err(|error| self.failed(error))?;
                known.slots = Recent::new();
            }
            for (slot, value) in &change.slots {
                let at = (key, slot.to_be_bytes::<32>());
                let before = if value.is_zero() {
                    slots.remove(at)
                } else {
                    slots.insert(at, value.to_be_bytes_trimmed_vec().as_slice())
                };
                let before = before.map_err(|error| self.failed(error))?;
                let before = before.map_or(U256::ZERO, |before| U256::from_be_slice(before.value()));
                undo.slots.entry((change.address, *slot)).or_insert(before);
                known.slots.put((change.address, *slot), *value);
            }
        }
        Ok(undo)
    }

    /// What the last blocks overwrote.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Bring all that the journal holds into the database, and start the journal anew.
    ///
    /// # Errors
    ///
    /// The disk fails.
    pub fn checkpoint(&mut self) -> Result<()> {
        self.write_meta("height", &self.head.height.to_le_bytes())?;
        self.write_meta("progress", &self.progress.to_le_bytes())?;
        if let Some(transaction) = self.transaction.take() {
            let is_durable = match (&self.roots, &self.database) {
                (Some(roots), Some(database)) => roots.write(database, transaction),
                _ => transaction.commit().map_err(redb::Error::from),
            };
            is_durable.map_err(|error| self.failed(error))?;
        }
        self.journal.clear().map_err(|error| self.disk_failed(error))?;
        self.begin()
    }

    /// Write a copy of the file, with all that is durable; no journal belongs to the copy.
    ///
    /// # Errors
    ///
    /// The disk fails.
    pub fn back_up(&mut self, path: &Path) -> Result<()> {
        self.mark(false)?;
        self.checkpoint()?;
        let copy = || -> io::Result<()> {
            std::fs::copy(&self.path, path)?;
            File::open(path)?.sync_all()
        };
        copy().map_err(|error| Error::Io(path.to_owned(), error))
    }

    /// Bring everything into one file, let go of it, and remove the journal.
    ///
    /// # Errors
    ///
    /// The disk fails.
    pub fn close(&mut self) -> Result<()> {
        if self.database.is_none() {
            return Ok(());
        }
        let kept = self.mark(false).and_then(|()| self.checkpoint());
        // Whatever happens, the file is let go of.
        drop(self.transaction.take());
        self.roots = None;
        let closed = self.database.take().map_or(Ok(()), Database::close);
        let was_locked = self.lock.take().is_some();
        kept?;
        closed.map_err(|error| self.failed(error))?;
        if was_locked {
            std::fs::remove_file(journal_path(&self.path)).map_err(|error| self.disk_failed(error))?;
        }
        Ok(())
    }

    /// What the chain is.
    #[must_use]
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Header of the newest block.
    #[must_use]
    pub fn head(&self) -> &Header {
        &self.head
    }

    /// Hash of the newest block.
    #[must_use]
    pub fn head_hash(&self) -> B256 {
        self.head_hash
    }

    /// Root of the state behind the newest block, which the header of the next one carries.
    ///
    /// # Errors
    ///
    /// The file is damaged, or the disk fails.
    pub fn state_root(&self) -> Result<B256> {
        let roots = self.roots.as_ref().ok_or_else(|| self.closed())?;
        Ok(roots.head().map_err(|error| self.failed(error))?.root)
    }

    /// What an account and some slots hold behind the newest block, with what proves it by the state root.
    ///
    /// # Errors
    ///
    /// The file is damaged, or the disk fails.
    pub fn prove(&self, address: &Address, slots: &[U256]) -> Result<(B256, AccountProof)> {
        let roots = self.roots.as_ref().ok_or_else(|| self.closed())?;
        roots.prove(address, slots).map_err(|error| self.failed(error))
    }

    /// The block that the stored state trie is of, and its root: every node is made anew from the leaves and compared.
    ///
    /// # Errors
    ///
    /// The file is damaged, or the disk fails.
    pub fn checked_trie(&self) -> Result<(u64, B256)> {
        let table = self.open_transaction()?.open_table(TRIE).map_err(|error| self.failed(error))?;
        let (head, _) = StateTrie::check(&table).map_err(|error| self.failed(store_error(error)))?;
        Ok((head.height, head.root))
    }

    /// How far the engine that orders this chain has come, by its own count.
    #[must_use]
    pub fn progress(&self) -> u64 {
        self.progress
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The pages of the file.
    #[must_use]
    pub fn pages(&self) -> Pages<dyn Disk> {
        self.pages.clone()
    }

    /// A value that is kept beside the blocks.
    ///
    /// # Errors
    ///
    /// The file is damaged, or the disk fails.
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let table = self.open_transaction()?.open_table(META).map_err(|error| self.failed(error))?;
        let found = table.get(name).map_err(|error| self.failed(error))?;
        Ok(found.map(|value| value.value().to_vec()))
    }

    /// Keep a value beside the blocks; it is durable with the next block or progress, and costs no wait of its own.
    ///
    /// # Errors
    ///
    /// The file is damaged, or the disk fails.
    pub fn put_meta(&mut self, name: &str, value: &[u8]) -> Result<()> {
        let mut note = alloy_rlp::encode(name);
        value.encode(&mut note);
        self.journal.note(self.progress, &note).map_err(|error| self.disk_failed(error))?;
        self.write_meta(name, value)
    }

    fn write_meta(&self, name: &str, value: &[u8]) -> Result<()> {
        let mut table = self.open_transaction()?.open_table(META).map_err(|error| self.failed(error))?;
        table.insert(name, value).map_err(|error| self.failed(error))?;
        Ok(())
    }

    fn number(&self, name: &str) -> Result<Option<u64>> {
        let found = self.meta(name)?;
        Ok(found.and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes))
    }

    /// Header of a block, from height 1 on.
    ///
    /// # Errors
    ///
    /// The file is damaged, or the disk fails.
    pub fn header(&self, height: u64) -> Result<Option<Header>> {
        let table = self.open_transaction()?.open_table(HEADERS).map_err(|error| self.failed(error))?;
        let Some(found) = table.get(height).map_err(|error| self.failed(error))? else { return Ok(None) };
        let header = Header::decode(&mut found.value());
        header.map(Some).map_err(|error| self.corrupted(&format!("block {height}, header"), &error))
    }

    /// What a block did to the state.
    ///
    /// # Errors
    ///
    /// The file is damaged, or the disk fails.
    pub fn changes(&self, height: u64) -> Result<Vec<AccountChange>> {
        let table = self.open_transaction()?.open_table(CHANGES).map_err(|error| self.failed(error))?;
        let Some(found) = table.get(height).map_err(|error| self.failed(error))? else { return Ok(Vec::new()) };
        Vec::decode(&mut found.value()).map_err(|error| self.corrupted(&format!("block {height}, changes"), &error))
    }

    /// Height of the block with a hash.
    ///
    /// # Errors
    ///
    /// The file is damaged, or the disk fails.
    pub fn height_of(&self, hash: B256) -> Result<Option<u64>> {
        let table = self.open_transaction()?.open_table(HEIGHTS).map_err(|error| self.failed(error))?;
        Ok(table.get(hash.0).map_err(|error| self.failed(error))?.map(|height| height.value()))
    }

    /// The transactions of a block, in their order.
    ///
    /// # Errors
    ///
    /// The file is damaged, or the disk fails.
    pub fn transactions(&self, height: u64) -> Result<Vec<StoredTransaction>> {
        self.transactions_between((height, 0), (height, u32::MAX), usize::MAX)
    }

    /// A block as it is stored.
    ///
    /// # Errors
    ///
    /// There is none at this height, the file is damaged, or the disk fails.
    pub fn block(&self, height: u64) -> Result<StoredBlock> {
        let header = self.header(height)?.ok_or_else(|| unreadable("height", "the chain has no such block"))?;
        let (transactions, receipts) =
            self.transactions(height)?.into_iter().map(|stored| (stored.raw, stored.receipt)).unzip();
        Ok(StoredBlock { header, transactions, receipts, changes: self.changes(height)? })
    }

    fn transactions_between(&self, first: (u64, u32), last: (u64, u32), most: usize) -> Result<Vec<StoredTransaction>> {
        let table = self.open_transaction()?.open_table(BODIES).map_err(|error| self.failed(error))?;
        let mut found = Vec::new();
        for row in table.range(first..=last).map_err(|error| self.failed(error))?.take(most) {
            let (place, body) = row.map_err(|error| self.failed(error))?;
            found.push(self.stored_transaction(place.value(), body.value())?);
        }
        Ok(found)
    }

    fn stored_transaction(&self, (height, position): (u64, u32), mut body: &[u8]) -> Result<StoredTransaction> {
        let place = format!("block {height}, transaction {position}");
        let parts: Vec<Bytes> = Vec::decode(&mut body).map_err(|error| self.corrupted(&place, &error))?;
        let [raw, receipt] = <[Bytes; 2]>::try_from(parts).map_err(|_| self.corrupted(&place, &"unreadable"))?;
        Ok(StoredTransaction { height, position, raw, receipt })
    }

    /// A transaction by its hash.
    ///
    /// # Errors
    ///
    /// The file is damaged, or the disk fails.
    pub fn transaction(&self, hash: B256) -> Result<Option<StoredTransaction>> {
        let transaction = self.open_transaction()?;
        let places = transaction.open_table(PLACES).map_err(|error| self.failed(error))?;
        let Some(place) = places.get(hash.0).map_err(|error| self.failed(error))?.map(|place| place.value()) else {
            return Ok(None);
        };
        let bodies = transaction.open_table(BODIES).map_err(|error| self.failed(error))?;
        let Some(body) = bodies.get(place).map_err(|error| self.failed(error))? else {
            return Err(self.corrupted(&format!("block {}, transaction {}", place.0, place.1), &"missing"));
        };
        Ok(Some(self.stored_transaction(place, body.value())?))
    }

    /// Next transactions from a place on that may have emitted an event, some at a time.
    ///
    /// # Errors
    ///
    /// The file is damaged, or the disk fails.
    pub fn transactions_with_logs(
        &self,
        emitter: Option<Address>,
        from: (u64, u32),
        last_block: u64,
        most: usize,
    ) -> Result<Vec<StoredTransaction>> {
        let Some(emitter) = emitter else {
            return self.transactions_between(from, (last_block, u32::MAX), most);
        };
        if from.0 > last_block {
            return Ok(Vec::new());
        }
        let transaction = self.open_transaction()?;
        let logs = transaction.open_table(LOGS).map_err(|error| self.failed(error))?;
        let bodies = transaction.open_table(BODIES).map_err(|error| self.failed(error))?;
        let mut found = Vec::new();
        let rows = (emitter.0.0, from.0)..=(emitter.0.0, last_block);
        for row in logs.range(rows).map_err(|error| self.failed(error))? {
            let (key, positions) = row.map_err(|error| self.failed(error))?;
            let height = key.value().1;
            for position in positions.value().as_chunks::<4>().0 {
                let place = (height, u32::from_le_bytes(*position));
                if place < from {
                    continue;
                }
                if found.len() == most {
                    return Ok(found);
                }
                let body = bodies.get(place).map_err(|error| self.failed(error))?;
                let body =
                    body.ok_or_else(|| self.corrupted(&format!("block {height}"), &"a transaction is missing"))?;
                found.push(self.stored_transaction(place, body.value())?);
            }
        }
        Ok(found)
    }

    /// All accounts of the state, by rising address, to `take` one by one with their slots.
    ///
    /// # Errors
    ///
    /// The file is damaged, the disk fails, or what `take` says.
    pub fn walk_state(&self, mut take: impl FnMut(Address, AccountInfo, &[(U256, U256)]) -> Result<()>) -> Result<()> {
        let transaction = self.open_transaction()?;
        let accounts = transaction.open_table(ACCOUNTS).map_err(|error| self.failed(error))?;
        let slots = transaction.open_table(SLOTS).map_err(|error| self.failed(error))?;
        for row in accounts.iter().map_err(|error| self.failed(error))? {
            let (key, account) = row.map_err(|error| self.failed(error))?;
            let (key, mut stored) = (key.value(), Vec::new());
            for row in slots.range((key, [0; 32])..=(key, [0xff; 32])).map_err(|error| self.failed(error))? {
                let (at, value) = row.map_err(|error| self.failed(error))?;
                stored.push((U256::from_be_bytes(at.value().1), U256::from_be_slice(value.value())));
            }
            take(Address::from(key), account_info(&account.value()), &stored)?;
        }
        Ok(())
    }

    /// How many rows the tables of blocks have: headers, hashes, transactions, their hashes, and slots.
    ///
    /// # Errors
    ///
    /// The file is damaged, or the disk fails.
    pub fn counts(&self) -> Result<[u64; 5]> {
        use redb::ReadableTableMetadata;
        let transaction = self.open_transaction()?;
        let failed = |error| self.failed(error);
        Ok([
            transaction.open_table(HEADERS).map_err(|error| self.failed(error))?.len().map_err(failed)?,
            transaction.open_table(HEIGHTS).map_err(|error| self.failed(error))?.len().map_err(failed)?,
            transaction.open_table(BODIES).map_err(|error| self.failed(error))?.len().map_err(failed)?,
            transaction.open_table(PLACES).map_err(|error| self.failed(error))?.len().map_err(failed)?,
            transaction.open_table(SLOTS).map_err(|error| self.failed(error))?.len().map_err(failed)?,
        ])
    }

    fn open_transaction(&self) -> Result<&WriteTransaction> {
        self.transaction.as_ref().ok_or_else(|| self.closed())
    }

    fn closed(&self) -> Error {
        Error::Io(self.path.clone(), io::Error::other("this chain is closed; open it again"))
    }

    fn disk_failed(&self, error: io::Error) -> Error {
        Error::Io(self.path.clone(), error)
    }

    /// Something stored is not what was written.
    pub(crate) fn corrupted(&self, place: &str, finding: &dyn std::fmt::Display) -> Error {
        corrupted(&self.path, place.to_owned(), finding)
    }

    fn failed(&self, error: impl Into<redb::Error>) -> Error {
        database_error(&self.path, error.into())
    }
}

fn corrupted(path: &Path, place: String, finding: &dyn std::fmt::Display) -> Error {
    let finding = format!("{finding}; restore the file from a backup, or fetch the chain again");
    Error::Corrupted { path: path.to_owned(), place, finding }
}

fn database_error(path: &Path, error: redb::Error) -> Error {
    match error {
        redb::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            corrupted(path, error.to_string(), &"not what was written")
        }
        redb::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            corrupted(path, "end of the file".to_owned(), &"pages are missing")
        }
        redb::Error::Io(error) => Error::Io(path.to_owned(), error),
        other => corrupted(path, "database".to_owned(), &other),
    }
}

/// Make sure that files just made keep their names in a crash of the machine.
fn keep_names(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn read_note(mut note: &[u8]) -> alloy_rlp::Result<(String, Bytes)> {
    Ok((String::decode(&mut note)?, Bytes::decode(&mut note)?))
}

/// Say that the file is being made, so that after a crash on the way it is made again.
fn begin_file(main: &dyn Disk, journal: &mut Journal) -> io::Result<()> {
    journal.clear()?;
    journal.append(0, BEING_MADE)?;
    main.set_len(0)?;
    main.sync()
}

fn open_database(path: &Path, pages: &Pages<dyn Disk>) -> Result<Database> {
    let open = || {
        let mut builder = Database::builder();
        builder.set_cache_size(PAGE_CACHE_BYTES).create_with_backend(pages.clone())
    };
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Ok(database)) => Ok(database),
        Ok(Err(redb::DatabaseError::DatabaseAlreadyOpen)) => Err(Error::Locked(path.to_owned())),
        Ok(Err(error)) => Err(database_error(path, error.into())),
        Err(_) => Err(corrupted(path, damage(0), &"the head of the database is not what was written")),
    }
}

fn account_bytes(info: &AccountInfo) -> [u8; 72] {
    let mut bytes = [0; 72];
    bytes[..8].copy_from_slice(&info.nonce.to_be_bytes());
    bytes[8..40].copy_from_slice(&info.balance.to_be_bytes::<32>());
    bytes[40..].copy_from_slice(info.code_hash.as_slice());
    bytes
}

fn account_info(bytes: &[u8; 72]) -> AccountInfo {
    let (nonce, rest) = bytes.split_first_chunk::<8>().expect("72 bytes");
    AccountInfo {
        nonce: u64::from_be_bytes(*nonce),
        balance: U256::from_be_slice(&rest[..32]),
        code_hash: B256::from_slice(&rest[32..]),
        code: None,
        ..AccountInfo::default()
    }
}

fn account_of(
    table: &impl ReadableTable<[u8; 20], [u8; 72]>,
    key: [u8; 20],
) -> std::result::Result<Option<AccountInfo>, redb::StorageError> {
    Ok(table.get(key)?.map(|found| account_info(&found.value())))
}

impl DatabaseRef for &Store {
    type Error = Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>> {
        let mut known = self.known.lock().expect(UNPOISONED);
        let mut found = match known.accounts.get(&address) {
            Some(found) => found,
            None => {
                let table = self.open_transaction()?.open_table(ACCOUNTS).map_err(|error| self.failed(error))?;
                let found = account_of(&table, address.0.0).map_err(|error| self.failed(error))?;
                known.accounts.put(address, found.clone());
                found
            }
        };
        if let Some(info) = &mut found {
            info.code = known.codes.get(&info.code_hash).cloned();
        }
        Ok(found)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode> {
        if hash == NO_CODE {
            return Ok(Bytecode::default());
        }
        let mut known = self.known.lock().expect(UNPOISONED);
        if let Some(code) = known.codes.get(&hash) {
            return Ok(code.clone());
        }
        let table = self.open_transaction()?.open_table(CODES).map_err(|error| self.failed(error))?;
        let found = table.get(hash.0).map_err(|error| self.failed(error))?;
        let found = found.ok_or_else(|| self.corrupted(&format!("code {hash:#x}"), &"missing"))?;
        let code = Bytecode::new_raw_checked(Bytes::copy_from_slice(found.value()))
            .map_err(|error| self.corrupted(&format!("code {hash:#x}"), &error))?;
        if known.codes.len() >= MAX_CODES {
            known.codes.clear();
        }
        known.codes.insert(hash, code.clone());
        Ok(code)
    }

    fn storage_ref(&self, address: Address, key: U256) -> Result<U256> {
        let mut known = self.known.lock().expect(UNPOISONED);
        if let Some(value) = known.slots.get(&(address, key)) {
            return Ok(value);
        }
        let table = self.open_transaction()?.open_table(SLOTS).map_err(|error| self.failed(error))?;
        let found = table.get((address.0.0, key.to_be_bytes::<32>())).map_err(|error| self.failed(error))?;
        let value = found.map_or(U256::ZERO, |found| U256::from_be_slice(found.value()));
        known.slots.put((address, key), value);
        Ok(value)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256> {
        if number == self.head.height {
            return Ok(self.head_hash);
        }
        if number == 0 {
            let stored = self.meta("genesis")?.unwrap_or_default();
            return Ok(B256::try_from(&stored[..]).unwrap_or_default());
        }
        Ok(self.header(number)?.map_or(B256::ZERO, |header| header.hash()))
    }
}
