//! One error tree, which the bindings turn into the exceptions of `gridbourse.errors`.

use std::{fmt, io, path::PathBuf};

/// Which rule keeps a transaction out of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The bytes are no canonical transaction, or nobody signed it.
    Malformed,
    /// The sender has used the nonce.
    NonceTooLow,
    /// The sender has not come to the nonce yet.
    NonceTooHigh,
    /// The gas limit does not cover what a transaction takes before it runs (EIP-2, 2028, 2930, 3860, 7623, 7702).
    IntrinsicGas,
    /// More gas than a block, or than is left of it.
    BlockGas,
    /// Init code above the bound of EIP-3860.
    InitCode,
    /// The sender cannot pay.
    Funds,
    /// The sender is a contract (EIP-3607).
    SenderIsContract,
    /// Another chain's transaction, or one whose type or fields this chain does not take.
    NotTakenHere,
}

/// What can go wrong in the core.
#[derive(Debug)]
pub enum Error {
    /// A transaction may not enter a block; nothing was changed.
    Rejected(Rejection, String),
    /// A file is not what was written.
    Corrupted {
        /// The file.
        path: PathBuf,
        /// Which page, row or field.
        place: String,
        /// What does not fit, and what to do.
        finding: String,
    },
    /// Another process has the file open.
    Locked(PathBuf),
    /// A value that makes no sense: its field, and what would.
    Invalid(&'static str, String),
    /// The state behind a block is not kept any more.
    StateGone {
        /// The block.
        height: u64,
        /// The newest block.
        head: u64,
    },
    /// The file belongs to the chain of another genesis, which its first block names.
    OtherGenesis(String),
    /// The disk does not do what it is asked.
    Io(PathBuf, io::Error),
}

/// The result of anything in the core.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(_, message) => out.write_str(message),
            Self::Corrupted { path, place, finding } => {
                write!(out, "{}: {place}: {finding}", path.display())
            }
            Self::Locked(path) => write!(out, "{}: this chain is already open; close it there", path.display()),
            Self::Invalid(field, remedy) => write!(out, "{field}: {remedy}"),
            Self::StateGone { height, head } => {
                write!(out, "the state of block {height} is not kept; ask at latest, now block {head}")
            }
            Self::OtherGenesis(found) => write!(out, "genesis: the file holds {found}"),
            Self::Io(path, error) => write!(out, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for Error {}

impl revm::context_interface::DBErrorMarker for Error {}
