//! The state root behind each block, computed on a thread of its own while the next block runs.
//!
//! A header carries the root of the state its transactions found, that behind the block before. So nobody waits for a root but
//! who seals the next block, and by then it is there.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        mpsc::{Sender, channel},
    },
    thread::{JoinHandle, spawn},
};

use alloy_primitives::{Address, B256, U256};
use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};

use crate::{
    block::AccountChange,
    trie::{
        part::{TRIE, TrieError},
        state::{AccountProof, Changes, Head, StateTrie},
    },
};

/// More changed leaves than this are not kept in memory from one writing to the next.
const MOST_HELD: usize = 100_000;

const UNPOISONED: &str = "nothing panics while it holds this lock";

/// Where the trie is: what changed since the file was written in memory, the rest in the file as it was written.
struct Shared {
    trie: StateTrie,
    stored: ReadTransaction,
    failure: Option<TrieError>,
}

type Work = (u64, Vec<AccountChange>);

/// The state trie of an open chain.
pub struct Roots {
    shared: Arc<(Mutex<Shared>, Condvar)>,
    work: Option<Sender<Work>>,
    worker: Option<JoinHandle<()>>,
    /// The newest block whose changes were handed in.
    newest: u64,
}

impl Shared {
    fn take_in(&mut self, height: u64, changes: &[AccountChange]) -> Result<(), TrieError> {
        let mut all = Changes::default();
        changes.iter().for_each(|change| all.add(change));
        let stored = self.stored.open_table(TRIE).map_err(other)?;
        self.trie.update(&stored, &all, height).map(|_| ())
    }
}

/// The table exists since the genesis, so not finding it is damage like any other.
fn other(error: redb::TableError) -> TrieError {
    match error {
        redb::TableError::Storage(error) => TrieError::Storage(error),
        _ => TrieError::Damaged(Vec::new()),
    }
}

impl Roots {
    /// Lay down the trie of a new chain's state.
    ///
    /// # Errors
    ///
    /// The disk fails.
    pub fn create(transaction: &WriteTransaction, changes: &[AccountChange]) -> Result<(), redb::Error> {
        let mut table = transaction.open_table(TRIE)?;
        let mut all = Changes::default();
        changes.iter().for_each(|change| all.add(change));
        let mut trie = StateTrie::open(&table).map_err(store_error)?;
        trie.update(&table, &all, 0).map_err(store_error)?;
        trie.write(&mut table, 0)?;
        Ok(())
    }

    /// Open the trie as it was written last.
    ///
    /// # Errors
    ///
    /// The file is damaged, or the disk fails.
    pub fn open(database: &Database) -> Result<Self, redb::Error> {
        let stored = database.begin_read()?;
        let trie = StateTrie::open(&stored.open_table(TRIE)?).map_err(store_error)?;
        let newest = trie.head().height;
        let shared = Arc::new((Mutex::new(Shared { trie, stored, failure: None }), Condvar::new()));
        let (work, waiting) = channel::<Work>();
        let theirs = shared.clone();
        let worker = spawn(move || {
            for (height, changes) in waiting {
                let (shared, is_done) = &*theirs;
                let mut shared = shared.lock().expect(UNPOISONED);
                if shared.failure.is_none() {
                    shared.failure = shared.take_in(height, &changes).err();
                }
                is_done.notify_all();
            }
        });
        Ok(Self { shared, work: Some(work), worker: Some(worker), newest })
    }

    /// Hand in what the next block changed.
    pub fn add(&mut self, height: u64, changes: Vec<AccountChange>) {
        if let Some(work) = &self.work {
            // The worker lives as long as this end of the channel.
            let _ = work.send((height, changes));
            self.newest = height;
        }
    }

    /// Wait until all that was handed in is in the trie.
    fn done(&self) -> Result<MutexGuard<'_, Shared>, redb::Error> {
        let (shared, is_done) = &*self.shared;
        let shared = shared.lock().expect(UNPOISONED);
        let mut shared = is_done
            .wait_while(shared, |shared| shared.failure.is_none() && shared.trie.head().height < self.newest)
            .expect(UNPOISONED);
        match shared.failure.take() {
            None => Ok(shared),
            Some(failure) => {
                // What is in memory is of no use any more; every later question fails too.
                shared.failure = Some(TrieError::Damaged(Vec::new()));
                Err(store_error(failure))
            }
        }
    }

    /// The block whose changes are all in the trie, and the root behind it.
    ///
    /// # Errors
    ///
    /// The file is damaged, or the disk fails.
    pub fn head(&self) -> Result<Head, redb::Error> {
        Ok(self.done()?.trie.head())
    }

    /// What an account and its slots hold behind the newest block, proven.
    ///
    /// # Errors
    ///
    /// The file is damaged, or the disk fails.
    pub fn prove(&self, address: &Address, slots: &[U256]) -> Result<(B256, AccountProof), redb::Error> {
        let shared = &mut *self.done()?;
        let stored = shared.stored.open_table(TRIE)?;
        let proof = shared.trie.prove(&stored, address, slots).map_err(store_error)?;
        Ok((shared.trie.head().root, proof))
    }

    /// Write the trie and make all that the transaction holds durable.
    ///
    /// # Errors
    ///
    /// The file is damaged, or the disk fails.
    pub fn write(&self, database: &Database, transaction: WriteTransaction) -> Result<(), redb::Error> {
        let mut shared = self.done()?;
        shared.trie.write(&mut transaction.open_table(TRIE)?, MOST_HELD)?;
        transaction.commit()?;
        shared.stored = database.begin_read()?;
        Ok(())
    }
}

impl Drop for Roots {
    fn drop(&mut self) {
        self.work = None;
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

/// What the store makes of an error of the trie.
pub fn store_error(error: TrieError) -> redb::Error {
    match error {
        TrieError::Storage(error) => error.into(),
        damaged => redb::Error::Corrupted(damaged.to_string()),
    }
}
