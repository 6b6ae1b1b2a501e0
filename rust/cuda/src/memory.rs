//! Memory of the device and pinned memory of the host, and views that know where they end.

use std::any::Any;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;

use cudarc::driver::result::{free_host, free_sync, malloc_host, malloc_sync};
use cudarc::driver::sys;

use crate::device::{check, check_memory};
use crate::error::shape;
use crate::{Device, DeviceError};

/// One allocation of the device, freed when the last view of it is dropped.
///
/// A cache takes one for all of its pages: raw pointers into it, and no event for each slice as cudarc's own buffers have,
/// which cost two a launch and forbid what CUDA graphs record.
#[derive(Debug, Clone)]
pub struct Buffer(Arc<Memory>);

#[derive(Debug)]
struct Memory {
    device: Device,
    address: u64,
    bytes: usize,
}

impl Buffer {
    pub(crate) fn new(device: &Device, bytes: usize) -> Result<Self, DeviceError> {
        device.0.bind()?;
        // SAFETY: any size may be asked for; 0 is made 1, as the driver refuses it.
        let allocated = unsafe { malloc_sync(bytes.max(1)) };
        let address = check_memory("cuMemAlloc", allocated, bytes)?;
        Ok(Self(Arc::new(Memory {
            device: device.clone(),
            address,
            bytes,
        })))
    }

    /// Bytes of it.
    pub fn bytes(&self) -> usize {
        self.0.bytes
    }

    /// Where it is, for other libraries: it stays there as long as a clone or view of it lives.
    pub fn address(&self) -> u64 {
        self.0.address
    }

    /// All of it.
    pub fn view(&self) -> View {
        View {
            address: self.0.address,
            bytes: self.0.bytes,
            owner: self.0.clone(),
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.device.0.bind().is_ok() {
            // SAFETY: allocated in `new` and freed nowhere else; the driver waits for work that uses it.
            let _ = unsafe { free_sync(self.address) };
        }
    }
}

/// Bytes of the device, with what keeps them alive.
#[derive(Clone)]
pub struct View {
    address: u64,
    bytes: usize,
    owner: Arc<dyn Any + Send + Sync>,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View")
            .field("address", &self.address)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl View {
    /// Memory of another library (a tensor of torch), kept alive by `owner`. The driver is asked whether its first and
    /// last byte are allocated.
    ///
    /// # Errors
    /// [`DeviceError::UnsupportedShape`] for an address that is not the device's; a lost device.
    pub fn foreign(
        device: &Device,
        address: u64,
        bytes: usize,
        owner: Arc<dyn Any + Send + Sync>,
    ) -> Result<Self, DeviceError> {
        device.0.bind()?;
        // A tensor in memory that grew by mapping (torch's expandable segments) may lie in more than one range.
        for at in [
            Some(address),
            address.checked_add(bytes.saturating_sub(1) as u64),
        ] {
            let mut range = (0, 0);
            // SAFETY: cuMemGetAddressRange writes the two numbers and reads nothing at the address.
            let code = unsafe {
                sys::cuMemGetAddressRange_v2(&raw mut range.0, &raw mut range.1, at.unwrap_or(0))
            };
            match check("cuMemGetAddressRange", code.result()) {
                Ok(()) => {}
                Err(lost @ DeviceError::Lost { .. }) => return Err(lost),
                Err(_) => {
                    return Err(shape(
                        "an array",
                        "allocated on this CUDA device",
                        format!("{bytes} bytes at {address:#x}"),
                    ));
                }
            }
        }
        Ok(Self {
            address,
            bytes,
            owner,
        })
    }

    /// Bytes `[offset, offset + bytes)` of it.
    ///
    /// # Errors
    /// [`DeviceError::UnsupportedShape`] where it has not as many.
    pub fn part(&self, offset: usize, bytes: usize) -> Result<Self, DeviceError> {
        if offset.checked_add(bytes).is_none_or(|end| end > self.bytes) {
            let value = format!("{bytes} at {offset}");
            return Err(shape(
                "a part",
                format!("within {} bytes", self.bytes),
                value,
            ));
        }
        Ok(Self {
            address: self.address + offset as u64,
            bytes,
            owner: self.owner.clone(),
        })
    }

    /// Bytes of it.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where it is on the device.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// The address, if there are at least `bytes` behind it and it is a multiple of `alignment`.
    pub(crate) fn checked(
        &self,
        name: &'static str,
        bytes: Option<usize>,
        alignment: u64,
    ) -> Result<u64, DeviceError> {
        let Some(bytes) = bytes.filter(|bytes| *bytes <= self.bytes) else {
            let needed = bytes.map_or_else(|| "fewer".to_owned(), |bytes| bytes.to_string());
            return Err(shape(name, format!("{needed} bytes or more"), self.bytes));
        };
        if bytes > 0 && !self.address.is_multiple_of(alignment) {
            return Err(shape(
                name,
                format!("at a multiple of {alignment} bytes"),
                self.address,
            ));
        }
        Ok(self.address)
    }
}

/// Memory of the host that stays in place, so that copies run beside both processors.
///
/// Not write-combined, as cudarc's `alloc_pinned` is: the processor reads that at a small part of the speed, and what
/// comes from a device is read to be checked and written to disk.
#[derive(Debug)]
pub struct Pinned {
    device: Device,
    address: NonNull<u8>,
    bytes: usize,
}

// SAFETY: plain memory with one owner.
unsafe impl Send for Pinned {}
// SAFETY: shared references only read it.
unsafe impl Sync for Pinned {}

impl Pinned {
    pub(crate) fn new(device: &Device, bytes: usize) -> Result<Self, DeviceError> {
        device.0.bind()?;
        // SAFETY: any size may be asked for; no flags: not write-combined.
        let allocated = unsafe { malloc_host(bytes.max(1), 0) };
        let address = check_memory("cuMemHostAlloc", allocated, bytes)?;
        let Some(address) = NonNull::new(address.cast::<u8>()) else {
            return Err(DeviceError::OutOfMemory {
                needed: bytes,
                free: 0,
            });
        };
        // SAFETY: `bytes` bytes were just allocated there; they become zeros, as a slice must not be uninitialised.
        unsafe { address.as_ptr().write_bytes(0, bytes) };
        Ok(Self {
            device: device.clone(),
            address,
            bytes,
        })
    }

    /// Its bytes.
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: `bytes` initialised bytes, which nobody writes while `self` is borrowed: copies borrow it until they
        // are waited for.
        unsafe { std::slice::from_raw_parts(self.address.as_ptr(), self.bytes) }
    }

    /// Its bytes, to be written.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.address.as_ptr(), self.bytes) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if self.device.0.bind().is_ok() {
            // SAFETY: allocated in `new`, freed nowhere else.
            let _ = unsafe { free_host(self.address.as_ptr().cast::<c_void>()) };
        }
    }
}
