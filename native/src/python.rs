//! `gridbourse._native`: the bindings.

use pyo3::prelude::*;

use crate::error::{Error, Rejection};

mod simulation;

/// The chain core.
#[pymodule(gil_used = true)]
mod _native {
    #[pymodule_export]
    use super::simulation::Simulation;
    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

/// An error of the core as the one of `gridbourse.errors` that it is.
pub(crate) fn raised(py: Python<'_>, error: Error) -> PyErr {
    let make = || -> PyResult<PyErr> {
        let errors = py.import("gridbourse.errors")?;
        let value = match error {
            Error::Rejected(reason, message) => {
                let name = match reason {
                    Rejection::IntrinsicGas => "INTRINSIC_GAS",
                    Rejection::InitCode => "INIT_CODE",
                    _ => "NOT_TAKEN_HERE",
                };
                let reason = errors.getattr("Rejection")?.getattr(name)?;
                errors.getattr("TransactionRejected")?.call1((message, reason))?
            }
            Error::Invalid(field, remedy) => errors.getattr("InvalidValue")?.call1((field, "this", remedy))?,
            other => errors.getattr("ChainError")?.call1((other.to_string(),))?,
        };
        Ok(PyErr::from_value(value))
    };
    make().unwrap_or_else(|error| error)
}
