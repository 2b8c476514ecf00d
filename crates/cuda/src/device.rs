//! [`CudaDevice`]: one GPU, ready for work.

use crate::discovery::{Cuda, DeviceInfo};
use crate::error::{DriverVersion, During, Result};
use crate::kernels::{AttentionKernels, Kernels};
use cudarc::driver::{CudaContext, CudaEvent, CudaStream, sys};
use std::sync::Arc;
use std::time::Duration;

/// One GPU with a stream of its own and its kernels. Cheap to clone; clones share the stream, on
/// which everything runs in the order in which it was enqueued.
///
/// It works in the driver's primary context of the GPU, the one state that all libraries of a
/// process share, so that tensors of torch, for example, can be used as they are.
#[derive(Debug, Clone)]
pub struct CudaDevice {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    kernels: Arc<Kernels>,
    info: DeviceInfo,
    attention_kernels: AttentionKernels,
}

/// A moment in the stream.
#[derive(Debug)]
pub struct Mark(CudaEvent);

impl Mark {
    /// The time that the GPU took from this mark to a later one; waits for the later one.
    ///
    /// # Errors
    /// A lost device.
    pub fn until(&self, later: &Self) -> Result<Duration> {
        let milliseconds = self.0.elapsed_ms(&later.0).during("waiting for the GPU")?;
        Ok(Duration::from_secs_f64(f64::from(milliseconds.max(0.0)) / 1e3))
    }
}

impl CudaDevice {
    /// GPU `ordinal` of [`Cuda::devices`].
    ///
    /// # Errors
    /// No driver or no such GPU, as [`Cuda::devices`] says; one that is too old; whatever the
    /// driver refuses.
    pub fn new(ordinal: usize) -> Result<Self> {
        let info = Cuda::device(ordinal)?;
        let context = CudaContext::new(ordinal).during("opening the GPU")?;
        // SAFETY: buffers of this crate are used on one stream only; nothing relies on the events.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream().during("opening the GPU")?;
        let kernels = Arc::new(Kernels::new(context.clone()));
        let attention_kernels = AttentionKernels::of(info.capability);
        Ok(Self { context, stream, kernels, info, attention_kernels })
    }

    /// The same device, with attention kernels of a certain instruction set (tests run the older
    /// ones on a newer GPU, too).
    #[must_use]
    pub fn with_attention_kernels(&self, attention_kernels: AttentionKernels) -> Self {
        Self { attention_kernels, ..self.clone() }
    }

    /// What it is.
    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }
    /// What its driver supports.
    pub fn driver(&self) -> DriverVersion {
        self.info.driver
    }
    /// The attention kernels that it prefers.
    pub fn attention_kernels(&self) -> AttentionKernels {
        self.attention_kernels
    }

    /// Whether it has the instructions of some attention kernels.
    pub fn can_run(&self, attention_kernels: AttentionKernels) -> bool {
        attention_kernels == AttentionKernels::Sm80
            || attention_kernels == AttentionKernels::of(self.info.capability)
    }

    /// Bytes that are free, and that there are.
    ///
    /// # Errors
    /// A lost device.
    pub fn memory(&self) -> Result<(usize, usize)> {
        self.context.mem_get_info().during("asking for free memory")
    }

    /// Waits until all that was enqueued is done.
    ///
    /// # Errors
    /// A lost device: a kernel that failed is told here.
    pub fn synchronize(&self) -> Result<()> {
        self.stream.synchronize().during("waiting for the GPU")
    }

    /// Marks this moment in the stream, to measure times.
    ///
    /// # Errors
    /// A lost device.
    pub fn mark(&self) -> Result<Mark> {
        let flags = Some(sys::CUevent_flags::CU_EVENT_DEFAULT);
        let event = self.context.new_event(flags).during("marking a time")?;
        event.record(&self.stream).during("marking a time")?;
        Ok(Mark(event))
    }

    pub(crate) fn context(&self) -> &Arc<CudaContext> {
        &self.context
    }
    pub(crate) fn stream(&self) -> &Arc<CudaStream> {
        &self.stream
    }
    pub(crate) fn kernels(&self) -> &Kernels {
        &self.kernels
    }
}
