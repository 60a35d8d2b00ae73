//! The state transition: revm under a named fork, one journal per transaction.

use alloy_primitives::{Address, B256, Bytes, U256, map::HashMap};
use revm::{
    Context, Database, DatabaseRef, ExecuteEvm, MainBuilder, MainContext, MainnetEvm, SystemCallEvm,
    bytecode::Bytecode,
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::{
        cfg::gas::calculate_initial_tx_gas,
        either::Either,
        result::{EVMError, ExecutionResult, InvalidTransaction, Output},
    },
    handler::MainnetContext,
    primitives::hardfork::SpecId,
    state::{AccountInfo, EvmState},
};

use crate::{
    block::{AccountChange, Genesis, HISTORY, NO_CODE, Receipt},
    error::{Error, Rejection, Result},
    transaction::{SignedTransaction, Transaction},
};

/// Where a block stands and by which rules it runs.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The chain and the fork.
    pub rules: CfgEnv,
    /// What contracts can see of the block.
    pub block: BlockEnv,
    /// Whether gas costs nothing: whatever a sender bids, the price is zero. Otherwise fees are Ethereum's.
    pub gas_is_free: bool,
    /// Hash of the block before, which Prague writes into the state (EIP-2935).
    pub parent_hash: B256,
}

impl Environment {
    /// Where a block of a chain stands, whose gas is free.
    #[must_use]
    pub fn of(genesis: &Genesis, height: u64, timestamp: u64, parent_hash: B256) -> Self {
        let rules = CfgEnv::new_with_spec(genesis.fork).with_chain_id(genesis.chain_id);
        let block = BlockEnv {
            number: U256::from(height),
            timestamp: U256::from(timestamp),
            gas_limit: genesis.gas_limit,
            prevrandao: Some(B256::ZERO),
            ..BlockEnv::default()
        };
        Self { rules, block, gas_is_free: true, parent_hash }
    }
}

/// What a block does.
#[derive(Clone, Debug, Default)]
pub struct Execution {
    /// One per transaction.
    pub receipts: Vec<Receipt>,
    /// What it does to the state, by rising address.
    pub changes: Vec<AccountChange>,
    /// Gas of all transactions.
    pub gas_used: u64,
}

/// How a message ended.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Whether its effects hold.
    pub succeeded: bool,
    /// Gas after refunds.
    pub gas_used: u64,
    /// What it returned, or what the contract said on reverting.
    pub output: Bytes,
    /// Why the EVM stopped it, if it did.
    pub halt: String,
    /// The contract it created.
    pub contract: Option<Address>,
    /// The events.
    pub logs: Vec<alloy_primitives::Log>,
}

impl Outcome {
    /// What revm says, in our words.
    #[must_use]
    pub fn of(result: ExecutionResult) -> Self {
        let gas_used = result.tx_gas_used();
        match result {
            ExecutionResult::Success { logs, output, .. } => {
                let contract = if let Output::Create(_, contract) = &output { *contract } else { None };
                Self { succeeded: true, gas_used, output: output.into_data(), contract, logs, ..Self::default() }
            }
            ExecutionResult::Revert { output, .. } => Self { gas_used, output, ..Self::default() },
            ExecutionResult::Halt { reason, .. } => {
                let halt = format!("{reason:?}");
                let name = halt.split('(').next().unwrap_or_default().to_owned();
                Self { gas_used, halt: name, ..Self::default() }
            }
        }
    }
}

/// Other values than the state's, for one call (as `eth_call` of geth takes them).
#[derive(Clone, Debug, Default)]
pub struct AccountOverride {
    /// Another balance.
    pub balance: Option<U256>,
    /// Another nonce.
    pub nonce: Option<u64>,
    /// Another code.
    pub code: Option<Bytes>,
    /// Whether all slots but the given ones are empty.
    pub emptied: bool,
    /// Other values of slots.
    pub slots: Vec<(U256, U256)>,
}

#[derive(Debug)]
struct OverlaidAccount {
    before: Option<AccountInfo>,
    now: Option<AccountInfo>,
    emptied: bool,
    slots: HashMap<U256, (U256, U256)>,
}

/// A state, and above it what a block has changed so far.
#[derive(Debug)]
pub struct Overlay<B> {
    base: B,
    accounts: HashMap<Address, OverlaidAccount>,
    codes: HashMap<B256, Bytecode>,
    hashes: HashMap<u64, B256>,
}

impl<B: DatabaseRef<Error = Error>> Overlay<B> {
    /// Nothing is changed yet.
    pub fn new(base: B) -> Self {
        Self { base, accounts: HashMap::default(), codes: HashMap::default(), hashes: HashMap::default() }
    }

    /// Say which hash a block has that only supposedly is there.
    pub fn know_hash(&mut self, number: u64, hash: B256) {
        self.hashes.insert(number, hash);
    }

    fn overlaid(&mut self, address: Address) -> Result<&mut OverlaidAccount> {
        if !self.accounts.contains_key(&address) {
            let before = self.base.basic_ref(address)?;
            let loaded = OverlaidAccount { now: before.clone(), before, emptied: false, slots: HashMap::default() };
            self.accounts.insert(address, loaded);
        }
        Ok(self.accounts.get_mut(&address).expect("it was put there"))
    }

    /// Take over what a transaction did.
    ///
    /// # Errors
    ///
    /// The base cannot be read.
    pub fn commit(&mut self, state: EvmState, fork: SpecId) -> Result<()> {
        for (address, account) in state {
            if !account.is_touched() {
                continue;
            }
            let gone =
                account.is_selfdestructed() || (account.is_empty() && fork.is_enabled_in(SpecId::SPURIOUS_DRAGON));
            let is_new = account.is_created();
            let mut info = account.info;
            if let Some(code) = info.code.take()
                && info.code_hash != NO_CODE
            {
                self.codes.entry(info.code_hash).or_insert(code);
            }
            let known = self.overlaid(address)?;
            known.now = if gone { None } else { Some(info) };
            if gone || is_new {
                known.emptied |= known.before.is_some();
                known.slots.values_mut().for_each(|(_, now)| *now = U256::ZERO);
            }
            if gone {
                continue;
            }
            let changed: Vec<_> = account.storage.into_iter().filter(|(_, slot)| slot.is_changed()).collect();
            for (key, slot) in changed {
                let known = self.overlaid(address)?;
                if let Some((_, now)) = known.slots.get_mut(&key) {
                    *now = slot.present_value;
                } else {
                    // Not overlaid until now, so what the transaction found is what the base holds.
                    let before = if known.emptied { self.base.storage_ref(address, key)? } else { slot.original_value };
                    self.overlaid(address)?.slots.insert(key, (before, slot.present_value));
                }
            }
        }
        Ok(())
    }

    /// Put other values into the state.
    ///
    /// # Errors
    ///
    /// The base cannot be read.
    pub fn override_with(&mut self, address: Address, other: AccountOverride) -> Result<()> {
        let code = other.code.map(Bytecode::new_raw);
        let known = self.overlaid(address)?;
        let info = known.now.get_or_insert_default();
        info.balance = other.balance.unwrap_or(info.balance);
        info.nonce = other.nonce.unwrap_or(info.nonce);
        if let Some(code) = &code {
            info.code_hash = code.hash_slow();
            info.code = None;
        }
        let hash = info.code_hash;
        known.emptied |= other.emptied;
        known.slots.extend(other.slots.into_iter().map(|(key, value)| (key, (U256::ZERO, value))));
        self.codes.extend(code.map(|code| (hash, code)));
        Ok(())
    }

    /// What is changed, by rising address; what has the value it had before is not.
    #[must_use]
    pub fn changes(&self) -> Vec<AccountChange> {
        let mut changes: Vec<_> = self.accounts.iter().filter_map(|(at, account)| self.change(*at, account)).collect();
        changes.sort_unstable_by_key(|change| change.address);
        changes
    }

    fn change(&self, address: Address, account: &OverlaidAccount) -> Option<AccountChange> {
        let changed = account.slots.iter().filter(|(_, (before, now))| before != now);
        let mut slots: Vec<_> = changed.map(|(key, (_, now))| (*key, *now)).collect();
        slots.sort_unstable();
        let hash_of = |info: &Option<AccountInfo>| info.as_ref().map_or(NO_CODE, |info| info.code_hash);
        let hash = hash_of(&account.now);
        let code = (hash != hash_of(&account.before))
            .then(|| self.codes.get(&hash).map_or_else(Bytes::new, Bytecode::original_bytes));
        let plain = |info: &Option<AccountInfo>| info.as_ref().map(|info| (info.nonce, info.balance));
        if slots.is_empty() && code.is_none() && !account.emptied && plain(&account.now) == plain(&account.before) {
            return None;
        }
        let (nonce, balance) = plain(&account.now).unwrap_or_default();
        let exists = account.now.is_some();
        Some(AccountChange { address, exists, emptied: account.emptied, nonce, balance, code, slots })
    }
}

impl<B: DatabaseRef<Error = Error>> Database for Overlay<B> {
    type Error = Error;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>> {
        let Some(known) = self.accounts.get(&address) else {
            return self.base.basic_ref(address);
        };
        let mut info = known.now.clone();
        if let Some(info) = &mut info
            && info.code.is_none()
        {
            info.code = self.codes.get(&info.code_hash).cloned();
        }
        Ok(info)
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode> {
        match self.codes.get(&hash) {
            Some(code) => Ok(code.clone()),
            None => self.base.code_by_hash_ref(hash),
        }
    }

    fn storage(&mut self, address: Address, key: U256) -> Result<U256> {
        let known = self.accounts.get(&address);
        match known.and_then(|account| account.slots.get(&key)) {
            Some((_, now)) => Ok(*now),
            None if known.is_some_and(|account| account.emptied) => Ok(U256::ZERO),
            None => self.base.storage_ref(address, key),
        }
    }

    fn block_hash(&mut self, number: u64) -> Result<B256> {
        self.hashes.get(&number).map_or_else(|| self.base.block_hash_ref(number), |hash| Ok(*hash))
    }
}

/// A block while transactions are put into it.
pub struct OpenBlock<B: DatabaseRef<Error = Error>> {
    evm: MainnetEvm<MainnetContext<Overlay<B>>>,
    fork: SpecId,
    chain_id: u64,
    gas_is_free: bool,
    gas_limit: u64,
    done: Execution,
}

impl<B: DatabaseRef<Error = Error>> OpenBlock<B> {
    /// Begin a block: what the fork does before the first transaction is done.
    ///
    /// # Errors
    ///
    /// The base cannot be read.
    pub fn new(environment: &Environment, base: B) -> Result<Self> {
        let (fork, gas_limit) = (environment.rules.spec, environment.block.gas_limit);
        let mut overlay = Overlay::new(base);
        begin(environment, &mut overlay)?;
        let evm = evm(environment, overlay);
        let (chain_id, gas_is_free) = (environment.rules.chain_id, environment.gas_is_free);
        Ok(Self { evm, fork, chain_id, gas_is_free, gas_limit, done: Execution::default() })
    }

    /// Run a transaction behind those that are in the block; one that is rejected leaves no trace.
    ///
    /// # Errors
    ///
    /// It may not stand here, or the base cannot be read.
    pub fn add(&mut self, signed: &SignedTransaction) -> Result<()> {
        let sender = self.overlay().basic(signed.sender)?.unwrap_or_default();
        let gas_left = self.gas_limit - self.done.gas_used;
        check(signed, self.chain_id, self.fork, (sender.nonce, sender.balance), gas_left)?;
        let environment = transaction_environment(&signed.transaction, signed.sender, self.gas_is_free);
        let done = self.evm.transact(environment).map_err(|error| about(signed, refusal(error)))?;
        let fork = self.fork;
        self.overlay().commit(done.state, fork)?;
        let outcome = Outcome::of(done.result);
        self.done.gas_used += outcome.gas_used;
        self.done.receipts.push(Receipt {
            kind: signed.transaction.kind,
            succeeded: outcome.succeeded,
            gas_used: outcome.gas_used,
            cumulative_gas_used: self.done.gas_used,
            contract: outcome.contract,
            revert_data: if outcome.succeeded { Bytes::new() } else { outcome.output },
            halt: outcome.halt,
            logs: outcome.logs,
        });
        Ok(())
    }

    /// Close the block.
    #[must_use]
    pub fn finish(mut self) -> Execution {
        let mut done = std::mem::take(&mut self.done);
        done.changes = self.overlay().changes();
        done
    }

    fn overlay(&mut self) -> &mut Overlay<B> {
        &mut self.evm.ctx.journaled_state.database
    }
}

fn evm<DB: Database<Error = Error>>(environment: &Environment, database: DB) -> MainnetEvm<MainnetContext<DB>> {
    context(environment, database).build_mainnet()
}

/// Do what the fork does before a block's first transaction: it writes the parent's hash into the state (EIP-2935).
pub(crate) fn begin<B: DatabaseRef<Error = Error>>(environment: &Environment, overlay: &mut Overlay<B>) -> Result<()> {
    let fork = environment.rules.spec;
    if fork.is_enabled_in(SpecId::PRAGUE) && !environment.block.number.is_zero() {
        let data = Bytes::copy_from_slice(environment.parent_hash.as_slice());
        let done = evm(environment, &mut *overlay).system_call(HISTORY, data).map_err(refusal)?;
        overlay.commit(done.state, fork)?;
    }
    Ok(())
}

/// What revm is told of the block, and the state it runs on.
pub(crate) fn context<DB: Database<Error = Error>>(environment: &Environment, database: DB) -> MainnetContext<DB> {
    let context = Context::mainnet().with_db(database);
    context.with_cfg(environment.rules.clone()).with_block(environment.block.clone())
}

/// Check a transaction against the rules and what its sender has sent before.
///
/// # Errors
///
/// It may not enter a block; the message names field and remedy.
pub fn check(
    signed: &SignedTransaction,
    chain_id: u64,
    fork: SpecId,
    (expected_nonce, balance): (u64, U256),
    gas_left: u64,
) -> Result<()> {
    let transaction = &signed.transaction;
    let refuse = |reason, field: &str, value: &dyn std::fmt::Display, remedy: String| {
        Err(Error::Rejected(reason, format!("transaction {:#x}: {field} {value}: {remedy}", signed.hash)))
    };
    if transaction.chain_id != Some(chain_id) {
        let named = transaction.chain_id.map_or_else(|| "missing (EIP-155)".to_owned(), |id| id.to_string());
        return refuse(Rejection::NotTakenHere, "chain_id", &named, format!("sign for chain {chain_id}"));
    }
    if transaction.nonce != expected_nonce {
        let is_low = transaction.nonce < expected_nonce;
        let reason = if is_low { Rejection::NonceTooLow } else { Rejection::NonceTooHigh };
        return refuse(reason, "nonce", &transaction.nonce, format!("the sender's next is {expected_nonce}"));
    }
    let (tip, most) = (transaction.max_priority_fee_per_gas, transaction.max_fee_per_gas);
    if tip > most {
        let remedy = format!("give at most max_fee_per_gas, {most}");
        return refuse(Rejection::NotTakenHere, "max_priority_fee_per_gas", &tip, remedy);
    }
    if most.checked_mul(U256::from(transaction.gas_limit)).is_none() {
        let remedy = "with the gas limit it makes more than 256 bits; give less".to_owned();
        return refuse(Rejection::NotTakenHere, "max_fee_per_gas", &most, remedy);
    }
    if transaction.value > balance {
        return refuse(
            Rejection::Funds,
            "value",
            &transaction.value,
            format!("the sender has {balance}; give at most that"),
        );
    }
    if transaction.gas_limit > gas_left {
        return refuse(Rejection::BlockGas, "gas_limit", &transaction.gas_limit, format!("give at most {gas_left}"));
    }
    let needed = intrinsic_gas(transaction, fork);
    if transaction.gas_limit < needed {
        let remedy = format!("give at least {needed}");
        return refuse(Rejection::IntrinsicGas, "gas_limit", &transaction.gas_limit, remedy);
    }
    let most = revm::primitives::eip3860::MAX_INITCODE_SIZE;
    if transaction.to.is_create() && transaction.data.len() > most {
        let found = format!("of {} bytes", transaction.data.len());
        return refuse(Rejection::InitCode, "data", &found, format!("give init code of at most {most} bytes"));
    }
    Ok(())
}

/// Least gas limit of a transaction: what it takes before it runs (EIP-2, 2028, 2930, 3860, 7702), and the floor of
/// its call data (EIP-7623).
#[must_use]
pub fn intrinsic_gas(transaction: &Transaction, fork: SpecId) -> u64 {
    let slots: usize = transaction.access_list.iter().map(|item| item.storage_keys.len()).sum();
    let gas = calculate_initial_tx_gas(
        fork,
        &transaction.data,
        transaction.to.is_create(),
        transaction.access_list.len() as u64,
        slots as u64,
        transaction.authorizations.len() as u64,
        None,
    );
    gas.initial_regular_gas.max(gas.floor_gas)
}

/// What revm is told of a transaction.
#[must_use]
pub fn transaction_environment(transaction: &Transaction, sender: Address, gas_is_free: bool) -> TxEnv {
    let price = |bid: U256| if gas_is_free { 0 } else { bid.saturating_to::<u128>() };
    TxEnv {
        tx_type: transaction.kind,
        caller: sender,
        gas_limit: transaction.gas_limit,
        gas_price: price(transaction.max_fee_per_gas),
        gas_priority_fee: (transaction.kind > 1).then(|| price(transaction.max_priority_fee_per_gas)),
        kind: transaction.to,
        value: transaction.value,
        data: transaction.data.clone(),
        nonce: transaction.nonce,
        chain_id: transaction.chain_id,
        access_list: transaction.access_list.clone(),
        authorization_list: transaction.recovered_authorizations().map(Either::Right).collect(),
        ..TxEnv::default()
    }
}

fn about(signed: &SignedTransaction, error: Error) -> Error {
    match error {
        Error::Rejected(reason, message) => {
            Error::Rejected(reason, format!("transaction {:#x}: {message}", signed.hash))
        }
        other => other,
    }
}

/// Why revm does not start.
pub(crate) fn refusal(error: EVMError<Error>) -> Error {
    let refused = match error {
        EVMError::Database(error) => return error,
        EVMError::Transaction(refused) => refused,
        other => return Error::Rejected(Rejection::NotTakenHere, format!("the EVM refuses to start it: {other}")),
    };
    match &refused {
        InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
            let message = format!("value and fees {fee}: the sender has {balance}; give at most that");
            Error::Rejected(Rejection::Funds, message)
        }
        InvalidTransaction::RejectCallerWithCode => {
            let message = "sender is a contract (EIP-3607): send from an account without code";
            Error::Rejected(Rejection::SenderIsContract, message.to_owned())
        }
        InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas: needed, gas_limit }
        | InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor: needed, gas_limit } => {
            let message = format!("gas_limit {gas_limit}: give at least {needed}");
            Error::Rejected(Rejection::IntrinsicGas, message)
        }
        InvalidTransaction::CreateInitCodeSizeLimit => {
            Error::Rejected(Rejection::InitCode, "data: the init code is too large; give less".to_owned())
        }
        other => Error::Rejected(Rejection::NotTakenHere, format!("the EVM refuses to start it: {other}")),
    }
}
