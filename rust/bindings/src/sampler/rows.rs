//! Logits and masks as Python has them.

use inferail_sampler::Row;
use numpy::ndarray::{ArrayView2, Axis, Ix2};
use numpy::{
    Element, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::intern;
use pyo3::prelude::*;

use crate::error::config_error;

/// Logits, `[vocab]` or `[rows, vocab]`.
#[derive(Debug)]
pub(super) enum Logits<'py> {
    F32(PyReadonlyArrayDyn<'py, f32>),
    F16(PyReadonlyArrayDyn<'py, u16>),
    Bf16(PyReadonlyArrayDyn<'py, u16>),
}

impl<'py> Logits<'py> {
    /// Reads `given` where it is: an array, or anything that lends its memory to one.
    pub(super) fn new(given: &Bound<'py, PyAny>, dtype: Option<&str>) -> PyResult<Self> {
        if let Ok(array) = given.cast::<PyArrayDyn<f32>>() {
            return Ok(Self::F32(array.try_readonly()?));
        }
        let array = as_array(given)?;
        if let Ok(array) = array.cast::<PyArrayDyn<f32>>() {
            return Ok(Self::F32(array.try_readonly()?));
        }
        let py = given.py();
        let kind = array.dtype();
        let name = kind.getattr(intern!(py, "name"))?.extract::<String>()?;
        match (name.as_str(), dtype) {
            ("float16", _) | ("uint16" | "int16", Some("float16")) => Ok(Self::F16(bits(&array)?)),
            ("bfloat16", _) | ("uint16" | "int16", Some("bfloat16")) => {
                Ok(Self::Bf16(bits(&array)?))
            }
            _ => Err(config_error(
                py,
                format!(
                    "logits must be float32, float16 or bfloat16, not {name}: convert them, or say with dtype= what the 16 bits are"
                ),
            )),
        }
    }

    /// The rows, `[rows]`, each `[vocab]`.
    pub(super) fn rows(&self, py: Python<'_>) -> PyResult<Vec<Row<'_>>> {
        match self {
            Self::F32(array) => each(py, array, Row::F32),
            Self::F16(array) => each(py, array, Row::F16),
            Self::Bf16(array) => each(py, array, Row::Bf16),
        }
    }
}

fn as_array<'py>(given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyUntypedArray>> {
    let py = given.py();
    if let Ok(array) = given.cast::<PyUntypedArray>() {
        return Ok(array.clone());
    }
    let numpy = py.import(intern!(py, "numpy"))?;
    if !given.hasattr(intern!(py, "__dlpack__"))? {
        return Ok(numpy
            .call_method1(intern!(py, "asarray"), (given,))?
            .cast_into()?);
    }
    match numpy.call_method1(intern!(py, "from_dlpack"), (given,)) {
        Ok(array) => Ok(array.cast_into()?),
        Err(_) => Err(config_error(
            py,
            "a tensor has to be on the CPU; of bfloat16, which numpy does not know, pass tensor.view(torch.uint16) \
             and dtype=\"bfloat16\""
                .to_owned(),
        )),
    }
}

/// The same memory as numbers of 16 bits.
fn bits<'py>(array: &Bound<'py, PyUntypedArray>) -> PyResult<PyReadonlyArrayDyn<'py, u16>> {
    let view = array.call_method1(intern!(array.py(), "view"), ("uint16",))?;
    Ok(view.cast_into::<PyArrayDyn<u16>>()?.try_readonly()?)
}

fn each<'a, T: Element>(
    py: Python<'_>,
    array: &'a PyReadonlyArrayDyn<'_, T>,
    row: impl Fn(&'a [T]) -> Row<'a>,
) -> PyResult<Vec<Row<'a>>> {
    let slices = slices(py, "logits", array)?;
    Ok(slices.into_iter().map(row).collect())
}

/// One or two dimensions as slices; the numbers of a row have to lie side by side, rows may be anywhere.
fn slices<'a, T: Element>(
    py: Python<'_>,
    name: &str,
    array: &'a PyReadonlyArrayDyn<'_, T>,
) -> PyResult<Vec<&'a [T]>> {
    if let ([_], Ok(row)) = (array.shape(), array.as_slice()) {
        return Ok(vec![row]);
    }
    let dimensions = array.ndim();
    let view = array.as_array();
    let rows: Option<ArrayView2<'a, T>> = match dimensions {
        1 => view.insert_axis(Axis(0)).into_dimensionality::<Ix2>().ok(),
        2 => view.into_dimensionality::<Ix2>().ok(),
        _ => None,
    };
    let Some(rows) = rows else {
        let problem = format!("{name} must have one or two dimensions, not {dimensions}");
        return Err(config_error(py, problem));
    };
    let slices: Option<Vec<&'a [T]>> = (0..rows.nrows())
        .map(|row| rows.index_axis_move(Axis(0), row).to_slice())
        .collect();
    slices.ok_or_else(|| {
        let problem = format!(
            "the numbers of a row of {name} must lie side by side: pass numpy.ascontiguousarray({name})"
        );
        config_error(py, problem)
    })
}

/// Bits of the tokens that may follow, `[words]` for all rows or `[rows, words]`.
#[derive(Debug)]
pub(super) struct Mask<'py>(PyReadonlyArrayDyn<'py, u32>);

impl<'py> Mask<'py> {
    pub(super) fn new(given: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(array) = given.cast::<PyArrayDyn<u32>>() {
            return Ok(Self(array.try_readonly()?));
        }
        let (py, array) = (given.py(), as_array(given)?);
        let kind = array.dtype();
        // Engines keep their bit masks as int32.
        if kind.itemsize() != 4 || !matches!(kind.kind(), b'i' | b'u') {
            let problem = format!(
                "mask must be bits, uint32 or int32 with 32 tokens in a number, not {kind}"
            );
            return Err(config_error(py, problem));
        }
        let view = array.call_method1(intern!(py, "view"), ("uint32",))?;
        Ok(Self(view.cast_into::<PyArrayDyn<u32>>()?.try_readonly()?))
    }

    /// A mask for each of the rows, which have `vocabulary` logits.
    pub(super) fn rows(
        &self,
        py: Python<'_>,
        rows: usize,
        vocabulary: usize,
    ) -> PyResult<Vec<&[u32]>> {
        let slices = slices(py, "mask", &self.0)?;
        let (count, words) = (slices.len(), slices.first().map_or(0, |first| first.len()));
        let needed = vocabulary.div_ceil(32);
        if words < needed && rows > 0 {
            let problem =
                format!("a mask has {words} words, but {vocabulary} logits need {needed}");
            return Err(config_error(py, problem));
        }
        match (self.0.ndim(), count == rows) {
            (1, _) => Ok(vec![slices[0]; rows]),
            (_, true) => Ok(slices),
            _ => {
                let problem = format!("mask has {count} rows, and logits have {rows}");
                Err(config_error(py, problem))
            }
        }
    }
}
