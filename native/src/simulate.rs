//! A state that somebody supposes: other accounts, another block, calls that build on each other. Nothing of it lasts.

use alloy_primitives::{Address, Log, LogData, U256, b256, map::AddressMap};
use revm::{
    Database, DatabaseRef, InspectEvm, Inspector, MainBuilder,
    context::{ContextTr, TxEnv, result::ExecutionResult},
    context_interface::result::HaltReason,
    handler::{EthPrecompiles, MainnetContext, PrecompileProvider},
    inspector::NoOpInspector,
    interpreter::{CallInputs, CallOutcome, CallScheme, CreateInputs, CreateOutcome, InterpreterResult},
    primitives::{AddressSet, hardfork::SpecId},
    state::{AccountInfo, EvmState},
};

use crate::{
    error::{Error, Rejection, Result},
    execute::{AccountOverride, Environment, Outcome, Overlay, begin, context, refusal},
};

/// What revm says of a message.
pub type Done = ExecutionResult<HaltReason>;

/// A block that is supposed on top of a state.
pub struct Simulation<B> {
    /// Where the block stands.
    pub environment: Environment,
    overlay: Option<Overlay<B>>,
    precompiles: MovedPrecompiles,
}

impl<B: DatabaseRef<Error = Error>> Simulation<B> {
    /// Suppose a block on a state. Who calls need not be able to sign, or to pay for gas.
    pub fn new(mut environment: Environment, overlay: Overlay<B>) -> Self {
        let rules = &mut environment.rules;
        rules.disable_nonce_check = true;
        rules.disable_eip3607 = true;
        rules.disable_block_gas_limit = true;
        rules.disable_base_fee = true;
        rules.tx_gas_limit_cap = Some(u64::MAX);
        let precompiles = MovedPrecompiles::new(rules.spec);
        Self { environment, overlay: Some(overlay), precompiles }
    }

    /// The state as it is by now.
    pub fn overlay(&mut self) -> &mut Overlay<B> {
        self.overlay.as_mut().expect("only `run` takes it, and puts it back")
    }

    /// Do what the fork does before a block's first transaction.
    ///
    /// # Errors
    ///
    /// The state cannot be read.
    pub fn begin(&mut self) -> Result<()> {
        let environment = self.environment.clone();
        begin(&environment, self.overlay())
    }

    /// An account as it is by now.
    ///
    /// # Errors
    ///
    /// The state cannot be read.
    pub fn account(&mut self, address: Address) -> Result<AccountInfo> {
        Ok(self.overlay().basic(address)?.unwrap_or_default())
    }

    /// Suppose another account; what its address did as a precompiled contract another address may do.
    ///
    /// # Errors
    ///
    /// The state cannot be read, or there is no precompiled contract to move.
    pub fn suppose(&mut self, address: Address, other: AccountOverride, moved_to: Option<Address>) -> Result<()> {
        if let Some(target) = moved_to {
            self.precompiles.move_to(address, target)?;
        } else if other.code.is_some() {
            self.precompiles.remove(address);
        }
        self.overlay().override_with(address, other)
    }

    /// Run a message, and take over what it did if it is to last for what follows.
    ///
    /// # Errors
    ///
    /// It cannot even start, or the state cannot be read.
    pub fn call(&mut self, transaction: TxEnv, traces_transfers: bool, lasts: bool) -> Result<Simulated> {
        let (done, state, transfers) = if traces_transfers {
            self.run(transaction, Transfers::default())?
        } else {
            let (done, state, _) = self.run(transaction, NoOpInspector)?;
            (done, state, Transfers::default())
        };
        let max_gas_used = done.gas().total_gas_spent().max(done.tx_gas_used());
        if lasts {
            let fork = self.environment.rules.spec;
            self.overlay().commit(state, fork)?;
        }
        let mut outcome = Outcome::of(done);
        if traces_transfers && outcome.succeeded {
            outcome.logs = transfers.logs;
        }
        Ok(Simulated { outcome, max_gas_used })
    }

    /// Least gas limit with which a message succeeds, as far as halving finds it; how it ends with the most, otherwise.
    ///
    /// # Errors
    ///
    /// It cannot even start with the most gas, or the state cannot be read.
    pub fn estimate_gas(&mut self, transaction: &TxEnv) -> Result<std::result::Result<u64, Outcome>> {
        let mut enough = transaction.gas_limit;
        let first = self.call(transaction.clone(), false, false)?;
        if !first.outcome.succeeded {
            return Ok(Err(first.outcome));
        }
        // Refunds come at the end and a call inside gets 63/64 of the gas: it may take more than is used.
        let mut candidate = first.outcome.gas_used;
        let mut too_little = candidate - 1;
        while enough - too_little > 1 {
            match self.call(TxEnv { gas_limit: candidate, ..transaction.clone() }, false, false) {
                Ok(tried) if tried.outcome.succeeded => enough = candidate,
                Ok(_) | Err(Error::Rejected(Rejection::IntrinsicGas, _)) => too_little = candidate,
                Err(error) => return Err(error),
            }
            candidate = u64::midpoint(too_little, enough).min(too_little.saturating_mul(2));
        }
        Ok(Ok(enough))
    }

    /// Run a message before an inspector's eyes; what it does to the state lasts only if it is committed.
    ///
    /// # Errors
    ///
    /// It cannot even start, or the state cannot be read.
    pub fn run<I>(&mut self, transaction: TxEnv, inspector: I) -> Result<(Done, EvmState, I)>
    where
        I: Inspector<MainnetContext<Overlay<B>>>,
    {
        let transaction = TxEnv { chain_id: Some(self.environment.rules.chain_id), ..transaction };
        let overlay = self.overlay.take().expect("it is put back below");
        let evm = context(&self.environment, overlay).build_mainnet_with_inspector(inspector);
        let mut evm = evm.with_precompiles(self.precompiles.clone());
        let done = evm.inspect_tx(transaction);
        self.overlay = Some(evm.ctx.journaled_state.database);
        let done = done.map_err(refusal)?;
        Ok((done.result, done.state, evm.inspector))
    }
}

/// How a message ended.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// As it ends otherwise, but that transfers of coins may stand among the events.
    pub outcome: Outcome,
    /// Gas before refunds.
    pub max_gas_used: u64,
}

/// Ethereum's precompiled contracts, of which some may answer elsewhere or not at all.
#[derive(Clone, Debug)]
struct MovedPrecompiles {
    ethereum: EthPrecompiles,
    origins: AddressMap<Option<Address>>,
    warm: AddressSet,
}

impl MovedPrecompiles {
    fn new(fork: SpecId) -> Self {
        let ethereum = EthPrecompiles::new(fork);
        let warm = ethereum.warm_addresses().clone();
        Self { ethereum, origins: AddressMap::default(), warm }
    }

    fn move_to(&mut self, address: Address, target: Address) -> Result<()> {
        if !self.warm.contains(&address) {
            let remedy = format!("the address of a precompiled contract; {address:#x} is none");
            return Err(Error::Invalid("movePrecompileToAddress", remedy));
        }
        self.remove(address);
        self.origins.insert(target, Some(address));
        self.warm.insert(target);
        Ok(())
    }

    fn remove(&mut self, address: Address) {
        if self.warm.remove(&address) {
            self.origins.insert(address, None);
        }
    }
}

impl<CTX: ContextTr> PrecompileProvider<CTX> for MovedPrecompiles
where
    EthPrecompiles: PrecompileProvider<CTX, Output = InterpreterResult>,
{
    type Output = InterpreterResult;

    fn set_spec(&mut self, spec: <CTX::Cfg as revm::context_interface::Cfg>::Spec) -> bool {
        PrecompileProvider::<CTX>::set_spec(&mut self.ethereum, spec);
        true // the addresses are others than the fork's
    }

    fn run(&mut self, context: &mut CTX, inputs: &CallInputs) -> std::result::Result<Option<Self::Output>, String> {
        match self.origins.get(&inputs.bytecode_address) {
            None => self.ethereum.run(context, inputs),
            Some(None) => Ok(None),
            Some(Some(origin)) => {
                let moved = CallInputs { bytecode_address: *origin, ..inputs.clone() };
                self.ethereum.run(context, &moved)
            }
        }
    }

    fn warm_addresses(&self) -> &AddressSet {
        &self.warm
    }
}

/// Events, and transfers of coins as if they were events of ERC-20 (as `eth_simulateV1` has them).
#[derive(Debug, Default)]
struct Transfers {
    logs: Vec<Log>,
    open: Vec<usize>,
}

const COIN: Address = Address::repeat_byte(0xee);
const TRANSFER: alloy_primitives::B256 = b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

impl Transfers {
    fn begin(&mut self, from: Address, to: Address, value: U256) {
        self.open.push(self.logs.len());
        self.transfer(from, to, value);
    }

    fn transfer(&mut self, from: Address, to: Address, value: U256) {
        if !value.is_zero() {
            let topics = vec![TRANSFER, from.into_word(), to.into_word()];
            let data = LogData::new_unchecked(topics, value.to_be_bytes::<32>().into());
            self.logs.push(Log { address: COIN, data });
        }
    }

    fn end(&mut self, result: &InterpreterResult) {
        let begin = self.open.pop().unwrap_or_default();
        if !result.result.is_ok() {
            self.logs.truncate(begin);
        }
    }
}

impl<CTX: ContextTr> Inspector<CTX> for Transfers {
    fn call(&mut self, _: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        let moves = inputs.scheme == CallScheme::Call;
        let value = if moves { inputs.value.get() } else { U256::ZERO };
        self.begin(inputs.caller, inputs.target_address, value);
        None
    }

    fn call_end(&mut self, _: &mut CTX, _: &CallInputs, outcome: &mut CallOutcome) {
        self.end(&outcome.result);
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        let nonce = nonce_of(context, inputs.caller());
        self.begin(inputs.caller(), inputs.created_address(nonce), inputs.value());
        None
    }

    fn create_end(&mut self, _: &mut CTX, _: &CreateInputs, outcome: &mut CreateOutcome) {
        self.end(&outcome.result);
    }

    fn log(&mut self, _: &mut CTX, log: Log) {
        self.logs.push(log);
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.transfer(contract, target, value);
    }
}

fn nonce_of<CTX: ContextTr>(context: &mut CTX, address: Address) -> u64 {
    use revm::context::JournalTr;
    context.journal_mut().load_account(address).map_or(0, |account| account.data.info.nonce)
}
