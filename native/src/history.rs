//! The states of the last blocks: what each block overwrote is remembered for a while, so that a call or a trace may
//! stand where the chain has moved on from.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy_primitives::{Address, B256, U256, map::HashMap};
use revm::{DatabaseRef, bytecode::Bytecode, state::AccountInfo};

use crate::{
    error::{Error, Result},
    store::Store,
};

/// Of so many blocks the state before them is remembered, since the chain was opened; as many as geth keeps.
pub const KEPT_BLOCKS: usize = 128;

/// What a block overwrote.
#[derive(Debug, Default)]
pub struct Undo {
    /// Accounts as they were before.
    pub accounts: HashMap<Address, Option<AccountInfo>>,
    /// Words as they were before.
    pub slots: HashMap<(Address, U256), U256>,
}

/// What the last blocks overwrote, the newest one last.
#[derive(Debug, Default)]
pub struct History {
    blocks: VecDeque<Undo>,
}

impl History {
    /// Remember what the next block overwrote.
    pub fn push(&mut self, undo: Undo) {
        if self.blocks.len() == KEPT_BLOCKS {
            self.blocks.pop_front();
        }
        self.blocks.push_back(undo);
    }

    /// Whether the state so many blocks ago is known.
    #[must_use]
    pub fn reaches(&self, blocks_ago: u64) -> bool {
        blocks_ago <= self.blocks.len() as u64
    }

    /// An account so many blocks ago, if a block has overwritten it since.
    #[must_use]
    pub fn account(&self, address: Address, blocks_ago: u64) -> Option<Option<AccountInfo>> {
        self.since(blocks_ago).find_map(|undo| undo.accounts.get(&address).cloned())
    }

    /// A word so many blocks ago, if a block has overwritten it since.
    #[must_use]
    pub fn slot(&self, address: Address, key: U256, blocks_ago: u64) -> Option<U256> {
        self.since(blocks_ago).find_map(|undo| undo.slots.get(&(address, key)).copied())
    }

    fn since(&self, blocks_ago: u64) -> impl Iterator<Item = &Undo> {
        let known = self.blocks.len();
        let first = known.saturating_sub(usize::try_from(blocks_ago).unwrap_or(known));
        self.blocks.range(first..)
    }
}

/// The state behind a block, which stays what it is while the chain moves on.
#[derive(Clone)]
pub struct StateAt {
    store: Arc<Mutex<Store>>,
    height: u64,
}

impl StateAt {
    /// The state behind the block of a height.
    ///
    /// # Errors
    ///
    /// There is no such block yet, or its state is not kept.
    pub fn new(store: Arc<Mutex<Store>>, height: u64) -> Result<Self> {
        let state = Self { store, height };
        state.look(|_, _| Ok(()))?;
        Ok(state)
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look<T>(&self, read: impl FnOnce(&Store, u64) -> Result<T>) -> Result<T> {
        let store = self.lock();
        let (height, head) = (self.height, store.head().height);
        match head.checked_sub(height) {
            Some(blocks_ago) if store.history().reaches(blocks_ago) => read(&store, blocks_ago),
            Some(_) => Err(Error::StateGone { height, head }),
            None => Err(Error::Invalid("height", format!("a block from 0 to {head}"))),
        }
    }
}

impl DatabaseRef for StateAt {
    type Error = Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>> {
        self.look(|store, blocks_ago| match store.history().account(address, blocks_ago) {
            Some(before) => Ok(before),
            None => store.basic_ref(address),
        })
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode> {
        (&*self.lock()).code_by_hash_ref(hash)
    }

    fn storage_ref(&self, address: Address, key: U256) -> Result<U256> {
        self.look(|store, blocks_ago| match store.history().slot(address, key, blocks_ago) {
            Some(before) => Ok(before),
            None => store.storage_ref(address, key),
        })
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256> {
        (&*self.lock()).block_hash_ref(number)
    }
}
