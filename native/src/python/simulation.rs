//! Suppositions and traces, for Python: what goes in and out are bytes, numbers and JSON text.

use std::{collections::HashMap, sync::Mutex};

use alloy_eip2930::{AccessList, AccessListItem};
use alloy_primitives::{Bytes, U256};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyList, PyTuple},
};
use revm::{Database, context::TxEnv};

use super::{At, Int, Word, bytes_of, kind_of};
use crate::{
    error::{Error, Result},
    execute::{AccountOverride, Outcome, transaction_environment},
    history::StateAt,
    simulate,
    trace::{self, CallOptions, PrestateOptions, StepOptions, Tracer},
    transaction::SignedTransaction,
};

/// Sender, receiver, data, wei, gas limit, nonce, and what is accessed.
type Message = (At, Option<At>, Vec<u8>, Int, u64, u64, Vec<(At, Vec<Word>)>);

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
        Ok(py.detach(|| work(&mut locked()))?)
    }
}

#[pymethods]
impl Simulation {
    /// Do what the fork does before a block's first transaction.
    fn begin(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, simulate::Simulation::begin)
    }

    /// Say where the block stands: number, time, parent, gas limit, recipient of fees, base fee, and randomness.
    #[expect(clippy::too_many_arguments, reason = "they are the fields of a block")]
    fn place(
        &self,
        py: Python<'_>,
        number: u64,
        timestamp: u64,
        parent_hash: Word,
        gas_limit: u64,
        beneficiary: At,
        base_fee: u64,
        prev_randao: Word,
    ) -> PyResult<()> {
        self.with(py, |simulation| {
            simulation.environment.parent_hash = parent_hash.0;
            let block = &mut simulation.environment.block;
            (block.number, block.timestamp) = (U256::from(number), U256::from(timestamp));
            (block.gas_limit, block.basefee) = (gas_limit, base_fee);
            (block.beneficiary, block.prevrandao) = (beneficiary.0, Some(prev_randao.0));
            Ok(())
        })
    }

    /// Say which hash a block has that is supposed as well.
    fn know_hash(&self, py: Python<'_>, number: u64, hash: Word) -> PyResult<()> {
        self.with(py, |simulation| {
            simulation.overlay().know_hash(number, hash.0);
            Ok(())
        })
    }

    /// Suppose another account.
    #[pyo3(signature = (address, *, balance, nonce, code, emptied, slots, moved_to))]
    #[expect(clippy::too_many_arguments, reason = "they are the fields of an override")]
    fn suppose(
        &self,
        py: Python<'_>,
        address: At,
        balance: Option<Int>,
        nonce: Option<u64>,
        code: Option<Vec<u8>>,
        emptied: bool,
        slots: Vec<(Int, Word)>,
        moved_to: Option<At>,
    ) -> PyResult<()> {
        let slots = slots.into_iter().map(|(key, value)| (key.0, value.0.into()));
        let (balance, code) = (balance.map(|balance| balance.0), code.map(Bytes::from));
        let other = AccountOverride { balance, nonce, code, emptied, slots: slots.collect() };
        self.with(py, |simulation| simulation.suppose(address.0, other, moved_to.map(|at| at.0)))
    }

    /// Nonce and balance of an account as it is by now.
    fn account(&self, py: Python<'_>, address: At) -> PyResult<(u64, Int)> {
        let info = self.with(py, |simulation| simulation.account(address.0))?;
        Ok((info.nonce, Int(info.balance)))
    }

    /// Code of an account as it is by now.
    fn code<'py>(&self, py: Python<'py>, address: At) -> PyResult<Bound<'py, PyBytes>> {
        let code = self.with(py, |simulation| {
            let hash = simulation.account(address.0)?.code_hash;
            Ok(simulation.overlay().code_by_hash(hash)?.original_bytes())
        })?;
        Ok(bytes_of(py, code))
    }

    /// Word in a slot as it is by now.
    fn storage<'py>(&self, py: Python<'py>, address: At, slot: Int) -> PyResult<Bound<'py, PyBytes>> {
        let value = self.with(py, |simulation| simulation.overlay().storage(address.0, slot.0))?;
        Ok(bytes_of(py, value.to_be_bytes::<32>()))
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
            let slots = item.storage_keys.iter().map(|slot| bytes_of(py, slot));
            items.append((bytes_of(py, item.address), PyList::new(py, slots)?))?;
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
        address: address.0,
        storage_keys: slots.into_iter().map(|slot| slot.0).collect(),
    });
    let access_list = AccessList(items.collect());
    TxEnv {
        tx_type: u8::from(!access_list.0.is_empty()),
        caller: sender.0,
        kind: kind_of(to),
        data: data.into(),
        value: value.0,
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
        let topics = PyTuple::new(py, log.topics().iter().map(|topic| bytes_of(py, topic)))?;
        logs.append((bytes_of(py, log.address), topics, bytes_of(py, &log.data.data)))?;
    }
    let contract = ended.contract.map(|contract| bytes_of(py, contract));
    let output = bytes_of(py, &ended.output);
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
