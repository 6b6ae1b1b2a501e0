//! The memory of the pages, on whichever device.

use std::any::Any;
use std::sync::Arc;

use inferail_kv::Error;
use inferail_kv::store::{Attention, Batch, Cpu, Cuda, Layout, Row, Sizes, Store};
use pyo3::prelude::*;

use crate::dlpack::{CPU, CUDA};
use crate::error::config_error;

/// Where pages are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Cpu,
    Cuda(u16),
}

impl Place {
    /// `cpu`, `cuda` or `cuda:1`.
    pub(super) fn given(py: Python<'_>, device: &str) -> PyResult<Self> {
        let number = match device {
            "cpu" => return Ok(Self::Cpu),
            "cuda" => Some(0),
            other => other
                .strip_prefix("cuda:")
                .and_then(|number| number.parse().ok()),
        };
        number.map(Self::Cuda).ok_or_else(|| {
            let problem =
                format!("device must be \"cpu\", \"cuda\" or \"cuda:1\" and so on, not {device:?}");
            config_error(py, problem)
        })
    }
}

/// Pages in memory or on a GPU. A handle.
#[derive(Debug, Clone)]
pub(super) enum Pool {
    Cpu(Arc<Cpu>),
    Cuda(Arc<Cuda>, u16),
}

impl Pool {
    pub(super) fn new(layout: Layout, place: Place) -> Result<Self, Error> {
        Ok(match place {
            Place::Cpu => Self::Cpu(Arc::new(Cpu::new(layout)?)),
            Place::Cuda(number) => {
                Self::Cuda(Arc::new(Cuda::new(layout, usize::from(number))?), number)
            }
        })
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Cpu(store) => store.clone(),
            Self::Cuda(store, _) => store.clone(),
        }
    }

    /// What keeps the memory where it is.
    pub(super) fn owner(&self) -> Arc<dyn Any + Send + Sync> {
        match self {
            Self::Cpu(store) => store.clone(),
            Self::Cuda(store, _) => store.clone(),
        }
    }

    /// Kind and number, as DLPack has them.
    pub(super) fn device(&self) -> (i32, i32) {
        match self {
            Self::Cpu(_) => (CPU, 0),
            Self::Cuda(_, number) => (CUDA, i32::from(*number)),
        }
    }

    pub(super) fn layout(&self) -> &Layout {
        match self {
            Self::Cpu(store) => store.layout(),
            Self::Cuda(store, _) => store.layout(),
        }
    }

    pub(super) fn sizes(&self) -> Sizes {
        match self {
            Self::Cpu(store) => store.sizes(),
            Self::Cuda(store, _) => store.sizes(),
        }
    }

    /// The address of a layer's first byte.
    pub(super) fn address(&self, layer: usize) -> Result<usize, Error> {
        match self {
            Self::Cpu(store) => store.address(layer),
            Self::Cuda(store, _) => Ok(store.layer(layer)?.address() as usize),
        }
    }

    /// Waits for what runs on the pages: whoever looks at them afterwards sees it, on every stream.
    pub(super) fn synchronize(&self) -> Result<(), Error> {
        match self {
            Self::Cpu(_) => Ok(()),
            Self::Cuda(store, _) => Ok(store.stream().synchronize()?),
        }
    }

    pub(super) fn write(
        &self,
        layer: usize,
        slots: &[i64],
        keys: Row<'_>,
        values: Row<'_>,
    ) -> Result<(), Error> {
        match self {
            Self::Cpu(store) => store.write(layer, slots, keys, values),
            Self::Cuda(store, _) => store.write(layer, slots, keys, values),
        }
    }

    pub(super) fn gather(
        &self,
        layer: usize,
        table: &[u32],
        tokens: usize,
        keys: &mut [f32],
        values: &mut [f32],
    ) -> Result<(), Error> {
        match self {
            Self::Cpu(store) => store.gather(layer, table, tokens, keys, values),
            Self::Cuda(store, _) => store.gather(layer, table, tokens, keys, values),
        }
    }

    pub(super) fn attend(
        &self,
        layer: usize,
        batch: Batch<'_>,
        attention: Attention,
        out: &mut [f32],
    ) -> Result<(), Error> {
        match self {
            Self::Cpu(store) => store.attend(layer, batch, attention, out, None),
            Self::Cuda(store, _) => store.attend(layer, batch, attention, out, None),
        }
    }
}
