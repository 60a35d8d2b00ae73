//! `gridbourse._native`: the bindings. What is long lets go of the interpreter.

#![allow(clippy::too_many_arguments, reason = "Python names them")]

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
};

use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use pyo3::{
    exceptions::{PyOSError, PyValueError},
    prelude::*,
    types::{PyBytes, PyTuple},
};
use revm::{DatabaseRef, primitives::hardfork::SpecId};

use crate::{
    block::{self, Genesis, changes_root},
    error::{Error, Rejection},
    execute::{self, Environment, Execution, OpenBlock, Overlay},
    history::StateAt,
    simulate,
    store::{Store, StoredBlock, StoredTransaction},
    transaction,
    trie::leaves::ordered_root,
    verify::{self, Verification},
};

const UNPOISONED: &str = "nothing panics while it holds this lock";

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        Python::attach(|python| raised(python, error).unwrap_or_else(|failure| failure))
    }
}

fn raised(python: Python<'_>, error: Error) -> PyResult<PyErr> {
    let errors = python.import("gridbourse.errors")?;
    let message = error.to_string();
    let made = match error {
        Error::Rejected(reason, message) => {
            let name = match reason {
                Rejection::Malformed => "MALFORMED",
                Rejection::NonceTooLow => "NONCE_TOO_LOW",
                Rejection::NonceTooHigh => "NONCE_TOO_HIGH",
                Rejection::IntrinsicGas => "INTRINSIC_GAS",
                Rejection::BlockGas => "BLOCK_GAS",
                Rejection::InitCode => "INIT_CODE",
                Rejection::Funds => "FUNDS",
                Rejection::SenderIsContract => "SENDER_IS_CONTRACT",
                Rejection::NotTakenHere => "NOT_TAKEN_HERE",
            };
            let reason = errors.getattr("Rejection")?.getattr(name)?;
            errors.getattr("TransactionRejected")?.call1((message, reason))?
        }
        Error::Corrupted { path, place, finding } => {
            errors.getattr("ChainCorrupted")?.call1((path_object(python, &path)?, place, finding))?
        }
        Error::StateGone { .. } => errors.getattr("StateNotKept")?.call1((message,))?,
        Error::Locked(_) => errors.getattr("ChainLocked")?.call1((message,))?,
        Error::OtherGenesis(found) => errors.getattr("InvalidValue")?.call1((
            "genesis",
            "another",
            format!("that of the file's chain: {found}"),
        ))?,
        Error::Invalid(field, remedy) => errors.getattr("InvalidValue")?.call1((field, "malformed", remedy))?,
        Error::Io(path, error) => errors.getattr("ChainError")?.call1((format!("{}: {error}", path.display()),))?,
    };
    Ok(PyErr::from_value(made))
}

fn path_object<'py>(python: Python<'py>, path: &std::path::Path) -> PyResult<Bound<'py, PyAny>> {
    python.import("pathlib")?.getattr("Path")?.call1((path.as_os_str(),))
}

/// An address of 20 bytes from Python.
struct At(Address);

impl<'py> FromPyObject<'_, 'py> for At {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let bytes: &[u8] = value.extract()?;
        Address::try_from(bytes).map(At).map_err(|_| PyValueError::new_err("an address has 20 bytes"))
    }
}

/// A hash or word of 32 bytes from Python.
struct Word(B256);

impl<'py> FromPyObject<'_, 'py> for Word {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let bytes: &[u8] = value.extract()?;
        B256::try_from(bytes).map(Word).map_err(|_| PyValueError::new_err("a hash has 32 bytes"))
    }
}

/// An integer below 2**256 from and to Python.
#[derive(Clone, Copy)]
struct Int(U256);

impl<'py> FromPyObject<'_, 'py> for Int {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(small) = value.extract::<u64>() {
            return Ok(Self(U256::from(small)));
        }
        let bytes = value.call_method1("to_bytes", (32, "big"))?;
        Ok(Self(U256::from_be_slice(bytes.extract()?)))
    }
}

impl<'py> IntoPyObject<'py> for Int {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, python: Python<'py>) -> PyResult<Self::Output> {
        if let Ok(small) = u64::try_from(self.0) {
            return Ok(small.into_pyobject(python)?.into_any());
        }
        let bytes = PyBytes::new(python, &self.0.to_be_bytes::<32>());
        python.get_type::<pyo3::types::PyInt>().call_method1("from_bytes", (bytes, "big"))
    }
}

fn bytes_of<'py>(python: Python<'py>, bytes: impl AsRef<[u8]>) -> Bound<'py, PyBytes> {
    PyBytes::new(python, bytes.as_ref())
}

fn kind_of(to: Option<At>) -> TxKind {
    to.map_or(TxKind::Create, |at| TxKind::Call(at.0))
}

/// What a sender signs.
#[pyclass(frozen, eq, hash, module = "gridbourse._native")]
#[derive(Clone, PartialEq, Eq, Hash)]
struct Transaction(transaction::Transaction);

#[pymethods]
impl Transaction {
    #[new]
    #[pyo3(signature = (chain_id, nonce, gas_limit, to, data = vec![], value = Int(U256::ZERO),
        max_fee_per_gas = Int(U256::ZERO), max_priority_fee_per_gas = Int(U256::ZERO)))]
    fn new(
        chain_id: u64,
        nonce: u64,
        gas_limit: u64,
        to: Option<At>,
        data: Vec<u8>,
        value: Int,
        max_fee_per_gas: Int,
        max_priority_fee_per_gas: Int,
    ) -> Self {
        Self(transaction::Transaction {
            kind: 2,
            chain_id: Some(chain_id),
            nonce,
            gas_limit,
            max_fee_per_gas: max_fee_per_gas.0,
            max_priority_fee_per_gas: max_priority_fee_per_gas.0,
            to: kind_of(to),
            value: value.0,
            data: data.into(),
            access_list: Default::default(),
            authorizations: Vec::new(),
        })
    }

    #[getter]
    fn kind(&self) -> u8 {
        self.0.kind
    }

    #[getter]
    fn chain_id(&self) -> Option<u64> {
        self.0.chain_id
    }

    #[getter]
    fn nonce(&self) -> u64 {
        self.0.nonce
    }

    #[getter]
    fn gas_limit(&self) -> u64 {
        self.0.gas_limit
    }

    #[getter]
    fn to<'py>(&self, python: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.0.to.to().map(|to| bytes_of(python, to))
    }

    #[getter]
    fn data<'py>(&self, python: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(python, &self.0.data)
    }

    #[getter]
    fn value(&self) -> Int {
        Int(self.0.value)
    }

    #[getter]
    fn max_fee_per_gas(&self) -> Int {
        Int(self.0.max_fee_per_gas)
    }

    #[getter]
    fn max_priority_fee_per_gas(&self) -> Int {
        Int(self.0.max_priority_fee_per_gas)
    }

    /// Addresses with their slots, as they are listed (EIP-2930).
    #[getter]
    fn access_list<'py>(&self, python: Python<'py>) -> Vec<(Bound<'py, PyBytes>, Vec<Bound<'py, PyBytes>>)> {
        let slots = |keys: &[B256]| keys.iter().map(|key| bytes_of(python, key)).collect();
        let items = self.0.access_list.iter();
        items.map(|item| (bytes_of(python, item.address), slots(&item.storage_keys))).collect()
    }

    /// Chain, address, nonce, parity, r and s of each authorization (EIP-7702).
    #[getter]
    fn authorizations<'py>(&self, python: Python<'py>) -> Vec<(Int, Bound<'py, PyBytes>, u64, u8, Int, Int)> {
        let given = self.0.authorizations.iter();
        given
            .map(|signed| {
                let address = bytes_of(python, signed.address());
                (Int(signed.chain_id), address, signed.nonce(), signed.y_parity(), Int(signed.r()), Int(signed.s()))
            })
            .collect()
    }

    /// Sign with the sender's key.
    fn sign(&self, key: &Bound<'_, PyAny>) -> PyResult<SignedTransaction> {
        let digest = bytes_of(key.py(), self.0.digest());
        let signed = key.call_method1("sign", (digest,))?;
        let signed: &[u8] = signed.extract()?;
        let [r, s] = [&signed[..32], &signed[32..64]].map(U256::from_be_slice);
        let signature = transaction::Signature { odd: signed[64] == 1, r, s };
        let raw = Bytes::from(self.0.signed_bytes(&signature));
        let sender = key.getattr("address")?.extract::<At>()?.0;
        let hash = alloy_primitives::keccak256(&raw);
        Ok(SignedTransaction(transaction::SignedTransaction {
            transaction: self.0.clone(),
            signature,
            sender,
            hash,
            raw,
        }))
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }
}

/// A transaction with its signer.
#[pyclass(frozen, eq, hash, module = "gridbourse._native")]
#[derive(Clone, PartialEq, Eq, Hash)]
struct SignedTransaction(transaction::SignedTransaction);

#[pymethods]
impl SignedTransaction {
    /// Read the bytes of a signed transaction and recover its sender.
    #[staticmethod]
    fn decode(raw: Vec<u8>) -> PyResult<Self> {
        Ok(Self(transaction::SignedTransaction::decode(raw.into())?))
    }

    /// Read many, on all cores.
    #[staticmethod]
    fn decode_all(python: Python<'_>, raws: Vec<Vec<u8>>) -> PyResult<Vec<Self>> {
        let raws: Vec<Bytes> = raws.into_iter().map(Bytes::from).collect();
        let mut all = Vec::with_capacity(raws.len());
        python.detach(|| {
            transaction::SignedTransaction::decode_all(&raws, |signed| {
                all.push(Self(signed));
                Ok(())
            })
        })?;
        Ok(all)
    }

    #[getter]
    fn transaction(&self) -> Transaction {
        Transaction(self.0.transaction.clone())
    }

    #[getter]
    fn nonce(&self) -> u64 {
        self.0.transaction.nonce
    }

    #[getter]
    fn gas_limit(&self) -> u64 {
        self.0.transaction.gas_limit
    }

    #[getter]
    fn sender<'py>(&self, python: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(python, self.0.sender)
    }

    #[getter]
    fn hash<'py>(&self, python: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(python, self.0.hash)
    }

    #[getter]
    fn raw<'py>(&self, python: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(python, &self.0.raw)
    }

    /// Parity, r and s.
    #[getter]
    fn signature(&self) -> (u8, Int, Int) {
        let signature = &self.0.signature;
        (signature.odd.into(), Int(signature.r), Int(signature.s))
    }

    fn __repr__(&self) -> String {
        format!("SignedTransaction({:#x})", self.0.hash)
    }
}

/// An event that a contract emitted.
#[pyclass(frozen, eq, hash, module = "gridbourse._native", from_py_object)]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Log {
    log: alloy_primitives::Log,
    #[pyo3(get)]
    height: u64,
    transaction_hash: B256,
    #[pyo3(get)]
    index: usize,
}

#[pymethods]
impl Log {
    #[new]
    fn new(address: At, topics: Vec<Word>, data: Vec<u8>, height: u64, transaction_hash: Word, index: usize) -> Self {
        let topics = topics.into_iter().map(|topic| topic.0).collect();
        let log = alloy_primitives::Log::new_unchecked(address.0, topics, data.into());
        Self { log, height, transaction_hash: transaction_hash.0, index }
    }

    #[getter]
    fn address<'py>(&self, python: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(python, self.log.address)
    }

    #[getter]
    fn topics<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(python, self.log.topics().iter().map(|topic| bytes_of(python, topic)))
    }

    #[getter]
    fn data<'py>(&self, python: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(python, &self.log.data.data)
    }

    #[getter]
    fn transaction_hash<'py>(&self, python: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(python, self.transaction_hash)
    }

    /// The same event with another number within its transaction.
    fn numbered(&self, index: usize) -> Self {
        Self { index, ..self.clone() }
    }

    fn __repr__(&self) -> String {
        format!("{self:?}")
    }
}

/// What became of a transaction.
#[pyclass(frozen, eq, hash, module = "gridbourse._native", from_py_object)]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Receipt {
    receipt: block::Receipt,
    transaction_hash: B256,
    #[pyo3(get)]
    height: u64,
    #[pyo3(get)]
    position: u32,
}

#[pymethods]
impl Receipt {
    #[new]
    #[pyo3(signature = (transaction_hash, height, position, succeeded, gas_used, contract_address, revert_data, halt,
        logs, kind = 2, cumulative_gas_used = 0))]
    fn new(
        transaction_hash: Word,
        height: u64,
        position: u32,
        succeeded: bool,
        gas_used: u64,
        contract_address: Option<At>,
        revert_data: Vec<u8>,
        halt: String,
        logs: Vec<Log>,
        kind: u8,
        cumulative_gas_used: u64,
    ) -> Self {
        let receipt = block::Receipt {
            kind,
            succeeded,
            gas_used,
            cumulative_gas_used,
            contract: contract_address.map(|at| at.0),
            revert_data: revert_data.into(),
            halt,
            logs: logs.into_iter().map(|log| log.log).collect(),
        };
        Self { receipt, transaction_hash: transaction_hash.0, height, position }
    }

    #[getter]
    fn transaction_hash<'py>(&self, python: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(python, self.transaction_hash)
    }

    #[getter]
    fn kind(&self) -> u8 {
        self.receipt.kind
    }

    #[getter]
    fn succeeded(&self) -> bool {
        self.receipt.succeeded
    }

    #[getter]
    fn gas_used(&self) -> u64 {
        self.receipt.gas_used
    }

    #[getter]
    fn cumulative_gas_used(&self) -> u64 {
        self.receipt.cumulative_gas_used
    }

    #[getter]
    fn contract_address<'py>(&self, python: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.receipt.contract.map(|address| bytes_of(python, address))
    }

    #[getter]
    fn revert_data<'py>(&self, python: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(python, &self.receipt.revert_data)
    }

    #[getter]
    fn halt(&self) -> &str {
        &self.receipt.halt
    }

    #[getter]
    fn logs<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let logs = self.receipt.logs.iter().enumerate().map(|(index, log)| Log {
            log: log.clone(),
            height: self.height,
            transaction_hash: self.transaction_hash,
            index,
        });
        let logs: Vec<_> = logs.map(|log| Bound::new(python, log)).collect::<PyResult<_>>()?;
        PyTuple::new(python, logs)
    }

    /// Bloom filter of the events, 256 bytes.
    #[getter]
    fn bloom<'py>(&self, python: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(python, self.receipt.bloom())
    }

    /// The same receipt with what the contract said, or why the EVM stopped it.
    fn explained(&self, revert_data: Vec<u8>, halt: String) -> Self {
        let receipt = block::Receipt { revert_data: revert_data.into(), halt, ..self.receipt.clone() };
        Self { receipt, ..self.clone() }
    }

    fn __repr__(&self) -> String {
        format!("{self:?}")
    }
}

fn receipt_of(stored: &StoredTransaction) -> PyResult<Receipt> {
    Ok(Receipt {
        receipt: block::Receipt::read(&stored.receipt)?,
        transaction_hash: alloy_primitives::keccak256(&stored.raw),
        height: stored.height,
        position: stored.position,
    })
}

/// A block's head.
#[pyclass(frozen, eq, hash, module = "gridbourse._native")]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Header(block::Header);

#[pymethods]
impl Header {
    /// The head of a chain before its first block.
    #[staticmethod]
    fn of_genesis(chain_id: u64, sealer: At, gas_limit: u64, timestamp: u64, fork: &str) -> PyResult<Self> {
        Ok(Self(genesis_of(chain_id, sealer, gas_limit, timestamp, fork)?.header()))
    }

    /// Read canonical bytes.
    #[staticmethod]
    fn decode(data: &[u8]) -> PyResult<Self> {
        let mut rest = data;
        let header: block::Header = alloy_rlp::Decodable::decode(&mut rest)
            .map_err(|error| Error::Invalid("header", format!("canonical bytes of a header ({error})")))?;
        if rest.is_empty() {
            Ok(Self(header))
        } else {
            Err(Error::Invalid("header", "nothing behind it".into()).into())
        }
    }

    /// Canonical bytes, the seal included.
    fn encode<'py>(&self, python: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(python, self.0.bytes())
    }

    #[getter]
    fn hash<'py>(&self, python: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(python, self.0.hash())
    }

    #[getter]
    fn seal_digest<'py>(&self, python: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(python, self.0.digest())
    }

    fn sealed(&self, seal: Vec<u8>) -> Self {
        Self(self.0.sealed(seal.into()))
    }

    fn is_sealed(&self) -> bool {
        self.0.is_sealed()
    }

    #[getter]
    fn chain_id(&self) -> u64 {
        self.0.chain_id
    }

    #[getter]
    fn height(&self) -> u64 {
        self.0.height
    }

    #[getter]
    fn timestamp(&self) -> u64 {
        self.0.timestamp
    }

    #[getter]
    fn parent_hash<'py>(&self, python: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(python, self.0.parent_hash)
    }

    #[getter]
    fn transactions_root<'py>(&self, python: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(python, self.0.transactions_root)
    }

    #[getter]
    fn receipts_root<'py>(&self, python: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(python, self.0.receipts_root)
    }

    #[getter]
    fn changes_root<'py>(&self, python: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(python, self.0.changes_root)
    }

    #[getter]
    fn state_root<'py>(&self, python: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(python, self.0.state_root)
    }

    #[getter]
    fn state_height(&self) -> u64 {
        self.0.state_height
    }

    #[getter]
    fn gas_used(&self) -> u64 {
        self.0.gas_used
    }

    #[getter]
    fn gas_limit(&self) -> u64 {
        self.0.gas_limit
    }

    #[getter]
    fn sealer<'py>(&self, python: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(python, self.0.sealer)
    }

    #[getter]
    fn seal<'py>(&self, python: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(python, &self.0.seal)
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }
}

fn genesis_of(chain_id: u64, sealer: At, gas_limit: u64, timestamp: u64, fork: &str) -> PyResult<Genesis> {
    let fork: SpecId = fork
        .parse()
        .ok()
        .filter(|fork: &SpecId| fork.is_enabled_in(SpecId::PRAGUE))
        .ok_or_else(|| Error::Invalid("fork", format!("{fork}: give Prague or Osaka")))?;
    Ok(Genesis { chain_id, sealer: sealer.0, gas_limit, timestamp, fork })
}

/// A block that was run on the newest state, and is not part of the chain yet.
#[pyclass(frozen, module = "gridbourse._native")]
struct ProposedBlock {
    block: StoredBlock,
    taken: Vec<usize>,
    receipts: Vec<block::Receipt>,
    hashes: Vec<B256>,
}

#[pymethods]
impl ProposedBlock {
    /// Its head, without a seal.
    #[getter]
    fn header(&self) -> Header {
        Header(self.block.header.clone())
    }

    /// Which of the candidates it holds.
    #[getter]
    fn taken(&self) -> Vec<usize> {
        self.taken.clone()
    }

    #[getter]
    fn transactions<'py>(&self, python: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        self.block.transactions.iter().map(|raw| bytes_of(python, raw)).collect()
    }

    /// Its receipts.
    #[getter]
    fn receipts(&self) -> Vec<Receipt> {
        let receipts = self.receipts.iter().zip(&self.hashes).zip(0_u32..);
        receipts
            .map(|((receipt, hash), position)| Receipt {
                receipt: receipt.clone(),
                transaction_hash: *hash,
                height: self.block.header.height,
                position,
            })
            .collect()
    }
}

fn propose(
    store: &Store,
    timestamp: u64,
    done: Execution,
    taken: Vec<usize>,
    signed: Vec<(B256, Bytes)>,
) -> crate::error::Result<ProposedBlock> {
    let (head, genesis) = (store.head(), store.genesis());
    let (hashes, raws): (Vec<B256>, Vec<Bytes>) = signed.into_iter().unzip();
    let consensus: Vec<_> = done.receipts.iter().map(block::Receipt::consensus_bytes).collect();
    let header = block::Header {
        chain_id: genesis.chain_id,
        height: head.height + 1,
        timestamp,
        parent_hash: store.head_hash(),
        transactions_root: ordered_root(&raws),
        receipts_root: ordered_root(&consensus),
        changes_root: changes_root(&alloy_rlp::encode(&done.changes)),
        state_height: head.height,
        state_root: store.state_root()?,
        gas_used: done.gas_used,
        gas_limit: genesis.gas_limit,
        sealer: genesis.sealer,
        seal: Bytes::new(),
    };
    let encoded = done.receipts.iter().map(|receipt| receipt.bytes().into()).collect();
    let block = StoredBlock { header, transactions: raws, receipts: encoded, changes: done.changes };
    Ok(ProposedBlock { block, taken, receipts: done.receipts, hashes })
}

/// So much is checked before it is told how far the check has come.
const PAGES_AT_A_TIME: u64 = 4_096;
const BLOCKS_AT_A_TIME: u64 = 256;

/// The open file of a chain.
#[pyclass(frozen, module = "gridbourse._native")]
struct Core {
    store: Arc<Mutex<Store>>,
}

impl Core {
    fn locked(&self) -> MutexGuard<'_, Store> {
        self.store.lock().expect(UNPOISONED)
    }

    fn with<T: Send>(
        &self,
        python: Python<'_>,
        run: impl FnOnce(&mut Store) -> crate::error::Result<T> + Send,
    ) -> PyResult<T> {
        Ok(python.detach(|| run(&mut self.locked()))?)
    }
}

fn environment(store: &Store, timestamp: u64) -> Environment {
    Environment::of(store.genesis(), store.head().height + 1, timestamp, store.head_hash())
}

type Nodes<'py> = Vec<Bound<'py, PyBytes>>;
type ProvenAccount<'py> = (
    Bound<'py, PyBytes>,
    Option<(u64, Int, Bound<'py, PyBytes>, Bound<'py, PyBytes>)>,
    Nodes<'py>,
    Vec<(Int, Int, Nodes<'py>)>,
);

#[pymethods]
impl Core {
    #[new]
    fn new(
        python: Python<'_>,
        path: PathBuf,
        chain_id: u64,
        sealer: At,
        gas_limit: u64,
        timestamp: u64,
        fork: &str,
    ) -> PyResult<Self> {
        let genesis = genesis_of(chain_id, sealer, gas_limit, timestamp, fork)?;
        let store = python.detach(|| Store::open(&path, &genesis, &genesis.header()))?;
        Ok(Self { store: Arc::new(Mutex::new(store)) })
    }

    #[getter]
    fn head(&self) -> Header {
        Header(self.locked().head().clone())
    }

    #[getter]
    fn progress(&self) -> u64 {
        self.locked().progress()
    }

    fn set_progress(&self, python: Python<'_>, progress: u64) -> PyResult<()> {
        self.with(python, |store| store.set_progress(progress))
    }

    /// Check a transaction against the rules of the chain and what its sender has sent before.
    fn check(&self, signed: &SignedTransaction, expected_nonce: u64) -> PyResult<()> {
        let store = self.locked();
        let genesis = store.genesis();
        let balance = (&*store).basic_ref(signed.0.sender)?.unwrap_or_default().balance;
        let sender = (expected_nonce, balance);
        Ok(execute::check(&signed.0, genesis.chain_id, genesis.fork, sender, genesis.gas_limit)?)
    }

    /// Decode transactions and run them as the next block; if one may not stand where it stands, none does.
    fn execute_raw(&self, python: Python<'_>, raws: Vec<Vec<u8>>, timestamp: u64) -> PyResult<ProposedBlock> {
        let raws: Vec<Bytes> = raws.into_iter().map(Bytes::from).collect();
        self.with(python, |store| {
            let mut block = OpenBlock::new(&environment(store, timestamp), &*store)?;
            let mut names = Vec::with_capacity(raws.len());
            transaction::SignedTransaction::decode_all(&raws, |signed| {
                block.add(&signed)?;
                names.push((signed.hash, signed.raw));
                Ok(())
            })?;
            let taken = (0..raws.len()).collect();
            propose(store, timestamp, block.finish(), taken, names)
        })
    }

    /// Run transactions as the next block; if one may not stand where it stands, none does.
    fn execute(
        &self,
        python: Python<'_>,
        transactions: Vec<Py<SignedTransaction>>,
        timestamp: u64,
    ) -> PyResult<ProposedBlock> {
        let transactions: Vec<_> = transactions.iter().map(Py::get).collect();
        self.with(python, |store| {
            let mut block = OpenBlock::new(&environment(store, timestamp), &*store)?;
            transactions.iter().try_for_each(|signed| block.add(&signed.0))?;
            let names = transactions.iter().map(|signed| (signed.0.hash, signed.0.raw.clone())).collect();
            propose(store, timestamp, block.finish(), (0..transactions.len()).collect(), names)
        })
    }

    /// Run those of the candidates as the next block that may stand where they would stand, as long as there is time.
    #[pyo3(signature = (candidates, timestamp, seconds = None))]
    fn execute_valid(
        &self,
        python: Python<'_>,
        candidates: Vec<Py<SignedTransaction>>,
        timestamp: u64,
        seconds: Option<f64>,
    ) -> PyResult<ProposedBlock> {
        let candidates: Vec<_> = candidates.iter().map(Py::get).collect();
        let deadline = seconds.map(|seconds| std::time::Instant::now() + std::time::Duration::from_secs_f64(seconds));
        self.with(python, |store| {
            let mut block = OpenBlock::new(&environment(store, timestamp), &*store)?;
            let (mut taken, mut names) = (Vec::new(), Vec::new());
            for (index, SignedTransaction(signed)) in candidates.into_iter().enumerate() {
                if deadline.is_some_and(|deadline| std::time::Instant::now() >= deadline) {
                    break;
                }
                match block.add(signed) {
                    Ok(()) => {
                        taken.push(index);
                        names.push((signed.hash, signed.raw.clone()));
                    }
                    Err(Error::Rejected(..)) => {}
                    Err(error) => return Err(error),
                }
            }
            propose(store, timestamp, block.finish(), taken, names)
        })
    }

    /// Make a proposed block the newest; returns its header when it is durable.
    #[pyo3(signature = (proposed, seal, progress = 0))]
    fn append(&self, python: Python<'_>, proposed: &ProposedBlock, seal: Vec<u8>, progress: u64) -> PyResult<Header> {
        let mut block = proposed.block.clone();
        block.header.seal = seal.into();
        let header = block.header.clone();
        self.with(python, |store| store.append(block, progress))?;
        Ok(Header(header))
    }

    fn nonce(&self, address: At) -> PyResult<u64> {
        Ok((&*self.locked()).basic_ref(address.0)?.map_or(0, |info| info.nonce))
    }

    /// What an account and some slots hold behind the newest block, and what proves it: the state root; nonce, balance, storage
    /// root, hash of the code; the account's nodes; of each slot its number, value and nodes.
    fn proof<'py>(&self, python: Python<'py>, address: At, slots: Vec<Int>) -> PyResult<ProvenAccount<'py>> {
        let slots: Vec<U256> = slots.iter().map(|slot| slot.0).collect();
        let (root, proof) = python.detach(|| self.locked().prove(&address.0, &slots))?;
        let nodes = |nodes: &[Vec<u8>]| nodes.iter().map(|node| bytes_of(python, node)).collect::<Vec<_>>();
        let account = proof.account.map(|account| {
            let [storage_root, code_hash] =
                [account.storage_root, account.code_hash].map(|hash| bytes_of(python, hash));
            (account.nonce, Int(account.balance), storage_root, code_hash)
        });
        let slots = proof.slots.iter().map(|(slot, value, proof)| (Int(*slot), Int(*value), nodes(proof))).collect();
        Ok((bytes_of(python, root), account, nodes(&proof.proof), slots))
    }

    fn balance(&self, address: At) -> PyResult<Int> {
        Ok(Int((&*self.locked()).basic_ref(address.0)?.map_or(U256::ZERO, |info| info.balance)))
    }

    fn code<'py>(&self, python: Python<'py>, address: At) -> PyResult<Bound<'py, PyBytes>> {
        let store = self.locked();
        let info = (&*store).basic_ref(address.0)?.unwrap_or_default();
        Ok(bytes_of(python, (&*store).code_by_hash_ref(info.code_hash)?.original_bytes()))
    }

    fn storage<'py>(&self, python: Python<'py>, address: At, slot: Int) -> PyResult<Bound<'py, PyBytes>> {
        let value = (&*self.locked()).storage_ref(address.0, slot.0)?;
        Ok(bytes_of(python, value.to_be_bytes::<32>()))
    }

    /// Suppose a block behind that of a height.
    fn simulate(&self, height: u64, timestamp: u64) -> PyResult<Simulation> {
        let (parent_hash, genesis) = {
            let store = self.locked();
            ((&*store).block_hash_ref(height)?, store.genesis().clone())
        };
        let state = StateAt::new(Arc::clone(&self.store), height)?;
        let environment = Environment::of(&genesis, height + 1, timestamp, parent_hash);
        Ok(Simulation::new(simulate::Simulation::new(environment, Overlay::new(state))))
    }

    fn header(&self, height: u64) -> PyResult<Option<Header>> {
        Ok(self.locked().header(height)?.map(Header))
    }

    fn height_of(&self, block_hash: Word) -> PyResult<Option<u64>> {
        Ok(self.locked().height_of(block_hash.0)?)
    }

    /// Raw transactions and receipts of a block.
    fn body<'py>(&self, python: Python<'py>, height: u64) -> PyResult<(Vec<Bound<'py, PyBytes>>, Vec<Receipt>)> {
        let stored = self.with(python, |store| store.transactions(height))?;
        let receipts = stored.iter().map(receipt_of).collect::<PyResult<_>>()?;
        Ok((stored.iter().map(|transaction| bytes_of(python, &transaction.raw)).collect(), receipts))
    }

    fn transaction(&self, tx_hash: Word) -> PyResult<Option<SignedTransaction>> {
        let stored = self.locked().transaction(tx_hash.0)?;
        let signed = stored.map(|stored| transaction::SignedTransaction::decode(stored.raw)).transpose()?;
        Ok(signed.map(SignedTransaction))
    }

    fn receipt(&self, tx_hash: Word) -> PyResult<Option<Receipt>> {
        let stored = self.locked().transaction(tx_hash.0)?;
        stored.as_ref().map(receipt_of).transpose()
    }

    /// Next receipts from a height and position on that may hold an event of a contract.
    fn receipts_with_logs(
        &self,
        python: Python<'_>,
        emitter: Option<At>,
        first: (u64, u32),
        last_block: u64,
        most: usize,
    ) -> PyResult<Vec<Receipt>> {
        let emitter = emitter.map(|at| at.0);
        let found = self.with(python, |store| store.transactions_with_logs(emitter, first, last_block, most))?;
        found.iter().map(receipt_of).collect()
    }

    /// A block as it travels to another node.
    fn encoded_block<'py>(&self, python: Python<'py>, height: u64) -> PyResult<Bound<'py, PyBytes>> {
        let block = self.with(python, |store| store.block(height))?;
        Ok(bytes_of(python, alloy_rlp::encode(block)))
    }

    /// Take in a block that another node ran, if it stands on the head and holds what its header says.
    fn append_encoded(&self, python: Python<'_>, block: &[u8], progress: u64) -> PyResult<Header> {
        let mut rest = block;
        let block: StoredBlock = alloy_rlp::Decodable::decode(&mut rest)
            .map_err(|error| Error::Invalid("block", format!("the bytes of a block ({error})")))?;
        let header = block.header.clone();
        self.with(python, |store| {
            verify::check_received(store, &block)?;
            store.append(block, progress)
        })?;
        Ok(Header(header))
    }

    /// Read everything again, and run it again if that is wanted; what is checked, how much and of how much is told.
    #[pyo3(signature = (*, executes, report))]
    fn verify(&self, python: Python<'_>, executes: bool, report: &Bound<'_, PyAny>) -> PyResult<()> {
        // Before anything is written: what is unused now may be used then.
        let (mut page, mut last) = (0, None);
        while last != Some(page) {
            last = Some(page);
            page = self.scrub(python, page, PAGES_AT_A_TIME)?;
            let pages = self.locked().pages().count()?;
            report.call1(("pages", page, pages))?;
        }
        let mut verification = self.with(python, |store| Verification::new(store, executes))?;
        while let Some(height) = self.with(python, |store| verification.go_on(store, BLOCKS_AT_A_TIME))? {
            let head = self.locked().head().height;
            report.call1(("blocks", height, head))?;
        }
        Ok(())
    }

    /// Check some blocks; returns the height to check next.
    fn check_blocks(&self, python: Python<'_>, first: u64, most: u64) -> PyResult<u64> {
        self.with(python, |store| verify::check_blocks(store, first, most))
    }

    /// Check some pages of the file; returns the first to check next.
    fn scrub(&self, python: Python<'_>, first: u64, most: u64) -> PyResult<u64> {
        let (pages, path) = {
            let store = self.locked();
            (store.pages(), store.path().to_owned())
        };
        let checked = python.detach(|| verify::scrub(&pages, first, most));
        let (damaged, next) = checked.map_err(|error| Error::Io(path, error))?;
        match damaged {
            Some(place) => Err(self.locked().corrupted(&place, &"not what was written").into()),
            None => Ok(next),
        }
    }

    /// Write a copy of the file.
    fn back_up(&self, python: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.with(python, |store| store.back_up(&path)).map_err(|error| PyOSError::new_err(error.to_string()))
    }

    fn meta<'py>(&self, python: Python<'py>, name: &str) -> PyResult<Option<Bound<'py, PyBytes>>> {
        Ok(self.locked().meta(name)?.map(|value| bytes_of(python, value)))
    }

    fn put_meta(&self, name: &str, value: &[u8]) -> PyResult<()> {
        Ok(self.locked().put_meta(name, value)?)
    }

    fn close(&self, python: Python<'_>) -> PyResult<()> {
        self.with(python, Store::close)
    }
}

/// Least gas limit of a transaction.
#[pyfunction]
fn intrinsic_gas(transaction: &Transaction, fork: &str) -> PyResult<u64> {
    let fork = fork.parse().map_err(|_| Error::Invalid("fork", format!("{fork}: give Prague or Osaka")))?;
    Ok(execute::intrinsic_gas(&transaction.0, fork))
}

mod keys;
mod simulation;
use simulation::Simulation;

/// The chain core.
#[pymodule(gil_used = true)]
mod _native {
    #[pymodule_export]
    use super::keys::{keccak256, key_address, recover_address, sign_digest};
    #[pymodule_export]
    use super::simulation::Simulation;
    use super::*;
    #[pymodule_export]
    use super::{Core, Header, Log, ProposedBlock, Receipt, SignedTransaction, Transaction, intrinsic_gas};

    #[pymodule_export]
    use crate::python_trie::{
        ordered_key, ordered_proof, ordered_root, read_transaction, transition, trie_proof, trie_root, verify_proof,
    };

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
