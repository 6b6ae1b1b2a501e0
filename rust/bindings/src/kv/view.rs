//! `PageView`: pages as arrays of numpy, torch and everyone else, without a copy.

use std::sync::Arc;

use inferail_kv::store::{Cpu, Format, Part, Store};
use pyo3::exceptions::PyBufferError;
use pyo3::intern;
use pyo3::prelude::*;

use super::cache::PyKVCache;
use crate::dlpack::{CPU, Exported, Kind};
use crate::error::kv_error;

/// Numbers or scales of a layer's pages.
#[derive(Debug)]
#[pyclass(frozen, name = "PageView", module = "inferail.core")]
pub(crate) struct PyPageView {
    exported: Exported,
}

fn numbers(store: Arc<Cpu>, layer: usize) -> Result<PyPageView, inferail_kv::Error> {
    let layout = *store.layout();
    let (kind, bits) = match layout.format {
        Format::F32 => (Kind::Float, 32),
        Format::F16 => (Kind::Float, 16),
        Format::Bf16 => (Kind::Bfloat, 16),
        Format::Int8 => (Kind::Signed, 8),
        Format::Fp8 => (Kind::Float8E4m3fn, 8),
    };
    let page = (store.sizes().page / layout.format.number_bytes()) as i64;
    let shape = [
        layout.blocks,
        2,
        layout.kv_heads,
        layout.block_size,
        layout.head_dim,
    ];
    let [_, _, heads, slots, dim] = shape.map(|count| count as i64);
    Ok(PyPageView {
        exported: Exported {
            address: store.address(layer)?,
            owner: store,
            device: (CPU, 0),
            kind,
            bits,
            shape: shape.map(|count| count as i64).to_vec(),
            strides: vec![page, heads * slots * dim, slots * dim, dim, 1],
        },
    })
}

/// `None` where the format has none.
fn scales(store: Arc<Cpu>, layer: usize) -> Result<Option<PyPageView>, inferail_kv::Error> {
    let layout = *store.layout();
    let address = store.address(layer)?;
    if !layout.format.is_quantized() {
        return Ok(None);
    }
    let page = (store.sizes().page / size_of::<f32>()) as i64;
    let shape = [layout.blocks, 2, layout.kv_heads, layout.block_size].map(|count| count as i64);
    let [_, _, heads, slots] = shape;
    Ok(Some(PyPageView {
        exported: Exported {
            address: address + layout.shape().scales(Part::Keys, 0).start,
            owner: store,
            device: (CPU, 0),
            kind: Kind::Float,
            bits: 32,
            shape: shape.to_vec(),
            strides: vec![page, heads * slots, slots, 1],
        },
    }))
}

#[pymethods]
impl PyPageView {
    /// A capsule for `from_dlpack`.
    #[pyo3(signature = (*, stream = None, max_version = None, dl_device = None, copy = None))]
    fn __dlpack__<'py>(
        &self,
        py: Python<'py>,
        stream: Option<&Bound<'py, PyAny>>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(i32, i32)>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let problem = if stream.is_some() {
            Some("pages in memory have no stream: pass stream=None")
        } else if dl_device.is_some_and(|device| device != (CPU, 0)) {
            Some("the pages are in memory: copy them to another device there")
        } else if copy == Some(true) {
            Some("a view is no copy: pass copy=False, and copy what it gives")
        } else {
            None
        };
        if let Some(problem) = problem {
            return Err(PyBufferError::new_err(problem));
        }
        let versioned = max_version.is_some_and(|(major, _)| major >= 1);
        self.exported.capsule(py, versioned)
    }

    /// Kind and number of the device.
    #[expect(clippy::unused_self, reason = "the protocol says so")]
    fn __dlpack_device__(&self) -> (i32, i32) {
        (CPU, 0)
    }

    /// The same memory as an array of numpy.
    fn numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let numpy = py.import(intern!(py, "numpy"))?;
        let mut exported = self.exported.clone();
        // numpy knows neither bfloat16 nor FP8: it gets their bits.
        if matches!(exported.kind, Kind::Bfloat | Kind::Float8E4m3fn) {
            exported.kind = Kind::Unsigned;
        }
        let exporter = Bound::new(py, Self { exported })?;
        numpy.call_method1(intern!(py, "from_dlpack"), (exporter,))
    }

    #[getter]
    fn shape(&self) -> Vec<i64> {
        self.exported.shape.clone()
    }

    /// Bytes from one index to the next.
    #[getter]
    fn strides(&self) -> Vec<i64> {
        let bytes = i64::from(self.exported.bits / 8);
        self.exported
            .strides
            .iter()
            .map(|items| items * bytes)
            .collect()
    }

    fn __repr__(&self) -> String {
        format!(
            "<PageView of {:?}, {} bits each>",
            self.exported.shape, self.exported.bits
        )
    }
}

#[pymethods]
impl PyKVCache {
    /// All pages of a layer, without a copy.
    #[pyo3(name = "pages", signature = (layer, /))]
    fn page_view(&self, py: Python<'_>, layer: usize) -> PyResult<PyPageView> {
        let store = self.store(py)?;
        numbers(store, layer).map_err(|error| kv_error(py, &error))
    }

    /// All scales of a layer, without a copy.
    #[pyo3(name = "scales", signature = (layer, /))]
    fn scale_view(&self, py: Python<'_>, layer: usize) -> PyResult<Option<PyPageView>> {
        let store = self.store(py)?;
        scales(store, layer).map_err(|error| kv_error(py, &error))
    }
}
