//! One transaction on a state that is given whole, with Ethereum's prices: what Ethereum's own state tests ask.

use std::collections::HashMap;

use alloy_primitives::{Address, B256, Bytes, Log, U256, keccak256};
use redb::{Database, backends::InMemoryBackend};
use revm::{DatabaseRef, bytecode::Bytecode, state::AccountInfo};

use crate::{
    block::{AccountChange, NO_CODE},
    error::{Error, Result},
    execute::{Environment, Execution, OpenBlock},
    transaction::SignedTransaction,
    trie::{
        part::TRIE,
        state::{Changes, StateTrie},
    },
};

/// What revm is told of the code of an account that has storage and nothing else, so that no contract is created there (EIP-7610).
/// Since EIP-161 no such account comes into being: none is on a chain of ours, but Ethereum's tests begin with some.
const OCCUPIED: B256 = B256::repeat_byte(0x76);

/// A state in memory.
#[derive(Debug, Default)]
pub struct State {
    accounts: HashMap<Address, (AccountInfo, HashMap<U256, U256>)>,
    codes: HashMap<B256, Bytecode>,
    block_hashes: HashMap<u64, B256>,
}

/// What a transaction led to.
#[derive(Debug)]
pub struct Transition {
    /// Root of the state trie behind it.
    pub state_root: B256,
    /// Hash of the RLP of its logs.
    pub logs_hash: B256,
    /// Gas it used; 0 if it was rejected.
    pub gas_used: u64,
    /// Why it may not enter a block; none if it may.
    pub rejection: Option<String>,
}

impl State {
    fn of(accounts: &[AccountChange], block_hashes: HashMap<u64, B256>) -> Self {
        let mut state = Self { block_hashes, ..Self::default() };
        for account in accounts {
            let code = Bytecode::new_raw(account.code.clone().unwrap_or_default());
            let mut code_hash = code.hash_slow();
            if code_hash == NO_CODE && account.nonce == 0 && !account.slots.is_empty() {
                code_hash = OCCUPIED;
            }
            state.codes.insert(code_hash, code);
            let (balance, nonce) = (account.balance, account.nonce);
            let info = AccountInfo { balance, nonce, code_hash, code: None, ..AccountInfo::default() };
            state.accounts.insert(account.address, (info, account.slots.iter().copied().collect()));
        }
        state
    }
}

impl DatabaseRef for State {
    type Error = Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>> {
        Ok(self.accounts.get(&address).map(|(info, _)| info.clone()))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode> {
        Ok(self.codes.get(&hash).cloned().unwrap_or_default())
    }

    fn storage_ref(&self, address: Address, key: U256) -> Result<U256> {
        Ok(self.accounts.get(&address).and_then(|(_, slots)| slots.get(&key)).copied().unwrap_or_default())
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256> {
        Ok(self.block_hashes.get(&number).copied().unwrap_or_default())
    }
}

/// Runs a signed transaction as the only one of a block.
///
/// # Errors
///
/// Something other than a rule keeps it from running.
pub fn transition(
    environment: &Environment,
    accounts: &[AccountChange],
    block_hashes: HashMap<u64, B256>,
    raw: Bytes,
) -> Result<Transition> {
    let (done, rejection) = match run(environment, State::of(accounts, block_hashes), raw) {
        Ok(done) => (done, None),
        Err(Error::Rejected(_, message)) => (Execution::default(), Some(message)),
        Err(error) => return Err(error),
    };
    let logs: Vec<Log> = done.receipts.into_iter().flat_map(|receipt| receipt.logs).collect();
    let mut changes = Changes::default();
    accounts.iter().chain(&done.changes).for_each(|change| changes.add(change));
    Ok(Transition {
        state_root: root(&changes)?,
        logs_hash: keccak256(alloy_rlp::encode(&logs)),
        gas_used: done.gas_used,
        rejection,
    })
}

fn run(environment: &Environment, state: State, raw: Bytes) -> Result<Execution> {
    let mut signed = SignedTransaction::decode(raw)?;
    // Ethereum takes transactions that name no chain, our chains do not.
    signed.transaction.chain_id.get_or_insert(environment.rules.chain_id);
    let mut block = OpenBlock::new(environment, state)?;
    block.add(&signed)?;
    Ok(block.finish())
}

fn root(changes: &Changes) -> Result<B256> {
    let unreadable = |error: &dyn std::fmt::Display| Error::Invalid("accounts", error.to_string());
    let database =
        Database::builder().create_with_backend(InMemoryBackend::new()).map_err(|error| unreadable(&error))?;
    let write = database.begin_write().map_err(|error| unreadable(&error))?;
    let table = write.open_table(TRIE).map_err(|error| unreadable(&error))?;
    StateTrie::open(&table).and_then(|mut trie| trie.update(&table, changes, 1)).map_err(|error| unreadable(&error))
}
