//! Pages of a cache: written, read, attended to.

use std::path::PathBuf;
use std::sync::Arc;

use inferail_kv::hash::{Namer, random_secret};
use inferail_kv::store::{Attention, Batch, Format, Layout, Row, Scaling, Store};
use inferail_kv::tiers::{Disk, Host, Lower, Options as TierOptions, Tiers};
use inferail_kv::{Cache, Error, Settings};
use numpy::{
    PyArray1, PyArray3, PyArrayDescr, PyArrayDescrMethods, PyArrayMethods, PyReadonlyArray1,
    PyReadonlyArray3, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::intern;
use pyo3::prelude::*;

use super::pool::{Place, Pool};
use super::settings::whole;
use crate::error::{config_error, kv_error};
use crate::gil::run;

/// Keys and values, `[tokens, kv_heads, head_dim]` each.
pub(super) type Rows<'py> = (Bound<'py, PyArray3<f32>>, Bound<'py, PyArray3<f32>>);

/// Where a cache has its pages, and what is below them.
#[derive(Debug, Clone)]
pub(super) struct Pages {
    pub(super) pool: Pool,
    pub(super) tiers: Option<Arc<Tiers>>,
}

/// The geometry of the model, as it was given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry {
    pub(super) layers: i64,
    pub(super) kv_heads: i64,
    pub(super) head_dim: i64,
}

impl Geometry {
    /// All three, or none of them.
    pub(super) fn given(
        py: Python<'_>,
        layers: Option<i64>,
        kv_heads: Option<i64>,
        head_dim: Option<i64>,
    ) -> PyResult<Option<Self>> {
        match (layers, kv_heads, head_dim) {
            (None, None, None) => Ok(None),
            (Some(layers), Some(kv_heads), Some(head_dim)) => Ok(Some(Self {
                layers,
                kv_heads,
                head_dim,
            })),
            _ => {
                let problem = "pages need layers=, kv_heads= and head_dim=; an engine with pages of its own gives none of them";
                Err(config_error(py, problem.to_owned()))
            }
        }
    }

    fn layout(self, py: Python<'_>, settings: &Settings, format: &str) -> PyResult<Layout> {
        let format = match format {
            "f32" => Format::F32,
            "bf16" => Format::Bf16,
            "f16" => Format::F16,
            "int8" => Format::Int8,
            "fp8" => Format::Fp8,
            other => {
                let problem = format!("format must be f32, bf16, f16, int8 or fp8, not {other:?}");
                return Err(config_error(py, problem));
            }
        };
        let [group] = &settings.groups[..] else {
            let problem = "pages are for one group of layers: pass blocks=";
            return Err(config_error(py, problem.to_owned()));
        };
        Ok(Layout {
            layers: whole(py, "layers", self.layers)?,
            kv_heads: whole(py, "kv_heads", self.kv_heads)?,
            head_dim: whole(py, "head_dim", self.head_dim)?,
            block_size: settings.block_size,
            blocks: group.blocks,
            format,
        })
    }
}

/// What is below the pages.
#[derive(Debug, Default)]
pub(super) struct Below {
    pub(super) host_bytes: Option<i64>,
    pub(super) disk: Option<PathBuf>,
    pub(super) disk_bytes: Option<i64>,
}

impl Below {
    /// Without pages there is nothing to keep.
    pub(super) fn refuse(&self, py: Python<'_>) -> PyResult<()> {
        if self.host_bytes.is_none() && self.disk.is_none() && self.disk_bytes.is_none() {
            return Ok(());
        }
        let problem = "host_bytes=, disk= and disk_bytes= are for a cache with pages: pass layers=, kv_heads= and head_dim=";
        Err(config_error(py, problem.to_owned()))
    }

    fn tiers(&self, layout: &Layout, key: [u8; 16]) -> Result<Option<Tiers>, Error> {
        let bytes = |given: Option<i64>| given.map(|bytes| bytes.max(0) as u64);
        let host = bytes(self.host_bytes)
            .map(|bytes| Host::new(TierOptions::new(bytes), layout.sizes()?.block));
        let disk = self.disk.as_ref().map(|folder| {
            let bytes = bytes(self.disk_bytes).unwrap_or(1 << 34);
            Disk::open(folder, layout, TierOptions::new(bytes), key)
        });
        if host.is_none() && disk.is_none() {
            return Ok(None);
        }
        Ok(Some(Tiers::new(host.transpose()?, disk.transpose()?)))
    }
}

/// A cache with pages.
pub(super) fn make(
    py: Python<'_>,
    settings: Settings,
    geometry: Geometry,
    format: &str,
    place: Place,
    below: &Below,
    secret: Option<[u8; 16]>,
) -> PyResult<(Cache, Pages)> {
    let layout = geometry.layout(py, &settings, format)?;
    let made = || {
        let pool = Pool::new(layout, place)?;
        let mut key = secret.unwrap_or_else(random_secret);
        let tiers = below.tiers(&layout, key)?.map(Arc::new);
        // A folder that was there before keeps the secret of its names.
        if let Some(disk) = tiers.as_ref().and_then(|tiers| tiers.disk()) {
            key = disk.chain_key();
        }
        let is_shared = secret.is_some() || tiers.is_some();
        let namer = is_shared.then(|| Namer::new(key));
        let lower = tiers.clone().map(|tiers| tiers as Arc<dyn Lower>);
        let block = layout.sizes()?.block;
        let stores: Vec<Arc<dyn Store>> = vec![pool.store()];
        let cache = Cache::with_pages(settings, stores, &[block], lower, namer)?;
        Ok((cache, Pages { pool, tiers }))
    };
    made().map_err(|error: Error| kv_error(py, &error))
}

impl Pages {
    /// Writes keys and values, `[tokens, kv_heads, head_dim]`, to the slots of a layer.
    pub(super) fn write(
        &self,
        py: Python<'_>,
        layer: usize,
        slots: &Bound<'_, PyAny>,
        keys: &Bound<'_, PyAny>,
        values: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let slots: PyReadonlyArray1<'_, i64> = array(slots, "slots", "int64 [tokens]")?;
        let keys = self.rows(keys, "keys")?;
        let values = self.rows(values, "values")?;
        let (slots, keys, values) = (slots.as_slice()?, keys.row()?, values.row()?);
        let pool = &self.pool;
        run(py, || pool.write(layer, slots, keys, values)).map_err(|error| kv_error(py, &error))
    }

    /// Keys and values of a sequence's first tokens, `[tokens, kv_heads, head_dim]` each.
    pub(super) fn read<'py>(
        &self,
        py: Python<'py>,
        layer: usize,
        table: &[u32],
        tokens: usize,
    ) -> PyResult<Rows<'py>> {
        let layout = *self.pool.layout();
        let numbers = tokens * layout.kv_heads * layout.head_dim;
        let (mut keys, mut values) = (vec![0.0; numbers], vec![0.0; numbers]);
        let pool = &self.pool;
        run(py, || {
            pool.gather(layer, table, tokens, &mut keys, &mut values)
        })
        .map_err(|error| kv_error(py, &error))?;
        let shape = [tokens, layout.kv_heads, layout.head_dim];
        Ok((
            PyArray1::from_vec(py, keys).reshape(shape)?,
            PyArray1::from_vec(py, values).reshape(shape)?,
        ))
    }

    /// What the last tokens of sequences see, `[rows, heads, head_dim]`.
    pub(super) fn attend<'py>(
        &self,
        py: Python<'py>,
        layer: usize,
        queries: &Bound<'py, PyAny>,
        sequences: &[(Vec<u32>, usize, usize)],
        attention: Attention,
    ) -> PyResult<Bound<'py, PyArray3<f32>>> {
        let queries: PyReadonlyArray3<'_, f32> =
            array(queries, "queries", "float32 [rows, heads, head_dim]")?;
        let [rows, heads, head_dim] = [0, 1, 2].map(|axis| queries.shape()[axis]);
        let mut out = vec![0.0; rows * heads * head_dim];
        let tables: Vec<&[u32]> = sequences.iter().map(|one| &one.0[..]).collect();
        let lengths: Vec<usize> = sequences.iter().map(|one| one.1).collect();
        let queries_of: Vec<usize> = sequences.iter().map(|one| one.2).collect();
        let batch = Batch {
            queries: queries.as_slice()?,
            heads,
            tables: &tables,
            lengths: &lengths,
            queries_of: &queries_of,
        };
        let pool = &self.pool;
        run(py, || pool.attend(layer, batch, attention, &mut out))
            .map_err(|error| kv_error(py, &error))?;
        PyArray1::from_vec(py, out).reshape([rows, heads, head_dim])
    }

    /// How scores are made, in this geometry.
    pub(super) fn attention(
        &self,
        scale: Option<f32>,
        soft_cap: Option<f32>,
        window: Option<usize>,
        threads: usize,
    ) -> Attention {
        let scale = scale.unwrap_or_else(|| (self.pool.layout().head_dim as f32).sqrt().recip());
        Attention {
            scaling: Scaling { scale, soft_cap },
            window,
            threads,
        }
    }

    fn rows<'py>(&self, given: &Bound<'py, PyAny>, name: &str) -> PyResult<Given<'py>> {
        let py = given.py();
        let expected =
            "float32, float16 or the bits of bfloat16 as uint16, [tokens, kv_heads, head_dim]";
        let kind = given
            .cast::<PyUntypedArray>()
            .map(PyUntypedArrayMethods::dtype);
        let is = |name: &str| match &kind {
            Ok(kind) => Ok(kind.is_equiv_to(&PyArrayDescr::new(py, name)?)),
            Err(_) => Ok::<_, PyErr>(false),
        };
        let (rows, shape) = if is("float16")? {
            // The same memory: this crate's arrays have no half precision.
            let bits = given.call_method1(intern!(py, "view"), (intern!(py, "uint16"),))?;
            let bits: PyReadonlyArray3<'py, u16> = array(&bits, name, expected)?;
            let shape = bits.shape().to_vec();
            (Given::F16(bits), shape)
        } else if is("uint16")? {
            let bits: PyReadonlyArray3<'py, u16> = array(given, name, expected)?;
            let shape = bits.shape().to_vec();
            (Given::Bf16(bits), shape)
        } else {
            let rows: PyReadonlyArray3<'py, f32> = array(given, name, expected)?;
            let shape = rows.shape().to_vec();
            (Given::F32(rows), shape)
        };
        let layout = self.pool.layout();
        if shape[1..] != [layout.kv_heads, layout.head_dim] {
            let problem = format!(
                "{name} must be [tokens, {}, {}], not {shape:?}",
                layout.kv_heads, layout.head_dim,
            );
            return Err(config_error(py, problem));
        }
        Ok(rows)
    }
}

/// Keys or values, read where they are.
enum Given<'py> {
    F32(PyReadonlyArray3<'py, f32>),
    F16(PyReadonlyArray3<'py, u16>),
    Bf16(PyReadonlyArray3<'py, u16>),
}

impl Given<'_> {
    fn row(&self) -> PyResult<Row<'_>> {
        Ok(match self {
            Self::F32(rows) => Row::F32(rows.as_slice()?),
            Self::F16(rows) => Row::F16(rows.as_slice()?),
            Self::Bf16(rows) => Row::Bf16(rows.as_slice()?),
        })
    }
}

/// An array of a type and a number of dimensions, whose numbers lie side by side.
fn array<'py, T: numpy::Element, D: numpy::ndarray::Dimension>(
    given: &Bound<'py, PyAny>,
    name: &str,
    expected: &str,
) -> PyResult<numpy::PyReadonlyArray<'py, T, D>> {
    match given.cast::<numpy::PyArray<T, D>>() {
        Ok(array) if array.is_c_contiguous() => Ok(array.try_readonly()?),
        _ => {
            let problem = format!("{name} must be {expected}, its numbers side by side");
            Err(config_error(given.py(), problem))
        }
    }
}
