//! Streams and events: every copy and launch names its stream.

use cudarc::driver::result::{
    event, memcpy_dtoh_async, memcpy_htod_async, memset_d8_async, stream,
};
use cudarc::driver::sys::{CUevent, CUevent_flags, CUevent_wait_flags, CUfunction, CUstream};

use crate::device::check;
use crate::error::shape;
use crate::geometry::Grid;
use crate::params::Params;
use crate::{Device, DeviceError, Pinned, View};

/// An order of work on a device. Used from every thread; what two threads give it runs in some order.
#[derive(Debug)]
pub struct Stream {
    device: Device,
    handle: CUstream,
    owned: bool,
}

// SAFETY: a stream is a handle that the driver allows on every thread.
unsafe impl Send for Stream {}
// SAFETY: as above.
unsafe impl Sync for Stream {}

impl Stream {
    pub(crate) fn new(device: &Device) -> Result<Self, DeviceError> {
        device.0.bind()?;
        let created = stream::create(stream::StreamKind::NonBlocking);
        let handle = check("cuStreamCreate", created)?;
        Ok(Self {
            device: device.clone(),
            handle,
            owned: true,
        })
    }

    /// A stream of another library, by its handle: 0 is the null stream, 1 the legacy and 2 the per-thread one.
    ///
    /// # Safety
    /// The handle must be of this device's primary context, and live as long as what is made here.
    pub unsafe fn foreign(device: &Device, handle: usize) -> Self {
        Self {
            device: device.clone(),
            handle: std::ptr::without_provenance_mut(handle),
            owned: false,
        }
    }

    /// Its device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Its handle, for other libraries.
    pub fn handle(&self) -> usize {
        self.handle.addr()
    }

    /// Waits until everything given to it is done.
    ///
    /// # Errors
    /// [`DeviceError::Lost`] where a kernel ended badly.
    pub fn synchronize(&self) -> Result<(), DeviceError> {
        self.device.0.bind()?;
        // SAFETY: the handle is alive: our own until we are dropped, another's as promised.
        let done = unsafe { stream::synchronize(self.handle) };
        check("cuStreamSynchronize", done)
    }

    /// Marks this place in the stream.
    ///
    /// # Errors
    /// A lost device.
    pub fn record(&self) -> Result<Event, DeviceError> {
        self.device.0.bind()?;
        let flags = CUevent_flags::CU_EVENT_DISABLE_TIMING;
        let handle = check("cuEventCreate", event::create(flags))?;
        let made = Event {
            device: self.device.clone(),
            handle,
        };
        // SAFETY: both are alive.
        let recorded = unsafe { event::record(handle, self.handle) };
        check("cuEventRecord", recorded)?;
        Ok(made)
    }

    /// Lets what follows in this stream begin only after `event`, of any stream. Does not wait itself.
    ///
    /// # Errors
    /// A lost device.
    pub fn wait(&self, event: &Event) -> Result<(), DeviceError> {
        self.device.0.bind()?;
        let flags = CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT;
        // SAFETY: both are alive.
        let waited = unsafe { stream::wait_event(self.handle, event.handle, flags) };
        check("cuStreamWaitEvent", waited)
    }

    /// Copies `from` to the beginning of `to`, and waits.
    ///
    /// # Errors
    /// A view that is too short; a lost device.
    pub fn upload<T: Plain>(&self, from: &[T], to: &View) -> Result<(), DeviceError> {
        let address = to.checked("what is copied to", Some(size_of_val(from)), 1)?;
        self.device.0.bind()?;
        // SAFETY: the view has the bytes; `from` is borrowed until the copy is done, below.
        let copied = unsafe { memcpy_htod_async(address, from, self.handle) };
        let copied = check("cuMemcpyHtoDAsync", copied);
        self.synchronize()?;
        copied
    }

    /// Copies the beginning of `from` into `to`, and waits.
    ///
    /// # Errors
    /// A view that is too short; a lost device.
    pub fn download<T: Plain>(&self, from: &View, to: &mut [T]) -> Result<(), DeviceError> {
        let address = from.checked("what is copied from", Some(size_of_val(to)), 1)?;
        self.device.0.bind()?;
        // SAFETY: the view has the bytes; `to` is borrowed until the copy is done, below; any bytes are a `Plain`.
        let copied = unsafe { memcpy_dtoh_async(to, address, self.handle) };
        let copied = check("cuMemcpyDtoHAsync", copied);
        self.synchronize()?;
        copied
    }

    /// Begins to copy all of `from` to the beginning of `to`.
    ///
    /// # Errors
    /// A view that is too short; a lost device.
    pub fn begin_upload(&self, from: Pinned, to: &View) -> Result<Transfer, DeviceError> {
        let address = to.checked("what is copied to", Some(from.as_slice().len()), 1)?;
        self.device.0.bind()?;
        // SAFETY: the view has the bytes; the transfer holds both ends until the copy is done.
        let copied = unsafe { memcpy_htod_async(address, from.as_slice(), self.handle) };
        self.finish_transfer("cuMemcpyHtoDAsync", copied, from, to)
    }

    /// Begins to copy the beginning of `from` into all of `to`.
    ///
    /// # Errors
    /// A view that is too short; a lost device.
    pub fn begin_download(&self, from: &View, mut to: Pinned) -> Result<Transfer, DeviceError> {
        let address = from.checked("what is copied from", Some(to.as_slice().len()), 1)?;
        self.device.0.bind()?;
        // SAFETY: the view has the bytes; the transfer holds both ends until the copy is done.
        let copied = unsafe { memcpy_dtoh_async(to.as_mut_slice(), address, self.handle) };
        self.finish_transfer("cuMemcpyDtoHAsync", copied, to, from)
    }

    fn finish_transfer(
        &self,
        call: &'static str,
        copied: Result<(), cudarc::driver::result::DriverError>,
        host: Pinned,
        device: &View,
    ) -> Result<Transfer, DeviceError> {
        check(call, copied)?;
        match self.record() {
            Ok(event) => Ok(Transfer {
                event,
                host: Some(host),
                _device: device.clone(),
            }),
            Err(error) => {
                // Without an event there is no telling when the copy ends, so both ends are held until all has.
                if self.synchronize().is_err() {
                    std::mem::forget(host);
                }
                Err(error)
            }
        }
    }

    /// Sets every byte of `view`.
    ///
    /// # Errors
    /// A lost device.
    pub fn fill(&self, view: &View, byte: u8) -> Result<(), DeviceError> {
        if view.bytes() == 0 {
            return Ok(());
        }
        self.device.0.bind()?;
        // SAFETY: the view has the bytes, and is freed only after all work is done.
        let filled = unsafe { memset_d8_async(view.address(), byte, view.bytes(), self.handle) };
        check("cuMemsetD8Async", filled)
    }

    /// Launches a kernel with the one struct that it takes.
    ///
    /// # Safety
    /// `function` must take a `P`, whose addresses have as many bytes behind them as the kernel touches.
    pub(crate) unsafe fn launch<P: Params>(
        &self,
        function: CUfunction,
        grid: Grid,
        mut params: P,
    ) -> Result<(), DeviceError> {
        let Grid { blocks, threads } = grid;
        if blocks.0 > i32::MAX as u32 || blocks.1 > 65_535 || blocks.2 > 65_535 {
            return Err(shape(
                "a launch",
                "at most 2147483647 x 65535 x 65535",
                format!("{blocks:?}"),
            ));
        }
        self.device.0.bind()?;
        let mut arguments = [(&raw mut params).cast()];
        // SAFETY: the driver copies the struct before it returns; the rest is the caller's promise.
        let launched = unsafe {
            cudarc::driver::result::launch_kernel(
                function,
                blocks,
                (threads, 1, 1),
                0,
                self.handle,
                &mut arguments,
            )
        };
        check("cuLaunchKernel", launched)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.owned && self.device.0.bind().is_ok() {
            // Modules and other libraries' memory must outlive what runs here.
            // SAFETY: made in `new` and alive.
            let _ = unsafe { stream::synchronize(self.handle) };
            // SAFETY: as above, destroyed nowhere else.
            let _ = unsafe { stream::destroy(self.handle) };
        }
    }
}

/// A place in a stream.
#[derive(Debug)]
pub struct Event {
    device: Device,
    handle: CUevent,
}

// SAFETY: an event is a handle that the driver allows on every thread.
unsafe impl Send for Event {}
// SAFETY: as above.
unsafe impl Sync for Event {}

impl Event {
    /// Waits until the stream has passed it.
    ///
    /// # Errors
    /// [`DeviceError::Lost`] where a kernel before it ended badly.
    pub fn synchronize(&self) -> Result<(), DeviceError> {
        self.device.0.bind()?;
        // SAFETY: the event is alive.
        let done = unsafe { event::synchronize(self.handle) };
        check("cuEventSynchronize", done)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        if self.device.0.bind().is_ok() {
            // SAFETY: made in `record`, destroyed nowhere else.
            let _ = unsafe { event::destroy(self.handle) };
        }
    }
}

/// A copy under way. It holds what it copies from and to until it is done.
#[derive(Debug)]
pub struct Transfer {
    event: Event,
    host: Option<Pinned>,
    _device: View,
}

impl Transfer {
    /// Waits, and gives the host's memory back.
    ///
    /// # Errors
    /// A lost device.
    pub fn finish(mut self) -> Result<Pinned, DeviceError> {
        self.event.synchronize()?;
        self.host
            .take()
            .ok_or_else(|| shape("a transfer", "finished once", "finished"))
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        // What may still be written is not freed: better a leak than a write into memory of others.
        if self.host.is_some() && self.event.synchronize().is_err() {
            std::mem::forget(self.host.take());
        }
    }
}

/// Numbers whose every bit pattern is one, without padding.
///
/// # Safety
/// Exactly that.
pub unsafe trait Plain: Copy {}
// SAFETY: any byte is one.
unsafe impl Plain for u8 {}
// SAFETY: any two bytes are one.
unsafe impl Plain for u16 {}
// SAFETY: any four bytes are one.
unsafe impl Plain for i32 {}
// SAFETY: any eight bytes are one.
unsafe impl Plain for i64 {}
// SAFETY: any four bytes are one.
unsafe impl Plain for f32 {}
