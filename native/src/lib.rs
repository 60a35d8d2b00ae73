//! The chain core: what a transaction is, what a block does, and where it is kept.
//!
//! One subject, one module. Rules come from Ethereum and are named where they are applied; who orders the
//! transactions is no affair of this crate.
//!
//! | module | subject |
//! | --- | --- |
//! | `transaction` | decode, recover the signer, check: types 0, 1, 2 and 4 (EIP-155, 2930, 1559, 7702) |
//! | `execute` | revm under a named fork: the block's environment, one journal per transaction |
//! | `block` | headers, receipts, what a block changed; canonical bytes and roots |
//! | `store` | one ACID file (redb): blocks, receipts, state, code, log index |
//! | `trie` | Ethereum's state trie: roots of the state, proofs |
//! | `history` | the states of the last blocks |
//! | `simulate` | a supposed block: other accounts, precompiled contracts elsewhere, calls, one by one or building on each other |
//! | `json` | values as JSON text |
//! | `roots` | the state root behind each block, on a thread of its own |
//! | `keccak` | Keccak-256 of many inputs at once |
//! | `transition` | one transaction on a state that is given whole, for Ethereum's state tests |
//! | `trace` | what a transaction does, step by step and call by call |
//! | `python` | the bindings, `gridbourse._native`; the only module that knows Python (feature `python`) |

pub mod block;
pub mod disk;
pub mod error;
pub mod execute;
pub mod history;
pub mod journal;
pub mod json;
pub mod keccak;
pub mod roots;
pub mod simulate;
pub mod store;
pub mod trace;
pub mod transaction;
pub mod transition;
pub mod trie;
pub mod verify;

#[cfg(feature = "python")]
mod python;
#[cfg(feature = "python")]
mod python_trie;
