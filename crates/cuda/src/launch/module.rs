//! Machine code on a device, and the one call that runs it.

use crate::error::{During, Error, Result};
use cudarc::driver::{CudaContext, CudaStream, DriverError, result, sys};
use std::ffi::{CString, c_void};
use std::sync::Arc;

/// A binary that was loaded.
#[derive(Debug)]
pub(crate) struct Module {
    context: Arc<CudaContext>,
    module: sys::CUmodule,
}

// SAFETY: a module is a handle that every thread may use with its context bound.
unsafe impl Send for Module {}
// SAFETY: as above.
unsafe impl Sync for Module {}

/// A kernel; keeps its module loaded.
#[derive(Debug, Clone)]
pub(crate) struct Function {
    module: Arc<Module>,
    function: sys::CUfunction,
}

// SAFETY: as for its module.
unsafe impl Send for Function {}
// SAFETY: as above.
unsafe impl Sync for Function {}

/// How many blocks of how many threads, and shared memory beyond what the kernel declares.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    pub(crate) blocks: [u32; 3],
    pub(crate) threads: u32,
    pub(crate) shared_bytes: u32,
}

impl Module {
    /// Loads a fat binary, of which the driver takes what fits the device.
    pub(crate) fn load(context: &Arc<CudaContext>, binary: &'static [u8]) -> Result<Self> {
        context.bind_to_thread().during("binding the context")?;
        // SAFETY: the binary is one that this crate carries, whole and aligned; the driver checks
        // its header and copies it.
        let module =
            unsafe { result::module::load_data(binary.as_ptr().cast()) }.during("loading the kernels")?;
        Ok(Self { context: context.clone(), module })
    }

    /// A kernel, if the module has one of that name.
    pub(crate) fn function(self: &Arc<Self>, name: &str) -> Result<Option<Function>> {
        self.context.bind_to_thread().during("binding the context")?;
        let symbol = CString::new(name).map_err(|_| Error::NoKernel { name: name.to_owned() })?;
        // SAFETY: the module is loaded for as long as self lives.
        match unsafe { result::module::get_function(self.module, symbol) } {
            Ok(function) => Ok(Some(Function { module: self.clone(), function })),
            Err(DriverError(sys::CUresult::CUDA_ERROR_NOT_FOUND)) => Ok(None),
            Err(error) => Err(Error::from_driver(error, "finding a kernel")),
        }
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        if self.context.bind_to_thread().is_ok() {
            // SAFETY: it was loaded once; its functions hold it, so that none is left.
            let _ = unsafe { result::module::unload(self.module) };
        }
    }
}

impl Function {
    /// Enqueues the kernel. Beyond 48 KB a kernel has to ask for its shared memory; asking again
    /// costs nothing.
    ///
    /// # Safety
    /// `arguments` is what the kernel takes as its only parameter, and all that it points to lies
    /// on the device, with the sizes that the kernel reads and writes, until the kernel has run.
    pub(super) unsafe fn launch<Arguments>(
        &self,
        stream: &CudaStream,
        grid: Grid,
        arguments: &Arguments,
    ) -> Result<()> {
        let parameters = &mut [std::ptr::from_ref(arguments).cast_mut().cast::<c_void>()];
        // SAFETY: the caller's promise.
        unsafe { self.launch_parameters(stream, grid, parameters) }
    }

    /// The same for a kernel with two parameters.
    ///
    /// # Safety
    /// As for [`launch`](Self::launch).
    pub(super) unsafe fn launch_two<First, Second>(
        &self,
        stream: &CudaStream,
        grid: Grid,
        first: &First,
        second: &Second,
    ) -> Result<()> {
        let parameters = &mut [
            std::ptr::from_ref(first).cast_mut().cast::<c_void>(),
            std::ptr::from_ref(second).cast_mut().cast::<c_void>(),
        ];
        // SAFETY: the caller's promise.
        unsafe { self.launch_parameters(stream, grid, parameters) }
    }

    unsafe fn launch_parameters(
        &self,
        stream: &CudaStream,
        grid: Grid,
        parameters: &mut [*mut c_void],
    ) -> Result<()> {
        self.module.context.bind_to_thread().during("binding the context")?;
        let attribute = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        let [x, y, z] = grid.blocks;
        // SAFETY: the function's module is loaded. The driver copies the arguments during the call,
        // as many bytes as the kernel declares; the rest is the caller's promise.
        unsafe {
            sys::cuFuncSetAttribute(self.function, attribute, grid.shared_bytes as i32)
                .result()
                .during("asking for a kernel's shared memory")?;
            result::launch_kernel(
                self.function,
                (x, y, z),
                (grid.threads, 1, 1),
                grid.shared_bytes,
                stream.cu_stream(),
                parameters,
            )
            .during("a launch")
        }
    }
}
