//! Suppositions and traces, for Python: what goes in and out are bytes, numbers and JSON text.

use std::{collections::HashMap, sync::Mutex};

use alloy_eip2930::{AccessList, AccessListItem};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyList, PyTuple},
};
use revm::context::TxEnv;

use super::raised;
use crate::{
    error::{Error, Result},
    execute::{AccountOverride, Outcome, transaction_environment},
    history::StateAt,
    simulate,
    trace::{self, CallOptions, PrestateOptions, StepOptions, Tracer},
    transaction::SignedTransaction,
};

type Word = [u8; 32];
type Place = [u8; 20];
/// Sender, receiver, data, wei, gas limit, nonce, and what is accessed.
type Message = (Place, Option<Place>, Vec<u8>, Word, u64, u64, Vec<(Place, Vec<Word>)>);

/// A block that is supposed on top of a state.
#[pyclass(frozen, module = "gridbourse._native")]
pub struct Simulation(Mutex<simulate::Simulation<StateAt>>);

impl Simulation {
    /// Hand a supposition to Python.
    pub fn new(inner: simulate::Simulation<StateAt>) -> Self {
        Self(Mutex::new(inner))
    }

    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut simulate::Simulation<StateAt>) -> Result<T> + Send,
    ) -> PyResult<T> {
        let locked = || self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        py.detach(|| work(&mut locked())).map_err(|error| raised(py, error))
    }
}

#[pymethods]
impl Simulation {
    /// Do what the fork does before a block's first transaction.
    fn begin(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, simulate::Simulation::begin)
    }

    /// Say where the block stands: its number, time, gas limit, recipient of fees, base fee, and randomness.
    fn place(
        &self,
        py: Python<'_>,
        number: u64,
        timestamp: u64,
        gas_limit: u64,
        beneficiary: Place,
        base_fee: u64,
        prev_randao: Word,
    ) -> PyResult<()> {
        self.with(py, |simulation| {
            let block = &mut simulation.environment.block;
            (block.number, block.timestamp) = (U256::from(number), U256::from(timestamp));
            (block.gas_limit, block.basefee) = (gas_limit, base_fee);
            (block.beneficiary, block.prevrandao) = (Address::from(beneficiary), Some(B256::from(prev_randao)));
            Ok(())
        })
    }

    /// Say which hash a block has that is supposed as well.
    fn know_hash(&self, py: Python<'_>, number: u64, hash: Word) -> PyResult<()> {
        self.with(py, |simulation| {
            simulation.overlay().know_hash(number, B256::from(hash));
            Ok(())
        })
    }

    /// Suppose another account.
    #[pyo3(signature = (address, *, balance, nonce, code, emptied, slots, moved_to))]
    #[expect(clippy::too_many_arguments, reason = "they are the fields of an override")]
    fn suppose(
        &self,
        py: Python<'_>,
        address: Place,
        balance: Option<Word>,
        nonce: Option<u64>,
        code: Option<Vec<u8>>,
        emptied: bool,
        slots: Vec<(Word, Word)>,
        moved_to: Option<Place>,
    ) -> PyResult<()> {
        let slots = slots.into_iter().map(|(key, value)| (U256::from_be_bytes(key), U256::from_be_bytes(value)));
        let (balance, code) = (balance.map(U256::from_be_bytes), code.map(Bytes::from));
        let other = AccountOverride { balance, nonce, code, emptied, slots: slots.collect() };
        self.with(py, |simulation| simulation.suppose(address.into(), other, moved_to.map(Address::from)))
    }

    /// Nonce and balance of an account as it is by now.
    fn account(&self, py: Python<'_>, address: Place) -> PyResult<(u64, Word)> {
        let info = self.with(py, |simulation| simulation.account(address.into()))?;
        Ok((info.nonce, info.balance.to_be_bytes()))
    }

    /// Run a message.
    fn call<'py>(
        &self,
        py: Python<'py>,
        message: Message,
        traces_transfers: bool,
        lasts: bool,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let transaction = environment(message);
        let done = self.with(py, |simulation| simulation.call(transaction, traces_transfers, lasts))?;
        outcome(py, &done.outcome, done.max_gas_used)
    }

    /// Least gas limit with which a message succeeds, or how it ends with the most.
    fn estimate_gas<'py>(&self, py: Python<'py>, message: Message) -> PyResult<Bound<'py, PyAny>> {
        let transaction = environment(message);
        match self.with(py, |simulation| simulation.estimate_gas(&transaction))? {
            Ok(gas) => Ok(gas.into_pyobject(py)?.into_any()),
            Err(ended) => Ok(outcome(py, &ended, ended.gas_used)?.into_any()),
        }
    }

    /// What a message accesses, and how it ends if it says so.
    fn access_list<'py>(&self, py: Python<'py>, message: Message) -> PyResult<Bound<'py, PyTuple>> {
        let transaction = environment(message);
        let (found, ended) = self.with(py, |simulation| trace::access_list(simulation, &transaction))?;
        let items = PyList::empty(py);
        for item in found.iter() {
            let slots = item.storage_keys.iter().map(|slot| PyBytes::new(py, slot.as_slice()));
            items.append((PyBytes::new(py, item.address.as_slice()), PyList::new(py, slots)?))?;
        }
        PyTuple::new(py, [items.into_any(), outcome(py, &ended, ended.gas_used)?.into_any()])
    }

    /// Run a message and tell what it does, as JSON.
    fn trace(
        &self,
        py: Python<'_>,
        message: Message,
        tracer: &str,
        options: HashMap<String, usize>,
    ) -> PyResult<String> {
        let (transaction, tracer) = (environment(message), read_tracer(tracer, &options));
        self.with(py, |simulation| Ok(trace::trace(simulation, transaction, &tracer?)?.to_string()))
    }

    /// Run a signed transaction and tell what it does, as JSON.
    fn trace_transaction(
        &self,
        py: Python<'_>,
        raw: &[u8],
        tracer: &str,
        options: HashMap<String, usize>,
    ) -> PyResult<String> {
        let (raw, tracer) = (Bytes::copy_from_slice(raw), read_tracer(tracer, &options));
        self.with(py, |simulation| {
            let signed = SignedTransaction::decode(raw)?;
            let is_free = simulation.environment.gas_is_free;
            let transaction = transaction_environment(&signed.transaction, signed.sender, is_free);
            Ok(trace::trace(simulation, transaction, &tracer?)?.to_string())
        })
    }

    /// Run a signed transaction for what it does to the state.
    fn apply(&self, py: Python<'_>, raw: &[u8]) -> PyResult<()> {
        let raw = Bytes::copy_from_slice(raw);
        self.with(py, |simulation| {
            let signed = SignedTransaction::decode(raw)?;
            let is_free = simulation.environment.gas_is_free;
            let transaction = transaction_environment(&signed.transaction, signed.sender, is_free);
            simulation.call(transaction, false, true).map(|_| ())
        })
    }
}

fn environment((sender, to, data, value, gas_limit, nonce, accessed): Message) -> TxEnv {
    let items = accessed.into_iter().map(|(address, slots)| AccessListItem {
        address: address.into(),
        storage_keys: slots.into_iter().map(B256::from).collect(),
    });
    let access_list = AccessList(items.collect());
    TxEnv {
        tx_type: u8::from(!access_list.0.is_empty()),
        caller: sender.into(),
        kind: to.map_or(TxKind::Create, |to| TxKind::Call(to.into())),
        data: data.into(),
        value: U256::from_be_bytes(value),
        gas_limit,
        nonce,
        access_list,
        ..TxEnv::default()
    }
}

/// Whether it succeeded, gas, output, what stopped it, what it created, events, and gas before refunds.
fn outcome<'py>(py: Python<'py>, ended: &Outcome, max_gas_used: u64) -> PyResult<Bound<'py, PyTuple>> {
    let logs = PyList::empty(py);
    for log in &ended.logs {
        let topics = PyTuple::new(py, log.topics().iter().map(|topic| PyBytes::new(py, topic.as_slice())))?;
        logs.append((PyBytes::new(py, log.address.as_slice()), topics, PyBytes::new(py, &log.data.data)))?;
    }
    let contract = ended.contract.map(|contract| PyBytes::new(py, contract.as_slice()));
    let output = PyBytes::new(py, &ended.output);
    (ended.succeeded, ended.gas_used, output, &ended.halt, contract, logs, max_gas_used).into_pyobject(py)
}

fn read_tracer(name: &str, options: &HashMap<String, usize>) -> Result<Tracer> {
    let option = |name: &str| options.get(name).copied().unwrap_or_default();
    let is_on = |name: &str| option(name) != 0;
    match name {
        "callTracer" => {
            let (only_top_call, with_log) = (is_on("onlyTopCall"), is_on("withLog"));
            Ok(Tracer::Calls(CallOptions { only_top_call, with_log }))
        }
        "prestateTracer" => Ok(Tracer::Prestate(PrestateOptions {
            diff_mode: is_on("diffMode"),
            disable_code: is_on("disableCode"),
            disable_storage: is_on("disableStorage"),
            include_empty: is_on("includeEmpty"),
        })),
        "" => Ok(Tracer::Steps(StepOptions {
            enable_memory: is_on("enableMemory"),
            enable_return_data: is_on("enableReturnData"),
            disable_stack: is_on("disableStack"),
            disable_storage: is_on("disableStorage"),
            limit: option("limit"),
        })),
        _ => Err(Error::Invalid("tracer", "give callTracer, prestateTracer, or none for every step".to_owned())),
    }
}
