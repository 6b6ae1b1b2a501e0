//! Memory handed to numpy, torch and everyone else who speaks `DLPack`, without a copy.
#![expect(
    unsafe_code,
    reason = "DLPack hands out pointers: one of the two files of this crate that may"
)]

use std::any::Any;
use std::ffi::{CStr, c_void};
use std::sync::Arc;

use pyo3::ffi;
use pyo3::prelude::*;

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Signed = 0,
    Unsigned = 1,
    Float = 2,
    Bfloat = 4,
    Float8E4m3fn = 10,
}

/// The kind of memory that every program has.
pub(crate) const CPU: i32 = 1;
/// That of NVIDIA's GPUs.
pub(crate) const CUDA: i32 = 2;

/// Numbers at an address, and what keeps them there.
#[derive(Debug, Clone)]
pub(crate) struct Exported {
    pub(crate) owner: Arc<dyn Any + Send + Sync>,
    /// Of the first number; whose provenance is exposed.
    pub(crate) address: usize,
    /// Kind and number of the device.
    pub(crate) device: (i32, i32),
    pub(crate) kind: Kind,
    pub(crate) bits: u8,
    pub(crate) shape: Vec<i64>,
    /// From one index to the next, in numbers.
    pub(crate) strides: Vec<i64>,
}

/// Names of capsules that nobody has taken yet.
const PLAIN: &CStr = c"dltensor";
const VERSIONED: &CStr = c"dltensor_versioned";

#[repr(C)]
#[derive(Debug)]
struct Tensor {
    data: *mut c_void,
    device_kind: i32,
    device: i32,
    dimensions: i32,
    kind: u8,
    bits: u8,
    lanes: u16,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

/// `DLManagedTensor`.
#[repr(C)]
#[derive(Debug)]
struct Plain {
    tensor: Tensor,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Self)>,
}

/// `DLManagedTensorVersioned`.
#[repr(C)]
#[derive(Debug)]
struct Versioned {
    major: u32,
    minor: u32,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Self)>,
    flags: u64,
    tensor: Tensor,
}

/// What a consumer gets, first, and what has to live as long as it. Its address does not change till it is dropped.
#[repr(C)]
struct Owned<T> {
    managed: T,
    shape: Box<[i64]>,
    strides: Box<[i64]>,
    _owner: Arc<dyn Any + Send + Sync>,
}

impl Exported {
    /// A capsule for a consumer's `from_dlpack`: `DLManagedTensorVersioned` 1.0, or the older one without a version.
    pub(crate) fn capsule<'py>(
        &self,
        py: Python<'py>,
        versioned: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        if versioned {
            let owned = self.owned(|tensor| Versioned {
                major: 1,
                minor: 0,
                context: std::ptr::null_mut(),
                deleter: Some(delete::<Versioned>),
                flags: 0,
                tensor,
            });
            new_capsule(py, owned)
        } else {
            let owned = self.owned(|tensor| Plain {
                tensor,
                context: std::ptr::null_mut(),
                deleter: Some(delete::<Plain>),
            });
            new_capsule(py, owned)
        }
    }

    /// The memory as a tensor, whose `managed` part `make` makes of it.
    fn owned<T: Managed>(&self, make: impl FnOnce(Tensor) -> T) -> *mut Owned<T> {
        let mut owned = Box::new(Owned {
            managed: make(Tensor {
                data: std::ptr::with_exposed_provenance_mut(self.address),
                device_kind: self.device.0,
                device: self.device.1,
                dimensions: self.shape.len() as i32,
                kind: self.kind as u8,
                bits: self.bits,
                lanes: 1,
                shape: std::ptr::null_mut(),
                strides: std::ptr::null_mut(),
                byte_offset: 0,
            }),
            shape: self.shape.clone().into(),
            strides: self.strides.clone().into(),
            _owner: self.owner.clone(),
        });
        let (shape, strides) = (owned.shape.as_mut_ptr(), owned.strides.as_mut_ptr());
        let tensor = owned.managed.tensor();
        tensor.shape = shape;
        tensor.strides = strides;
        Box::into_raw(owned)
    }
}

/// The two kinds of managed tensors.
trait Managed: Sized {
    const NAME: &'static CStr;

    fn tensor(&mut self) -> &mut Tensor;
}

impl Managed for Plain {
    const NAME: &'static CStr = PLAIN;

    fn tensor(&mut self) -> &mut Tensor {
        &mut self.tensor
    }
}

impl Managed for Versioned {
    const NAME: &'static CStr = VERSIONED;

    fn tensor(&mut self) -> &mut Tensor {
        &mut self.tensor
    }
}

/// Ends a tensor that a consumer has done with, on whatever thread.
unsafe extern "C" fn delete<T>(managed: *mut T) {
    // SAFETY: consumers pass what they were given, once: it is the first part of an `Owned` that `Box::into_raw` gave.
    drop(unsafe { Box::from_raw(managed.cast::<Owned<T>>()) });
}

/// Ends the tensor of a capsule that nobody took: a consumer renames the capsule.
unsafe extern "C" fn destroy<T: Managed>(capsule: *mut ffi::PyObject) {
    // SAFETY: Python calls it with the capsule, which is alive till it returns.
    if unsafe { ffi::PyCapsule_IsValid(capsule, T::NAME.as_ptr()) } == 0 {
        return;
    }
    // SAFETY: as above, and it has this name.
    let managed = unsafe { ffi::PyCapsule_GetPointer(capsule, T::NAME.as_ptr()) };
    // SAFETY: it still has its first name, so that nobody else ends the tensor.
    unsafe { delete(managed.cast::<T>()) };
}

fn new_capsule<T: Managed>(py: Python<'_>, owned: *mut Owned<T>) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: the pointer is not null, the name lives for ever, and the destructor is for tensors of this kind.
    let made = unsafe { ffi::PyCapsule_New(owned.cast(), T::NAME.as_ptr(), Some(destroy::<T>)) };
    if made.is_null() {
        // SAFETY: there is no capsule that would end the tensor.
        unsafe { delete(owned.cast::<T>()) };
        return Err(PyErr::fetch(py));
    }
    // SAFETY: it is a new reference, ours to keep.
    Ok(unsafe { Bound::from_owned_ptr(py, made) })
}
