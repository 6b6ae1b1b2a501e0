//! A device and its primary context, which torch and cupy share.

use std::sync::Arc;

use cudarc::driver::result::{DriverError, ctx, device, mem_get_info, primary_ctx};
use cudarc::driver::sys::{CUcontext, CUdevice, CUresult};

use crate::error::is_sticky;
use crate::modules::Modules;
use crate::probe::{DeviceInfo, probe_device};
use crate::{Buffer, DeviceError, Pinned, Stream};

/// A device that answered a probe. A handle: cloning it is cheap, and the context lives as long as any of them, of their
/// buffers and of their streams. May be used from every thread.
#[derive(Debug, Clone)]
pub struct Device(pub(crate) Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    device: CUdevice,
    context: CUcontext,
    info: DeviceInfo,
    pub(crate) modules: Modules,
}

// SAFETY: a context is a handle that the driver allows on every thread; the rest is atomic or locked.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Device {
    /// Retains the primary context of device `ordinal`.
    ///
    /// # Errors
    /// As [`crate::probe()`], and a driver that makes no context, for one because memory is short.
    pub fn open(ordinal: usize) -> Result<Self, DeviceError> {
        let info = probe_device(ordinal)?;
        let device = check("cuDeviceGet", device::get(ordinal as i32))?;
        // SAFETY: `device` is of the driver.
        let retained = unsafe { primary_ctx::retain(device) };
        let context = check("cuDevicePrimaryCtxRetain", retained)?;
        Ok(Self(Arc::new(Shared {
            device,
            context,
            info,
            modules: Modules::default(),
        })))
    }

    /// What the device is.
    pub fn info(&self) -> &DeviceInfo {
        &self.0.info
    }

    /// Free and whole memory, in bytes.
    ///
    /// # Errors
    /// A lost device.
    pub fn memory(&self) -> Result<(usize, usize), DeviceError> {
        self.0.bind()?;
        check("cuMemGetInfo", mem_get_info())
    }

    /// A new stream, which does not wait for the null stream.
    ///
    /// # Errors
    /// A lost device.
    pub fn stream(&self) -> Result<Stream, DeviceError> {
        Stream::new(self)
    }

    /// Memory of the device. Its bytes are whatever they were.
    ///
    /// # Errors
    /// [`DeviceError::OutOfMemory`], with what is free; a lost device.
    pub fn allocate(&self, bytes: usize) -> Result<Buffer, DeviceError> {
        Buffer::new(self, bytes)
    }

    /// Memory of the host that the device reads and writes by itself.
    ///
    /// # Errors
    /// As [`Device::allocate`].
    pub fn pinned(&self, bytes: usize) -> Result<Pinned, DeviceError> {
        Pinned::new(self, bytes)
    }
}

impl Shared {
    /// Makes the context this thread's, which every call but a few has to be preceded by.
    pub(crate) fn bind(&self) -> Result<(), DeviceError> {
        // SAFETY: the context was retained when `self` was made and is released when it is dropped.
        let bound = unsafe { ctx::set_current(self.context) };
        check("cuCtxSetCurrent", bound)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.modules.unload(self.bind().is_ok());
        // SAFETY: retained once in `open`. What it says matters to nobody any more.
        let _ = unsafe { primary_ctx::release(self.device) };
    }
}

/// The value, or what the driver said.
pub(crate) fn check<T>(
    call: &'static str,
    result: Result<T, DriverError>,
) -> Result<T, DeviceError> {
    check_memory(call, result, 0)
}

/// The same of a call that asks for `needed` bytes.
pub(crate) fn check_memory<T>(
    call: &'static str,
    result: Result<T, DriverError>,
    needed: usize,
) -> Result<T, DeviceError> {
    result.map_err(|error| {
        let code = error.0;
        if code == CUresult::CUDA_ERROR_OUT_OF_MEMORY {
            let free = mem_get_info().map_or(0, |(free, _)| free);
            return DeviceError::OutOfMemory { needed, free };
        }
        let name = error.error_name().map_or_else(
            |_| "of no name".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        );
        let code = code as u32;
        if is_sticky(error.0) {
            DeviceError::Lost { call, code, name }
        } else {
            DeviceError::Driver { call, code, name }
        }
    })
}
