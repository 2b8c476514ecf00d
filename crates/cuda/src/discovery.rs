//! [`Cuda`]: which GPUs there are, or why there is none.

use crate::error::{DriverVersion, During, Error, Result};
use cudarc::driver::{DriverError, result, sys};
use std::fmt;
use sys::CUdevice_attribute as Attribute;

/// What the kernels were made with: machine code of this toolkit needs a driver as new.
const NEEDED: DriverVersion = DriverVersion { major: 13, minor: 0 };
/// The oldest compute capability that the kernels have code for.
const OLDEST: (u32, u32) = (8, 0);

/// The CUDA driver, if the machine has one. Nothing is linked: the library is looked for when it is
/// first asked, so that one binary runs with and without it.
#[derive(Debug)]
pub struct Cuda;

/// One GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// Its number, counted from 0.
    pub ordinal: usize,
    /// As its maker calls it.
    pub name: String,
    /// Compute capability: (9, 0) for Hopper.
    pub capability: (u32, u32),
    /// Streaming multiprocessors.
    pub multiprocessors: usize,
    /// Memory in bytes.
    pub memory: usize,
    /// Shared memory that a block can have, in bytes.
    pub shared_memory: usize,
    /// What its driver supports.
    pub driver: DriverVersion,
}

impl fmt::Display for DeviceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ordinal, name, capability: (major, minor), multiprocessors, memory, driver, .. } = self;
        let gigabytes = *memory as f64 / (1u64 << 30) as f64;
        write!(
            f,
            "GPU {ordinal}: {name}, compute capability {major}.{minor}, {multiprocessors} multiprocessors, \
             {gigabytes:.1} GiB, driver for CUDA {driver}"
        )
    }
}

impl Cuda {
    /// The GPUs that this process may use, at least one.
    ///
    /// # Errors
    /// [`Error::NoDriver`], [`Error::DriverTooOld`] or [`Error::NoDevice`], which say what to do.
    pub fn devices() -> Result<Vec<DeviceInfo>> {
        let driver = Self::start()?;
        let count = result::device::get_count().during("counting GPUs")?;
        if count <= 0 {
            return Err(no_device());
        }
        (0..count as usize).map(|ordinal| describe(ordinal, driver)).collect()
    }

    /// One of the GPUs, which the kernels can run on.
    pub(crate) fn device(ordinal: usize) -> Result<DeviceInfo> {
        let mut devices = Self::devices()?;
        if ordinal >= devices.len() {
            return Err(Error::NoSuchDevice { ordinal, count: devices.len() });
        }
        let info = devices.swap_remove(ordinal);
        if info.capability < OLDEST {
            return Err(Error::DeviceTooOld { name: info.name, capability: info.capability });
        }
        Ok(info)
    }

    /// Finds the driver and initialises it.
    fn start() -> Result<DriverVersion> {
        let library = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };
        // SAFETY: the driver's library may be loaded at any time.
        if !unsafe { sys::is_culib_present() } {
            return Err(Error::NoDriver { library });
        }
        let mut number = 0;
        // SAFETY: the library is there, and the pointer is valid for the call. It needs no context.
        unsafe { sys::cuDriverGetVersion(&mut number) }.result().during("asking for its version")?;
        let found = DriverVersion::from_number(number);
        if found < NEEDED {
            return Err(Error::DriverTooOld { found, needed: NEEDED });
        }
        match result::init() {
            Ok(()) => Ok(found),
            Err(DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE)) => Err(no_device()),
            // The library of a toolkit that stands in for a driver where programs are linked.
            Err(DriverError(sys::CUresult::CUDA_ERROR_STUB_LIBRARY)) => Err(Error::NoDriver { library }),
            Err(error) => Err(Error::from_driver(error, "its initialisation")),
        }
    }
}

fn no_device() -> Error {
    let visible = std::env::var("CUDA_VISIBLE_DEVICES");
    Error::NoDevice { visible: visible.map_or("not set".into(), |visible| format!("set to {visible:?}")) }
}

fn describe(ordinal: usize, driver: DriverVersion) -> Result<DeviceInfo> {
    let device = result::device::get(ordinal as i32).during("finding a GPU")?;
    // SAFETY: the device is one that the driver gave.
    let attribute = |attribute| unsafe { result::device::get_attribute(device, attribute) };
    let read = |which| Ok::<_, Error>(attribute(which).during("describing a GPU")?.max(0) as u32);
    Ok(DeviceInfo {
        ordinal,
        name: result::device::get_name(device).during("describing a GPU")?,
        capability: (
            read(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            read(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ),
        multiprocessors: read(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)? as usize,
        // SAFETY: as above.
        memory: unsafe { result::device::total_mem(device) }.during("describing a GPU")?,
        shared_memory: read(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)? as usize,
        driver,
    })
}
