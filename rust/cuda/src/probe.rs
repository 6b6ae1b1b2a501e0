//! Whether there is a device, found out without cudarc: it panics where a library or a function is missing.

use std::ffi::{c_char, c_int, c_uint};
use std::sync::OnceLock;

use libloading::Library;

use crate::DeviceError;

/// The least version of CUDA that a driver has to support: PTX 8.0, driver 525.
pub const NEEDED_VERSION: (u32, u32) = (12, 0);

/// Every function of the driver that this crate has cudarc call, and those of the probe. `tests/driver.rs` runs
/// everything against a library that has these and no others.
pub const SYMBOLS: [&str; 32] = [
    "cuCtxSetCurrent",
    "cuDeviceGet",
    "cuDeviceGetAttribute",
    "cuDeviceGetCount",
    "cuDeviceGetName",
    "cuDevicePrimaryCtxRelease_v2",
    "cuDevicePrimaryCtxRetain",
    "cuDeviceTotalMem_v2",
    "cuDriverGetVersion",
    "cuEventCreate",
    "cuEventDestroy_v2",
    "cuEventRecord",
    "cuEventSynchronize",
    "cuGetErrorName",
    "cuInit",
    "cuLaunchKernel",
    "cuMemAlloc_v2",
    "cuMemFreeHost",
    "cuMemFree_v2",
    "cuMemGetAddressRange_v2",
    "cuMemGetInfo_v2",
    "cuMemHostAlloc",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyHtoDAsync_v2",
    "cuMemsetD8Async",
    "cuModuleGetFunction",
    "cuModuleLoadData",
    "cuModuleUnload",
    "cuStreamCreate",
    "cuStreamDestroy_v2",
    "cuStreamSynchronize",
    "cuStreamWaitEvent",
];

/// What the first device is, as far as can be told without making a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// As the driver names it.
    pub name: String,
    /// Compute capability.
    pub capability: (u32, u32),
    /// Multiprocessors.
    pub multiprocessors: u32,
    /// Memory, in bytes.
    pub memory_bytes: usize,
    /// What version of CUDA the driver supports.
    pub driver: (u32, u32),
    /// Devices of the machine.
    pub devices: usize,
}

const ATTRIBUTE_MULTIPROCESSORS: c_int = 16;
const ATTRIBUTE_CAPABILITY_MAJOR: c_int = 75;
const ATTRIBUTE_CAPABILITY_MINOR: c_int = 76;
const ERROR_NO_DEVICE: c_uint = 100;
const ERROR_INVALID_DEVICE: c_uint = 101;

/// The first device. Makes no context and takes no memory; opens the driver's library, which `import inferail` never does.
///
/// # Errors
/// [`DeviceError::NoLibrary`], [`DeviceError::MissingSymbol`], [`DeviceError::NoDevice`], [`DeviceError::OldDriver`],
/// [`DeviceError::OldDevice`], or [`DeviceError::Driver`] for what the driver itself says.
pub fn probe() -> Result<DeviceInfo, DeviceError> {
    probe_device(0)
}

/// Device `ordinal`.
///
/// # Errors
/// As [`probe`].
pub fn probe_device(ordinal: usize) -> Result<DeviceInfo, DeviceError> {
    let driver = Driver::open()?;
    driver.init(ordinal)?;
    let version = driver.number("cuDriverGetVersion", |function, out| {
        // SAFETY: cuDriverGetVersion(int*), and `out` is an int.
        unsafe { function(out) }
    })?;
    let version = (version / 1000, version % 1000 / 10);
    if version < NEEDED_VERSION {
        return Err(DeviceError::OldDriver {
            found: version,
            needed: NEEDED_VERSION,
        });
    }
    let devices = driver.number("cuDeviceGetCount", |function, out| {
        // SAFETY: cuDeviceGetCount(int*), and `out` is an int.
        unsafe { function(out) }
    })? as usize;
    if ordinal >= devices {
        return Err(DeviceError::NoDevice { ordinal });
    }
    let device = driver.device(ordinal)?;
    let info = DeviceInfo {
        name: driver.name(device)?,
        capability: (
            driver.attribute(ATTRIBUTE_CAPABILITY_MAJOR, device)?,
            driver.attribute(ATTRIBUTE_CAPABILITY_MINOR, device)?,
        ),
        multiprocessors: driver.attribute(ATTRIBUTE_MULTIPROCESSORS, device)?,
        memory_bytes: driver.memory(device)?,
        driver: version,
        devices,
    };
    if info.capability < (8, 0) {
        return Err(DeviceError::OldDevice {
            name: info.name,
            found: info.capability,
        });
    }
    Ok(info)
}

type OneInt = unsafe extern "C" fn(*mut c_int) -> c_uint;

/// The library that cudarc will find, held open for good: its functions are called from everywhere.
struct Driver(&'static Library);

impl Driver {
    fn open() -> Result<Self, DeviceError> {
        static LIBRARY: OnceLock<Library> = OnceLock::new();
        if let Some(library) = LIBRARY.get() {
            return Ok(Self(library));
        }
        let library = load()?;
        for symbol in SYMBOLS {
            // SAFETY: the symbol is looked up and not called; its type does not matter.
            let found = unsafe { library.get::<*const ()>(symbol.as_bytes()) };
            if found.is_err() {
                return Err(DeviceError::MissingSymbol { symbol });
            }
        }
        Ok(Self(LIBRARY.get_or_init(|| library)))
    }

    fn get<F: Copy>(&self, symbol: &'static str) -> Result<F, DeviceError> {
        // SAFETY: each caller names the type that the driver's header gives the function.
        let found = unsafe { self.0.get::<F>(symbol.as_bytes()) };
        match found {
            Ok(function) => Ok(*function),
            Err(_) => Err(DeviceError::MissingSymbol { symbol }),
        }
    }

    fn init(&self, ordinal: usize) -> Result<(), DeviceError> {
        let function = self.get::<unsafe extern "C" fn(c_uint) -> c_uint>("cuInit")?;
        // SAFETY: cuInit(unsigned), which takes 0 and may be called again.
        let code = unsafe { function(0) };
        match code {
            ERROR_NO_DEVICE => Err(DeviceError::NoDevice { ordinal }),
            code => Self::check("cuInit", code),
        }
    }

    fn number(
        &self,
        symbol: &'static str,
        call: impl FnOnce(OneInt, *mut c_int) -> c_uint,
    ) -> Result<u32, DeviceError> {
        let mut out = 0;
        Self::check(symbol, call(self.get(symbol)?, &raw mut out))?;
        Ok(out.max(0).unsigned_abs())
    }

    fn device(&self, ordinal: usize) -> Result<c_int, DeviceError> {
        let function =
            self.get::<unsafe extern "C" fn(*mut c_int, c_int) -> c_uint>("cuDeviceGet")?;
        let mut device = 0;
        // SAFETY: cuDeviceGet(CUdevice*, int), and a CUdevice is an int.
        let code = unsafe { function(&raw mut device, ordinal as c_int) };
        if code == ERROR_INVALID_DEVICE {
            return Err(DeviceError::NoDevice { ordinal });
        }
        Self::check("cuDeviceGet", code)?;
        Ok(device)
    }

    fn attribute(&self, attribute: c_int, device: c_int) -> Result<u32, DeviceError> {
        let function = self.get::<unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_uint>(
            "cuDeviceGetAttribute",
        )?;
        let mut value = 0;
        // SAFETY: cuDeviceGetAttribute(int*, CUdevice_attribute, CUdevice), all ints.
        let code = unsafe { function(&raw mut value, attribute, device) };
        Self::check("cuDeviceGetAttribute", code)?;
        Ok(value.max(0).unsigned_abs())
    }

    fn memory(&self, device: c_int) -> Result<usize, DeviceError> {
        let function =
            self.get::<unsafe extern "C" fn(*mut usize, c_int) -> c_uint>("cuDeviceTotalMem_v2")?;
        let mut bytes = 0;
        // SAFETY: cuDeviceTotalMem_v2(size_t*, CUdevice).
        let code = unsafe { function(&raw mut bytes, device) };
        Self::check("cuDeviceTotalMem_v2", code)?;
        Ok(bytes)
    }

    fn name(&self, device: c_int) -> Result<String, DeviceError> {
        let function = self
            .get::<unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_uint>("cuDeviceGetName")?;
        let mut name = [0_u8; 256];
        // SAFETY: cuDeviceGetName(char*, int, CUdevice) writes at most the 256 bytes that it is told of.
        let code = unsafe { function(name.as_mut_ptr().cast(), 256, device) };
        Self::check("cuDeviceGetName", code)?;
        let end = name
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(name.len());
        Ok(String::from_utf8_lossy(&name[..end]).into_owned())
    }

    fn check(call: &'static str, code: c_uint) -> Result<(), DeviceError> {
        if code == 0 {
            return Ok(());
        }
        Err(DeviceError::Driver {
            call,
            code,
            name: "see CUresult".into(),
        })
    }
}

/// The same names in the same order as cudarc, so that what was looked at is what will be used.
fn load() -> Result<Library, DeviceError> {
    let mut reason = String::new();
    for family in ["cuda", "nvcuda"] {
        for name in cudarc::get_lib_name_candidates(family) {
            // SAFETY: loading runs the library's initialisers; the driver's have no preconditions.
            let loaded = unsafe { Library::new(&name) };
            match loaded {
                Ok(library) => return Ok(library),
                Err(error) => reason = error.to_string(),
            }
        }
    }
    Err(DeviceError::NoLibrary { reason })
}
