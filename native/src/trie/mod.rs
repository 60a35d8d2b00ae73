//! Ethereum's Merkle-Patricia trie: roots and proofs of the state, of storage, and of a block's transactions and receipts.
//!
//! Source: Ethereum Yellow Paper, appendices C (hex prefix) and D (modified Merkle Patricia tree).

pub mod grow;
pub mod leaves;
pub mod node;
pub mod part;
pub mod plan;
pub mod proof;
pub mod state;
