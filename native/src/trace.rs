//! What a transaction does, call by call, step by step, and to the state: the tracers that geth has for
//! `debug_traceTransaction`, and the access list that `eth_createAccessList` finds (EIP-2930).

use std::collections::BTreeMap;

use alloy_eip2930::{AccessList, AccessListItem};
use alloy_primitives::{Address, B256, Bytes, Log, U256};
use revm::{
    Database, DatabaseRef, Inspector,
    bytecode::opcode::OpCode,
    context::{ContextTr, JournalTr, TxEnv},
    inspector::NoOpInspector,
    interpreter::{
        CallInputs, CallOutcome, CallScheme, CreateInputs, CreateOutcome, CreateScheme, InstructionResult, Interpreter,
        InterpreterResult,
        interpreter_types::{Jumps, LoopControl, MemoryTr, ReturnData},
    },
    precompile::{PrecompileSpecId, Precompiles},
    state::{AccountInfo, EvmState},
};

use crate::{
    block::NO_CODE,
    error::{Error, Result},
    execute::{Outcome, Overlay},
    json::Json,
    simulate::{Done, Simulation},
};

/// Most steps that are recorded of a transaction where the caller names no limit.
pub const MAX_STEPS: usize = 250_000;
const SLOAD: u8 = revm::bytecode::opcode::SLOAD;
const SSTORE: u8 = revm::bytecode::opcode::SSTORE;
const MAX_ACCESS_ROUNDS: usize = 16;

/// What to record.
#[derive(Clone, Debug)]
pub enum Tracer {
    /// Every call (geth's `callTracer`).
    Calls(CallOptions),
    /// What the transaction finds, or changes (geth's `prestateTracer`).
    Prestate(PrestateOptions),
    /// Every instruction (geth's default, the struct logger).
    Steps(StepOptions),
}

/// Options of the call tracer.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallOptions {
    /// Leave out the calls inside the first one.
    pub only_top_call: bool,
    /// Show events.
    pub with_log: bool,
}

/// Options of the prestate tracer.
#[derive(Clone, Copy, Debug, Default)]
pub struct PrestateOptions {
    /// Show what is different afterwards instead of all that was looked at.
    pub diff_mode: bool,
    /// Leave out code.
    pub disable_code: bool,
    /// Leave out storage.
    pub disable_storage: bool,
    /// Show accounts that were not there before, too.
    pub include_empty: bool,
}

/// Options of the struct logger.
#[derive(Clone, Copy, Debug, Default)]
pub struct StepOptions {
    /// Show memory.
    pub enable_memory: bool,
    /// Show what calls returned.
    pub enable_return_data: bool,
    /// Leave out the stack.
    pub disable_stack: bool,
    /// Leave out storage.
    pub disable_storage: bool,
    /// Most steps to show; 0 names none.
    pub limit: usize,
}

/// Run a transaction, record what it does, and go on from the state behind it.
///
/// # Errors
///
/// It cannot even start, the state cannot be read, or it takes more than [`MAX_STEPS`] steps.
pub fn trace<B: DatabaseRef<Error = Error>>(
    simulation: &mut Simulation<B>,
    transaction: TxEnv,
    tracer: &Tracer,
) -> Result<Json> {
    let gas_limit = transaction.gas_limit;
    let (found, state) = match tracer {
        Tracer::Calls(options) => {
            let (done, state, calls) = simulation.run(transaction, Calls::new(*options))?;
            (calls.finish(gas_limit, done.tx_gas_used()), state)
        }
        Tracer::Prestate(options) => {
            let (_, state, _) = simulation.run(transaction, NoOpInspector)?;
            (prestate(simulation.overlay(), &state, *options)?, state)
        }
        Tracer::Steps(options) => {
            let (done, state, steps) = simulation.run(transaction, Steps::new(*options))?;
            (steps.finish(&done)?, state)
        }
    };
    let fork = simulation.environment.rules.spec;
    simulation.overlay().commit(state, fork)?;
    Ok(found)
}

// Calls

#[derive(Debug, Default)]
struct Frame {
    kind: &'static str,
    from: Address,
    to: Option<Address>,
    value: Option<U256>,
    gas: u64,
    gas_used: u64,
    input: Bytes,
    output: Bytes,
    error: Option<String>,
    calls: Vec<Frame>,
    logs: Vec<(usize, usize, Log)>,
}

#[derive(Debug)]
struct Calls {
    options: CallOptions,
    open: Vec<Frame>,
    done: Option<Frame>,
    log_count: usize,
}

impl Calls {
    fn new(options: CallOptions) -> Self {
        Self { options, open: Vec::new(), done: None, log_count: 0 }
    }

    fn close(&mut self, result: &InterpreterResult, created: Option<Option<Address>>) {
        let Some(mut frame) = self.open.pop() else { return };
        frame.gas_used = result.gas.total_gas_spent();
        if let Some(address) = created {
            frame.to = address;
        }
        if result.result.is_ok() {
            frame.output = result.output.clone();
        } else {
            frame.error = Some(format!("{:?}", result.result));
            frame.to = if created.is_some() { None } else { frame.to };
            if result.result == InstructionResult::Revert {
                frame.output = result.output.clone();
            }
        }
        match self.open.last_mut() {
            Some(parent) if !self.options.only_top_call => parent.calls.push(frame),
            Some(_) => {}
            None => self.done = Some(frame),
        }
    }

    /// What the transaction says of gas is said by its first call: what the call itself knows leaves out what a
    /// transaction takes before it begins, and refunds.
    fn finish(self, gas_limit: u64, gas_used: u64) -> Json {
        let top = Frame { gas: gas_limit, gas_used, ..self.done.unwrap_or_default() };
        top.shown(self.options.with_log, false)
    }
}

impl Frame {
    fn shown(self, with_log: bool, is_undone: bool) -> Json {
        let is_undone = is_undone || self.error.is_some();
        let log = |(index, position, log): (usize, usize, Log)| {
            Json::object([
                ("address", Some(Json::data(log.address))),
                ("topics", Some(Json::List(log.topics().iter().map(Json::data).collect()))),
                ("data", Some(Json::data(&log.data.data))),
                ("index", Some(Json::quantity(index as u64))),
                ("position", Some(Json::quantity(position as u64))),
            ])
        };
        let logs: Vec<_> = self.logs.into_iter().filter(|_| with_log && !is_undone).map(log).collect();
        let calls: Vec<_> = self.calls.into_iter().map(|call| call.shown(with_log, is_undone)).collect();
        Json::object([
            ("from", Some(Json::data(self.from))),
            ("gas", Some(Json::quantity(self.gas))),
            ("gasUsed", Some(Json::quantity(self.gas_used))),
            ("to", self.to.map(Json::data)),
            ("input", Some(Json::data(self.input))),
            ("output", (!self.output.is_empty()).then(|| Json::data(self.output))),
            ("error", self.error.map(Json::Text)),
            ("calls", (!calls.is_empty()).then_some(Json::List(calls))),
            ("logs", (!logs.is_empty()).then_some(Json::List(logs))),
            ("value", self.value.map(Json::quantity)),
            ("type", Some(Json::Text(self.kind.to_owned()))),
        ])
    }
}

impl<CTX: ContextTr> Inspector<CTX> for Calls {
    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        let (kind, from, to) = match inputs.scheme {
            CallScheme::Call => ("CALL", inputs.caller, inputs.target_address),
            CallScheme::StaticCall => ("STATICCALL", inputs.caller, inputs.target_address),
            CallScheme::CallCode => ("CALLCODE", inputs.target_address, inputs.bytecode_address),
            CallScheme::DelegateCall => ("DELEGATECALL", inputs.target_address, inputs.bytecode_address),
        };
        let value = (inputs.scheme != CallScheme::StaticCall).then(|| inputs.value.get());
        let (gas, input) = (inputs.gas_limit, inputs.input.bytes(context));
        self.open.push(Frame { kind, from, to: Some(to), value, gas, input, ..Frame::default() });
        None
    }

    fn call_end(&mut self, _: &mut CTX, _: &CallInputs, outcome: &mut CallOutcome) {
        self.close(&outcome.result, None);
    }

    fn create(&mut self, _: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        let kind = if matches!(inputs.scheme(), CreateScheme::Create2 { .. }) { "CREATE2" } else { "CREATE" };
        let (from, value, input) = (inputs.caller(), Some(inputs.value()), inputs.init_code().clone());
        self.open.push(Frame { kind, from, value, gas: inputs.gas_limit(), input, ..Frame::default() });
        None
    }

    fn create_end(&mut self, _: &mut CTX, _: &CreateInputs, outcome: &mut CreateOutcome) {
        self.close(&outcome.result, Some(outcome.address));
    }

    fn log(&mut self, _: &mut CTX, log: Log) {
        if let Some(frame) = self.open.last_mut() {
            frame.logs.push((self.log_count, frame.calls.len(), log));
            self.log_count += 1;
        }
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        if let Some(frame) = self.open.last_mut()
            && !self.options.only_top_call
        {
            let (to, value) = (Some(target), Some(value));
            frame.calls.push(Frame { kind: "SELFDESTRUCT", from: contract, to, value, ..Frame::default() });
        }
    }
}

// State before, and after

fn prestate<B: DatabaseRef<Error = Error>>(
    overlay: &mut Overlay<B>,
    state: &EvmState,
    options: PrestateOptions,
) -> Result<Json> {
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    for (address, account) in state {
        let found = overlay.basic(*address)?;
        let was = found.clone().unwrap_or_default();
        let slots: BTreeMap<_, _> = account.storage.iter().map(|(key, slot)| (*key, slot)).collect();
        let is_gone = account.is_selfdestructed();
        if options.diff_mode {
            let is_changed = is_gone
                || (was.balance, was.nonce) != (account.info.balance, account.info.nonce)
                || (!options.disable_code && code_hash(&was) != code_hash(&account.info))
                || (!options.disable_storage && slots.values().any(|slot| slot.is_changed()));
            if !is_changed || !account.is_touched() {
                continue;
            }
            let changed = slots.iter().filter(|(_, slot)| slot.is_changed() || is_gone);
            let (pre, post): (Vec<_>, Vec<_>) =
                changed.map(|(key, slot)| ((*key, slot.original_value), (*key, slot.present_value))).unzip();
            let kept = |slots: Vec<(U256, U256)>| slots.into_iter().filter(|(_, value)| !value.is_zero()).collect();
            let now = (!is_gone).then_some(&account.info);
            if found.is_some() || options.include_empty {
                before.insert(*address, shown(overlay, &was, None, kept(pre), options)?);
            }
            if let Some(now) = now {
                after.insert(*address, shown(overlay, now, Some(&was), kept(post), options)?);
            }
        } else if found.is_some() || options.include_empty {
            let slots = slots.iter().map(|(key, slot)| (*key, slot.original_value)).collect();
            before.insert(*address, shown(overlay, &was, None, slots, options)?);
        }
    }
    let object = |accounts: BTreeMap<Address, Json>| {
        Json::Object(accounts.into_iter().map(|(address, shown)| (format!("{address:#x}"), shown)).collect())
    };
    if options.diff_mode {
        return Ok(Json::object([("post", Some(object(after))), ("pre", Some(object(before)))]));
    }
    Ok(object(before))
}

fn code_hash(info: &AccountInfo) -> B256 {
    if info.code_hash.is_zero() { NO_CODE } else { info.code_hash }
}

/// An account; of one that has changed only what is other than before.
fn shown<B: DatabaseRef<Error = Error>>(
    overlay: &mut Overlay<B>,
    info: &AccountInfo,
    was: Option<&AccountInfo>,
    slots: Vec<(U256, U256)>,
    options: PrestateOptions,
) -> Result<Json> {
    let hash = code_hash(info);
    let shows_code = !options.disable_code && hash != NO_CODE && was.is_none_or(|was| code_hash(was) != hash);
    let code = match &info.code {
        _ if !shows_code => None,
        Some(code) => Some(code.original_bytes()),
        None => Some(overlay.code_by_hash(hash)?.original_bytes()),
    };
    let word = |value: U256| Json::data(value.to_be_bytes::<32>());
    let storage = (!slots.is_empty() && !options.disable_storage).then(|| {
        let slots = slots.into_iter().map(|(key, value)| (format!("{:#x}", B256::from(key)), word(value)));
        Json::Object(slots.collect())
    });
    let shows_balance = was.is_none_or(|was| was.balance != info.balance);
    let shows_nonce = was.map_or(info.nonce != 0, |was| was.nonce != info.nonce);
    Ok(Json::object([
        ("balance", shows_balance.then(|| Json::quantity(info.balance))),
        ("code", code.map(Json::data)),
        ("nonce", shows_nonce.then_some(Json::Number(info.nonce))),
        ("storage", storage),
    ]))
}

// Steps

#[derive(Debug)]
struct Step {
    pc: u64,
    opcode: u8,
    gas: u64,
    gas_cost: u64,
    depth: usize,
    refund: u64,
    error: Option<String>,
    stack: Option<Vec<U256>>,
    memory: Option<Vec<u8>>,
    return_data: Option<Bytes>,
    storage: Option<BTreeMap<U256, U256>>,
}

#[derive(Debug)]
struct Steps {
    options: StepOptions,
    steps: Vec<Step>,
    storage: BTreeMap<Address, BTreeMap<U256, U256>>,
    slot: Option<(U256, U256)>,
    is_open: bool,
    is_too_long: bool,
}

impl Steps {
    fn new(options: StepOptions) -> Self {
        Self { options, steps: Vec::new(), storage: BTreeMap::new(), slot: None, is_open: false, is_too_long: false }
    }

    fn finish(self, done: &Done) -> Result<Json> {
        if self.is_too_long {
            let remedy = format!("more than {MAX_STEPS} steps; give at most that, or a tracer that shows less");
            return Err(Error::Invalid("limit", remedy));
        }
        let steps = self.steps.into_iter().map(Step::shown).collect();
        let output = done.output().cloned().unwrap_or_default();
        Ok(Json::object([
            ("gas", Some(Json::Number(done.tx_gas_used()))),
            ("failed", Some(Json::Flag(!done.is_success()))),
            ("returnValue", Some(Json::data(output))),
            ("structLogs", Some(Json::List(steps))),
        ]))
    }
}

impl Step {
    fn shown(self) -> Json {
        let word = |value: &U256| Json::data(value.to_be_bytes::<32>());
        let words = |memory: Vec<u8>| Json::List(memory.chunks(32).map(Json::data).collect());
        let slots = |slots: BTreeMap<U256, U256>| {
            Json::Object(slots.iter().map(|(key, value)| (format!("{:#x}", B256::from(*key)), word(value))).collect())
        };
        let name = OpCode::new(self.opcode).map_or_else(|| format!("opcode {:#x}", self.opcode), |op| op.to_string());
        let quantities = |stack: Vec<U256>| Json::List(stack.into_iter().map(Json::quantity).collect());
        Json::object([
            ("pc", Some(Json::Number(self.pc))),
            ("op", Some(Json::Text(name))),
            ("gas", Some(Json::Number(self.gas))),
            ("gasCost", Some(Json::Number(self.gas_cost))),
            ("depth", Some(Json::Number(self.depth as u64))),
            ("refund", Some(Json::Number(self.refund))),
            ("error", self.error.map(Json::Text)),
            ("stack", self.stack.map(quantities)),
            ("memory", self.memory.map(words)),
            ("returnData", self.return_data.map(Json::data)),
            ("storage", self.storage.map(slots)),
        ])
    }
}

impl<CTX: ContextTr> Inspector<CTX> for Steps {
    fn step(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        let most = if self.options.limit == 0 { MAX_STEPS } else { self.options.limit.min(MAX_STEPS) };
        self.is_open = self.steps.len() < most;
        if !self.is_open {
            self.is_too_long |= most == MAX_STEPS;
            return;
        }
        let options = self.options;
        let memory = || interpreter.memory.slice(0..interpreter.memory.size()).to_vec();
        self.steps.push(Step {
            pc: interpreter.bytecode.pc() as u64,
            opcode: interpreter.bytecode.opcode(),
            gas: interpreter.gas.remaining(),
            gas_cost: 0,
            depth: context.journal().depth(),
            refund: interpreter.gas.refunded().max(0).cast_unsigned(),
            error: None,
            stack: (!options.disable_stack).then(|| interpreter.stack.data().to_vec()),
            memory: options.enable_memory.then(memory),
            return_data: options.enable_return_data.then(|| interpreter.return_data.buffer().clone()),
            storage: None,
        });
        self.open_slot(interpreter);
    }

    fn step_end(&mut self, interpreter: &mut Interpreter, _: &mut CTX) {
        if !self.is_open {
            return;
        }
        let Some(step) = self.steps.last_mut() else { return };
        step.gas_cost = step.gas.saturating_sub(interpreter.gas.remaining());
        let result = interpreter.bytecode.action().as_ref().and_then(|action| action.instruction_result());
        step.error = result.filter(|result| !result.is_ok()).map(|result| format!("{result:?}"));
        let is_written = step.opcode == SSTORE;
        if self.options.disable_storage || (step.error.is_some() && !is_written) {
            return;
        }
        let contract = self.storage.entry(interpreter.input.target_address).or_default();
        match (step.opcode, self.slot.take(), interpreter.stack.data().last()) {
            (SLOAD, Some((key, _)), Some(value)) => contract.insert(key, *value),
            (SSTORE, Some((key, value)), _) => contract.insert(key, value),
            _ => return,
        };
        step.storage = Some(contract.clone());
    }
}

impl Steps {
    /// Keep what the step says of storage, which is gone from the stack behind it.
    fn open_slot(&mut self, interpreter: &Interpreter) {
        let stack = interpreter.stack.data();
        let top = |depth: usize| stack.len().checked_sub(depth + 1).map_or(U256::ZERO, |place| stack[place]);
        self.slot = matches!(interpreter.bytecode.opcode(), SLOAD | SSTORE).then(|| (top(0), top(1)));
    }
}

// Access lists

/// The access list with which a message costs least to access what it accesses, and how it ends with that list.
///
/// The list changes what the message can pay for, and so what it accesses: it is run until the list stays the same.
///
/// # Errors
///
/// It cannot even start, or the state cannot be read.
pub fn access_list<B: DatabaseRef<Error = Error>>(
    simulation: &mut Simulation<B>,
    message: &TxEnv,
) -> Result<(AccessList, Outcome)> {
    let mut transaction = TxEnv { tx_type: 1, ..message.clone() };
    let (fork, beneficiary) = (simulation.environment.rules.spec, simulation.environment.block.beneficiary);
    let receiver = message.kind.to().copied().unwrap_or_else(|| message.caller.create(message.nonce));
    let mut excluded = vec![message.caller, receiver, beneficiary];
    excluded.extend(Precompiles::new(PrecompileSpecId::from_spec_id(fork)).addresses());
    for round in 0.. {
        let (done, state, _) = simulation.run(transaction.clone(), NoOpInspector)?;
        let found = accessed(&state, &excluded);
        if found == transaction.access_list || round == MAX_ACCESS_ROUNDS {
            return Ok((transaction.access_list, Outcome::of(done)));
        }
        transaction.access_list = found;
    }
    unreachable!("the last round returns")
}

fn accessed(state: &EvmState, excluded: &[Address]) -> AccessList {
    let mut items: Vec<_> = state
        .iter()
        .filter(|(_, account)| !account.is_created() || !account.storage.is_empty())
        .map(|(address, account)| {
            let mut storage_keys: Vec<_> = account.storage.keys().map(|key| B256::from(*key)).collect();
            storage_keys.sort_unstable();
            AccessListItem { address: *address, storage_keys }
        })
        .filter(|item| !item.storage_keys.is_empty() || !excluded.contains(&item.address))
        .collect();
    items.sort_unstable_by_key(|item| item.address);
    AccessList(items)
}
