//! The bindings of Keccak-256 and of keys on secp256k1.

use std::{
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

use alloy_primitives::{Address, B256, U256, keccak256 as keccak};
use pyo3::{prelude::*, types::PyBytes};
use secp256k1::{All, Message, Secp256k1, SecretKey};

use crate::{
    error::{Error, Result},
    transaction::{self, Signature},
};

/// Signs with its intermediate values blinded by the operating system's randomness, against who measures what it takes.
static SIGNER: LazyLock<Secp256k1<All>> = LazyLock::new(|| {
    let mut signer = Secp256k1::new();
    let mut seed = [0; 32];
    for part in seed.as_chunks_mut::<8>().0 {
        *part = RandomState::new().hash_one(*part).to_le_bytes();
    }
    signer.seeded_randomize(&seed);
    signer
});

fn secret_key(secret: &[u8]) -> Result<SecretKey> {
    let bytes = <[u8; 32]>::try_from(secret).ok();
    bytes
        .and_then(|bytes| SecretKey::from_byte_array(bytes).ok())
        .ok_or_else(|| Error::Invalid("secret", "a 32-byte secp256k1 private key".to_owned()))
}

fn word(digest: &[u8]) -> Result<B256> {
    B256::try_from(digest).map_err(|_| Error::Invalid("digest", "32 bytes".to_owned()))
}

/// Keccak-256 as Ethereum uses it.
#[pyfunction]
pub fn keccak256<'py>(python: Python<'py>, data: &[u8]) -> Bound<'py, PyBytes> {
    PyBytes::new(python, keccak(data).as_slice())
}

/// The address of a private key.
#[pyfunction]
pub fn key_address<'py>(python: Python<'py>, secret: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let key = secret_key(secret)?.public_key(&SIGNER).serialize_uncompressed();
    Ok(PyBytes::new(python, &keccak(&key[1..])[12..]))
}

/// Sign a digest of 32 bytes: `r || s || parity`, with the lower s; the same again for the same (RFC 6979).
#[pyfunction]
pub fn sign_digest<'py>(python: Python<'py>, secret: &[u8], digest: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let message = Message::from_digest(word(digest)?.0);
    let (parity, compact) = SIGNER.sign_ecdsa_recoverable(message, &secret_key(secret)?).serialize_compact();
    let mut signature = [0; 65];
    signature[..64].copy_from_slice(&compact);
    signature[64] = i32::from(parity) as u8;
    Ok(PyBytes::new(python, &signature))
}

/// The address that signed a digest.
#[pyfunction]
pub fn recover_address<'py>(python: Python<'py>, digest: &[u8], signature: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let refused = || Error::Invalid("signature", "65 bytes r || s || parity over this digest".to_owned());
    let signature = <[u8; 65]>::try_from(signature).map_err(|_| refused())?;
    if signature[64] > 1 {
        return Err(refused().into());
    }
    let [r, s] = [&signature[..32], &signature[32..64]].map(U256::from_be_slice);
    let signature = Signature { odd: signature[64] == 1, r, s };
    let address: Address = transaction::recover(word(digest)?, &signature).map_err(|_| refused())?;
    Ok(PyBytes::new(python, address.as_slice()))
}
