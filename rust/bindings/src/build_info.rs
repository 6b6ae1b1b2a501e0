//! How this extension was built.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// `BUILD_INFO`: version, profile (`"debug"` or `"release"`), target and cargo features.
pub(crate) fn build_info(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let profile = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    let info = PyDict::new(py);
    info.set_item("version", env!("CARGO_PKG_VERSION"))?;
    info.set_item("profile", profile)?;
    info.set_item("target", env!("INFERAIL_TARGET"))?;
    info.set_item("features", PyTuple::empty(py))?;
    Ok(info)
}
