//! Signed transactions of types 0, 1, 2 and 4: their bytes, their signer, and whether they may enter a block.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, channel},
    },
    thread,
};

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_rlp::{Decodable, Encodable, Header};
use revm::context_interface::transaction::{
    AccessList, RecoveredAuthority, RecoveredAuthorization, SignedAuthorization,
};
use secp256k1::{
    Message, SECP256K1,
    ecdsa::{RecoverableSignature, RecoveryId},
};

use crate::error::{Error, Rejection, Result};

/// Half of the curve's order: a signature with a greater `s` has a twin (EIP-2).
pub const HALF_CURVE_ORDER: U256 =
    U256::from_limbs([0xdfe9_2f46_681b_20a0, 0x5d57_6e73_57a4_501d, 0xffff_ffff_ffff_ffff, 0x7fff_ffff_ffff_ffff]);

/// One less than a nonce may become (EIP-2681).
const MAX_NONCE: u64 = u64::MAX - 1;

/// Below this many signatures threads cost more than they bring.
const WORTH_A_THREAD: usize = 8;

/// What a sender signs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transaction {
    /// Type of the envelope (EIP-2718): 0 for none, 1 (EIP-2930), 2 (EIP-1559) or 4 (EIP-7702).
    pub kind: u8,
    /// The chain it is for; none in a legacy transaction from before EIP-155.
    pub chain_id: Option<u64>,
    /// How many transactions the sender has sent before.
    pub nonce: u64,
    /// Gas that it may use.
    pub gas_limit: u64,
    /// Wei per gas, the most that the sender pays; of types 0 and 1 the price.
    pub max_fee_per_gas: U256,
    /// The part of it for who makes the block; of types 0 and 1 all of it.
    pub max_priority_fee_per_gas: U256,
    /// The account it calls, or that it creates a contract.
    pub to: TxKind,
    /// Wei that go along.
    pub value: U256,
    /// Call data, or the init code.
    pub data: Bytes,
    /// What it will touch (EIP-2930).
    pub access_list: AccessList,
    /// Whose code it sets (EIP-7702).
    pub authorizations: Vec<SignedAuthorization>,
}

/// A signature: the parity of the curve point's y, r and s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signature {
    /// Parity of y.
    pub odd: bool,
    /// The point's x.
    pub r: U256,
    /// The proof.
    pub s: U256,
}

/// A transaction with its signer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SignedTransaction {
    /// What was signed.
    pub transaction: Transaction,
    /// How.
    pub signature: Signature,
    /// Who signed it.
    pub sender: Address,
    /// Keccak-256 of `raw`, its name on every Ethereum chain.
    pub hash: B256,
    /// The bytes that travel, are hashed and are stored.
    pub raw: Bytes,
}

/// Whoever made the signature of a digest.
///
/// # Errors
///
/// It belongs to no key.
pub fn recover(digest: B256, signature: &Signature) -> Result<Address> {
    let mut compact = [0; 64];
    compact[..32].copy_from_slice(&signature.r.to_be_bytes::<32>());
    compact[32..].copy_from_slice(&signature.s.to_be_bytes::<32>());
    let parity = if signature.odd { RecoveryId::One } else { RecoveryId::Zero };
    let key = RecoverableSignature::from_compact(&compact, parity)
        .and_then(|found| SECP256K1.recover_ecdsa(Message::from_digest(digest.0), &found))
        .map_err(|_| malformed("its signature belongs to no key; sign it again"))?;
    Ok(Address::from_slice(&keccak256(&key.serialize_uncompressed()[1..])[12..]))
}

fn malformed(finding: impl std::fmt::Display) -> Error {
    Error::Rejected(Rejection::Malformed, format!("malformed transaction: {finding}"))
}

/// Read a field, and name it where it is malformed.
fn field<T: Decodable>(body: &mut &[u8], name: &str) -> Result<T> {
    T::decode(body).map_err(|error| malformed(format_args!("{name}: {}", shape(&error))))
}

fn shape(error: &alloy_rlp::Error) -> String {
    match error {
        alloy_rlp::Error::LeadingZero => "an integer without leading zeros".to_owned(),
        alloy_rlp::Error::Overflow => "too large".to_owned(),
        alloy_rlp::Error::UnexpectedLength | alloy_rlp::Error::ListLengthMismatch { .. } => {
            "of another length than Ethereum's".to_owned()
        }
        alloy_rlp::Error::InputTooShort => "missing, or cut off".to_owned(),
        other => other.to_string(),
    }
}

impl Transaction {
    /// Hash that the sender signs.
    #[must_use]
    pub fn digest(&self) -> B256 {
        keccak256(self.encode(None))
    }

    /// The bytes of this with a signature.
    #[must_use]
    pub fn signed_bytes(&self, signature: &Signature) -> Vec<u8> {
        self.encode(Some(signature))
    }

    fn encode(&self, signature: Option<&Signature>) -> Vec<u8> {
        let mut body = Vec::with_capacity(192 + self.data.len());
        if self.kind == 0 {
            self.encode_legacy(signature, &mut body);
        } else {
            self.encode_typed(signature, &mut body);
        }
        let mut raw = Vec::with_capacity(body.len() + 8);
        if self.kind != 0 {
            raw.push(self.kind);
        }
        Header { list: true, payload_length: body.len() }.encode(&mut raw);
        raw.append(&mut body);
        raw
    }

    fn encode_legacy(&self, signature: Option<&Signature>, out: &mut Vec<u8>) {
        self.nonce.encode(out);
        self.max_fee_per_gas.encode(out);
        self.gas_limit.encode(out);
        self.encode_call(out);
        match (signature, self.chain_id) {
            (Some(signature), chain_id) => {
                let base = chain_id.map_or(U256::from(27), |id| U256::from(id) * U256::from(2) + U256::from(35));
                (base + U256::from(u8::from(signature.odd))).encode(out);
                signature.r.encode(out);
                signature.s.encode(out);
            }
            (None, Some(chain_id)) => {
                chain_id.encode(out);
                0_u8.encode(out);
                0_u8.encode(out);
            }
            (None, None) => {}
        }
    }

    fn encode_typed(&self, signature: Option<&Signature>, out: &mut Vec<u8>) {
        self.chain_id.unwrap_or_default().encode(out);
        self.nonce.encode(out);
        if self.kind != 1 {
            self.max_priority_fee_per_gas.encode(out);
        }
        self.max_fee_per_gas.encode(out);
        self.gas_limit.encode(out);
        self.encode_call(out);
        self.access_list.encode(out);
        if self.kind == 4 {
            self.authorizations.encode(out);
        }
        if let Some(signature) = signature {
            signature.odd.encode(out);
            signature.r.encode(out);
            signature.s.encode(out);
        }
    }

    fn encode_call(&self, out: &mut Vec<u8>) {
        self.to.encode(out);
        self.value.encode(out);
        self.data.encode(out);
    }

    fn decode_legacy(body: &mut &[u8]) -> Result<(Self, Signature)> {
        let nonce = field(body, "nonce")?;
        let gas_price = field(body, "gas_price")?;
        let mut transaction = Self {
            kind: 0,
            chain_id: None,
            nonce,
            gas_limit: field(body, "gas_limit")?,
            max_fee_per_gas: gas_price,
            max_priority_fee_per_gas: gas_price,
            to: field(body, "to")?,
            value: field(body, "value")?,
            data: field(body, "data")?,
            access_list: AccessList::default(),
            authorizations: Vec::new(),
        };
        let v: u128 = field(body, "v")?;
        let odd = match v {
            27 | 28 => v == 28,
            35.. => {
                let chain_id = u64::try_from((v - 35) / 2).map_err(|_| malformed("v: too large"))?;
                transaction.chain_id = Some(chain_id);
                (v - 35) % 2 == 1
            }
            _ => return Err(malformed(format_args!("v {v}: 27 or 28, or what names a chain (EIP-155)"))),
        };
        Ok((transaction, Signature { odd, r: field(body, "r")?, s: field(body, "s")? }))
    }

    fn decode_typed(kind: u8, body: &mut &[u8]) -> Result<(Self, Signature)> {
        let chain_id = Some(field(body, "chain_id")?);
        let nonce = field(body, "nonce")?;
        let first_fee = field(body, if kind == 1 { "gas_price" } else { "max_priority_fee_per_gas" })?;
        let max_fee_per_gas = if kind == 1 { first_fee } else { field(body, "max_fee_per_gas")? };
        let transaction = Self {
            kind,
            chain_id,
            nonce,
            gas_limit: field(body, "gas_limit")?,
            max_fee_per_gas,
            max_priority_fee_per_gas: first_fee,
            to: if kind == 4 { TxKind::Call(field(body, "to")?) } else { field(body, "to")? },
            value: field(body, "value")?,
            data: field(body, "data")?,
            access_list: field(body, "access_list")?,
            authorizations: if kind == 4 { field(body, "authorization_list")? } else { Vec::new() },
        };
        let odd = field(body, "y_parity").map_err(|_| malformed("y_parity: 0 or 1"))?;
        Ok((transaction, Signature { odd, r: field(body, "r")?, s: field(body, "s")? }))
    }

    /// The authorizations with those who gave them, as far as they can be found (EIP-7702).
    pub fn recovered_authorizations(&self) -> impl Iterator<Item = RecoveredAuthorization> {
        self.authorizations.iter().map(|signed| {
            let signature = Signature { odd: signed.y_parity() == 1, r: signed.r(), s: signed.s() };
            let valid = signed.y_parity() <= 1 && signature.s <= HALF_CURVE_ORDER;
            let authority = if valid { recover(signed.inner().signature_hash(), &signature).ok() } else { None };
            RecoveredAuthorization::new_unchecked(
                signed.inner().clone(),
                authority.map_or(RecoveredAuthority::Invalid, RecoveredAuthority::Valid),
            )
        })
    }
}

impl SignedTransaction {
    /// Read the bytes of a signed transaction and find its signer.
    ///
    /// # Errors
    ///
    /// The bytes are not the one encoding of a transaction of these types, or nobody signed it.
    pub fn decode(raw: Bytes) -> Result<Self> {
        let (transaction, signature) = decode_envelope(&raw)?;
        if transaction.nonce > MAX_NONCE {
            return Err(malformed(format_args!("nonce {}: at most {MAX_NONCE} (EIP-2681)", transaction.nonce)));
        }
        if signature.s > HALF_CURVE_ORDER {
            return Err(malformed(format_args!(
                "s {:#x}: a value in the lower half of the curve's order (EIP-2)",
                signature.s
            )));
        }
        let sender = recover(transaction.digest(), &signature)?;
        let hash = keccak256(&raw);
        Ok(Self { transaction, signature, sender, hash, raw })
    }

    /// Read many, on all cores; `take` gets them one by one in their order, while the next ones are being read.
    ///
    /// # Errors
    ///
    /// The first that `decode` or `take` refuses.
    pub fn decode_all(raws: &[Bytes], mut take: impl FnMut(Self) -> Result<()>) -> Result<()> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        if threads == 1 || raws.len() < WORTH_A_THREAD {
            return raws.iter().try_for_each(|raw| take(Self::decode(raw.clone())?));
        }
        let next = AtomicUsize::new(0);
        let decoded: Vec<Slot> = raws.iter().map(|_| Mutex::default()).collect();
        let work = |index: usize| *decoded[index].lock().expect(UNPOISONED) = Some(Self::decode(raws[index].clone()));
        let (ready, is_ready) = channel();
        thread::scope(|scope| {
            for _ in 1..threads {
                let (ready, next, work) = (ready.clone(), &next, &work);
                scope.spawn(move || {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= raws.len() {
                            return;
                        }
                        work(index);
                        let _ = ready.send(());
                    }
                });
            }
            drop(ready);
            let taken = take_in_order(&decoded, &next, &work, &is_ready, &mut take);
            next.store(raws.len(), Ordering::Relaxed);
            taken
        })
    }
}

type Slot = Mutex<Option<Result<SignedTransaction>>>;

const UNPOISONED: &str = "nothing panics while it holds this lock";

/// Take what is decoded; whoever would have to wait for it decodes another one meanwhile.
fn take_in_order(
    decoded: &[Slot],
    next: &AtomicUsize,
    work: &impl Fn(usize),
    is_ready: &Receiver<()>,
    take: &mut impl FnMut(SignedTransaction) -> Result<()>,
) -> Result<()> {
    for slot in decoded {
        let signed = loop {
            if let Some(signed) = slot.lock().expect(UNPOISONED).take() {
                break signed;
            }
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index < decoded.len() {
                work(index);
            } else {
                // Whoever has it sends when it is done; an older word of another only makes us look once more.
                let _ = is_ready.recv();
            }
        };
        take(signed?)?;
    }
    Ok(())
}

fn decode_envelope(raw: &[u8]) -> Result<(Transaction, Signature)> {
    let (kind, mut rest) = match raw.first() {
        Some(0xc0..) => (0, raw),
        Some(&kind @ (1 | 2 | 4)) => (kind, &raw[1..]),
        Some(kind) => {
            return Err(Error::Rejected(
                Rejection::NotTakenHere,
                format!("transaction of type {kind:02x}: sign one of type 00, 01, 02 or 04"),
            ));
        }
        None => return Err(malformed("no bytes; give the signed transaction")),
    };
    let mut body = Header::decode_bytes(&mut rest, true).map_err(|error| malformed(shape(&error)))?;
    let found =
        if kind == 0 { Transaction::decode_legacy(&mut body) } else { Transaction::decode_typed(kind, &mut body) }?;
    if !body.is_empty() || !rest.is_empty() {
        return Err(malformed("bytes behind the last field; leave them out"));
    }
    Ok(found)
}
