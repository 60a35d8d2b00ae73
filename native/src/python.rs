//! `gridbourse._native`: the bindings.

use pyo3::prelude::*;

/// The chain core.
#[pymodule(gil_used = true)]
mod _native {
    use super::*;

    #[pymodule_export]
    use crate::python_trie::{
        ordered_key, ordered_proof, ordered_root, read_transaction, transition, trie_proof, trie_root, verify_proof,
    };

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
