//! The compiled kernels, and which of them a device gets.

use std::collections::BTreeMap;
use std::ffi::{CString, c_void};
use std::sync::Mutex;

use cudarc::driver::result::{DriverError, module};
use cudarc::driver::sys::{CUfunction, CUmodule, CUresult};

use crate::DeviceError;
use crate::device::{Shared, check};

/// One source file of `kernels/`, compiled.
#[derive(Debug)]
pub(crate) struct Image {
    name: &'static str,
    /// Text, with a zero at its end.
    ptx: &'static str,
    cubin_80: &'static [u8],
    cubin_90: &'static [u8],
}

macro_rules! image {
    ($name:literal) => {
        Image {
            name: $name,
            ptx: concat!(
                include_str!(concat!("../kernels/built/", $name, ".ptx")),
                "\0"
            ),
            cubin_80: include_bytes!(concat!("../kernels/built/", $name, ".sm_80.cubin")),
            cubin_90: include_bytes!(concat!("../kernels/built/", $name, ".sm_90.cubin")),
        }
    };
}

pub(crate) static PAGES: Image = image!("pages");
/// By [`crate::Format`].
pub(crate) static ATTEND: [Image; 5] = [
    image!("attend_f32"),
    image!("attend_bf16"),
    image!("attend_f16"),
    image!("attend_int8"),
    image!("attend_fp8"),
];

impl Image {
    /// A cubin runs on later minor versions of its architecture: 8.0 serves 8.6 and 8.9. Others get the PTX, which the
    /// driver compiles once.
    fn cubin(&self, capability: (u32, u32)) -> Option<&'static [u8]> {
        match capability.0 {
            8 => Some(self.cubin_80),
            9 => Some(self.cubin_90),
            _ => None,
        }
    }

    fn load(&self, capability: (u32, u32)) -> Result<CUmodule, DriverError> {
        if let Some(cubin) = self.cubin(capability) {
            // An ELF file, which is looked at in words.
            let words: Vec<u64> = cubin
                .chunks(8)
                .map(|chunk| {
                    let mut word = [0; 8];
                    word[..chunk.len()].copy_from_slice(chunk);
                    u64::from_ne_bytes(word)
                })
                .collect();
            // SAFETY: a whole cubin, checked in beside its source; the driver copies it.
            let loaded = unsafe { module::load_data(words.as_ptr().cast::<c_void>()) };
            match loaded {
                Err(DriverError(
                    CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU
                    | CUresult::CUDA_ERROR_INVALID_IMAGE
                    | CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION,
                )) => {}
                other => return other,
            }
        }
        // SAFETY: text with a zero at its end.
        unsafe { module::load_data(self.ptx.as_ptr().cast::<c_void>()) }
    }
}

/// Modules of a context, loaded when first asked for, and their functions.
#[derive(Debug, Default)]
pub(crate) struct Modules(Mutex<Loaded>);

#[derive(Debug, Default)]
struct Loaded {
    modules: BTreeMap<&'static str, CUmodule>,
    functions: BTreeMap<String, CUfunction>,
}

impl Modules {
    /// The kernel `name` of `image`.
    pub(crate) fn function(
        &self,
        shared: &Shared,
        image: &'static Image,
        name: &str,
        capability: (u32, u32),
    ) -> Result<CUfunction, DeviceError> {
        let mut loaded = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(function) = loaded.functions.get(name) {
            return Ok(*function);
        }
        shared.bind()?;
        let module = if let Some(module) = loaded.modules.get(image.name) {
            *module
        } else {
            let module = check("cuModuleLoadData", image.load(capability))?;
            loaded.modules.insert(image.name, module);
            module
        };
        let text = CString::new(name).unwrap_or_default();
        // SAFETY: the module is loaded, and stays so as long as the context.
        let found = unsafe { module::get_function(module, text) };
        let function = check("cuModuleGetFunction", found)?;
        loaded.functions.insert(name.to_owned(), function);
        Ok(function)
    }

    /// Lets go of all; where the context is lost, it takes them along.
    pub(crate) fn unload(&self, alive: bool) {
        let mut loaded = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        loaded.functions.clear();
        for (_, module) in std::mem::take(&mut loaded.modules) {
            if alive {
                // SAFETY: loaded once, unloaded here alone; nothing runs, as streams hold the device.
                let _ = unsafe { module::unload(module) };
            }
        }
    }
}
