//! `PageView`: pages as arrays of numpy, torch and everyone else, without a copy.

use inferail_kv::store::{Format, Part};
use pyo3::exceptions::{PyAttributeError, PyBufferError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::cache::PyKVCache;
use super::pool::Pool;
use crate::dlpack::{CPU, CUDA, Exported, Kind};
use crate::error::kv_error;
use crate::gil::run;

/// Numbers or scales of a layer's pages.
#[derive(Debug)]
#[pyclass(frozen, name = "PageView", module = "inferail.core")]
pub(crate) struct PyPageView {
    exported: Exported,
    pool: Pool,
}

fn numbers(pool: &Pool, layer: usize) -> Result<PyPageView, inferail_kv::Error> {
    let layout = *pool.layout();
    let (kind, bits) = match layout.format {
        Format::F32 => (Kind::Float, 32),
        Format::F16 => (Kind::Float, 16),
        Format::Bf16 => (Kind::Bfloat, 16),
        Format::Int8 => (Kind::Signed, 8),
        Format::Fp8 => (Kind::Float8E4m3fn, 8),
    };
    let page = (pool.sizes().page / layout.format.number_bytes()) as i64;
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
            address: pool.address(layer)?,
            owner: pool.owner(),
            device: pool.device(),
            kind,
            bits,
            shape: shape.map(|count| count as i64).to_vec(),
            strides: vec![page, heads * slots * dim, slots * dim, dim, 1],
        },
        pool: pool.clone(),
    })
}

/// `None` where the format has none.
fn scales(pool: &Pool, layer: usize) -> Result<Option<PyPageView>, inferail_kv::Error> {
    let layout = *pool.layout();
    let address = pool.address(layer)?;
    if !layout.format.is_quantized() {
        return Ok(None);
    }
    let page = (pool.sizes().page / size_of::<f32>()) as i64;
    let shape = [layout.blocks, 2, layout.kv_heads, layout.block_size].map(|count| count as i64);
    let [_, _, heads, slots] = shape;
    Ok(Some(PyPageView {
        exported: Exported {
            address: address + layout.shape().scales(Part::Keys, 0).start,
            owner: pool.owner(),
            device: pool.device(),
            kind: Kind::Float,
            bits: 32,
            shape: shape.to_vec(),
            strides: vec![page, heads * slots, slots, 1],
        },
        pool: pool.clone(),
    }))
}

impl PyPageView {
    fn settled(&self, py: Python<'_>) -> PyResult<()> {
        let pool = &self.pool;
        run(py, || pool.synchronize()).map_err(|error| kv_error(py, &error))
    }
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
        let here = self.exported.device;
        let problem = if stream.is_some() && here.0 == CPU {
            Some("pages in memory have no stream: pass stream=None")
        } else if dl_device.is_some_and(|device| device != here) {
            Some("the pages are on another device: copy them from there, or read() them")
        } else if copy == Some(true) {
            Some("a view is no copy: pass copy=False, and copy what it gives")
        } else {
            None
        };
        if let Some(problem) = problem {
            return Err(PyBufferError::new_err(problem));
        }
        // Whatever the consumer's stream is, what was written to the pages is there.
        self.settled(py)?;
        let versioned = max_version.is_some_and(|(major, _)| major >= 1);
        self.exported.capsule(py, versioned)
    }

    /// Kind and number of the device.
    fn __dlpack_device__(&self) -> (i32, i32) {
        self.exported.device
    }

    /// The older protocol of cupy and numba, version 3. Only pages on a GPU have it; bfloat16 and FP8 appear as their bits.
    #[getter]
    fn __cuda_array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        if self.exported.device.0 != CUDA {
            return Err(PyAttributeError::new_err("the pages are in memory"));
        }
        self.settled(py)?;
        let kind = match self.exported.kind {
            Kind::Float => 'f',
            Kind::Signed => 'i',
            Kind::Unsigned | Kind::Bfloat | Kind::Float8E4m3fn => 'u',
        };
        let told = PyDict::new(py);
        told.set_item("version", 3)?;
        told.set_item("shape", PyTuple::new(py, &self.exported.shape)?)?;
        told.set_item("strides", PyTuple::new(py, self.strides())?)?;
        told.set_item("typestr", format!("<{kind}{}", self.exported.bits / 8))?;
        told.set_item("data", (self.exported.address, false))?;
        told.set_item("stream", py.None())?;
        Ok(told)
    }

    /// The same memory as an array of numpy.
    fn numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if self.exported.device.0 != CPU {
            return Err(PyBufferError::new_err(
                "the pages are on a GPU: torch.from_dlpack and cupy.asarray see them, KVCache.read() copies them",
            ));
        }
        let numpy = py.import(intern!(py, "numpy"))?;
        let mut exported = self.exported.clone();
        // numpy knows neither bfloat16 nor FP8: it gets their bits.
        if matches!(exported.kind, Kind::Bfloat | Kind::Float8E4m3fn) {
            exported.kind = Kind::Unsigned;
        }
        let pool = self.pool.clone();
        let exporter = Bound::new(py, Self { exported, pool })?;
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
        let pool = self.pool(py)?;
        numbers(&pool, layer).map_err(|error| kv_error(py, &error))
    }

    /// All scales of a layer, without a copy.
    #[pyo3(name = "scales", signature = (layer, /))]
    fn scale_view(&self, py: Python<'_>, layer: usize) -> PyResult<Option<PyPageView>> {
        let pool = self.pool(py)?;
        scales(&pool, layer).map_err(|error| kv_error(py, &error))
    }
}
