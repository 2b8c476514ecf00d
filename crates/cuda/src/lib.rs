//! Sparse prefill attention (MInference 1.0, arXiv 2407.02490) on CUDA GPUs.
//!
//! The kernels compute what [`minference_attention`] means: every pattern lowers to a key layout
//! per block of queries, and dense attention under that layout is the oracle that the CPU's kernels
//! and these face alike. On Hopper they use `wgmma` and the tensor memory accelerator, on Ampere
//! and all others `mma.sync`; they come prebuilt, so that neither building nor running needs a
//! toolkit.
//!
//! # Is there a GPU?
//!
//! The driver is looked for when it is first asked, never linked: the same program runs without
//! one, and can say what is missing.
//!
//! ```
//! use minference_cuda::Cuda;
//!
//! match Cuda::devices() {
//!     Ok(devices) => devices.iter().for_each(|device| println!("{device}")),
//!     // "no NVIDIA driver: libcuda.so.1 was not found. With an NVIDIA GPU in the machine, ..."
//!     Err(reason) => println!("{reason}"),
//! }
//! ```
//!
//! # Tensors of the host
//!
//! A [`CudaDevice`] is an [`AttentionBackend`](minference_attention::AttentionBackend): whatever
//! runs on the CPU's backend runs on it unchanged. Tensors go up, attention runs, the output comes
//! down ([`staged`] says in which precision).
//!
//! ```
//! use minference_attention::{
//!     AttentionInputs, HeadPattern, TensorView, TensorViewMut, attend_layer, synthetic,
//! };
//! use minference_cuda::{Cuda, CudaDevice};
//!
//! if let Err(reason) = Cuda::devices() {
//!     println!("{reason}");
//!     return Ok(());
//! }
//! let device = CudaDevice::new(0)?;
//!
//! let (tokens, heads, kv_heads, head_dim) = (2048, 4, 2, 64);
//! let q = synthetic::normal(tokens * heads * head_dim, 1);
//! let k = synthetic::normal(tokens * kv_heads * head_dim, 2);
//! let v = synthetic::normal(tokens * kv_heads * head_dim, 3);
//! let inputs = AttentionInputs::new(
//!     TensorView::new(&q, [tokens, heads, head_dim])?,
//!     TensorView::new(&k, [tokens, kv_heads, head_dim])?,
//!     TensorView::new(&v, [tokens, kv_heads, head_dim])?,
//! )?;
//! let mut output = vec![0.0f32; tokens * heads * head_dim];
//! let mut view = TensorViewMut::new(&mut output, [tokens, heads, head_dim])?;
//! let report = attend_layer(&device, &inputs, &[HeadPattern::AShape { sink: 64, local: 256 }; 4], &mut view)?;
//! assert!(report.computed_share() < 0.35);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Tensors of the device
//!
//! What lives on the GPU is attended where it lies: [`DeviceView`]s are pointers with a shape and
//! strides, over a [`Buffer`], a [`GrowingBuffer`], the pages of an engine's cache, or the tensor
//! of another library. [`Tiles`] are the keys of all heads, as the kernels walk them.
//!
//! ```
//! use half::bf16;
//! use minference_attention::{Geometry, Lowering, SparseIndex};
//! use minference_cuda::{
//!     Buffer, Cuda, CudaDevice, DeviceTiles, DeviceView, DeviceViewMut, LayerInputs, Tiles,
//! };
//!
//! // Tiles need no GPU: one head sees its first 64 keys and the last 256, one sees all.
//! let geometry = Geometry::prefill(1000);
//! let lines = SparseIndex::lines((0..64).collect(), (0..256).collect())?;
//! let heads = [Lowering::new(&lines, geometry)?, Lowering::new(&SparseIndex::Dense, geometry)?];
//! let tiles = Tiles::new(&heads)?;
//!
//! if let Err(reason) = Cuda::devices() {
//!     println!("{reason}");
//!     return Ok(());
//! }
//! let device = CudaDevice::new(0)?;
//! let ones = |heads: usize| vec![bf16::ONE; 1000 * heads * 128];
//! let q = Buffer::from_slice(&device, "queries", &ones(2))?;
//! let kv = Buffer::from_slice(&device, "keys", &ones(1))?;
//! let mut output = Buffer::<bf16>::new(&device, "outputs", q.len())?;
//!
//! let kv_view = DeviceView::new(&kv, [1000, 1, 128])?;
//! let inputs = LayerInputs::new(DeviceView::new(&q, [1000, 2, 128])?, kv_view, kv_view)?;
//! let mut tiles = DeviceTiles::new(&device, &tiles)?;
//! device.attend_tiles(&inputs, &mut tiles, &mut DeviceViewMut::new(&mut output, [1000, 2, 128])?)?;
//! assert!(output.to_vec()?.iter().all(|&x| x == bf16::ONE));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to look
//!
//! | module | what it holds |
//! |---|---|
//! | [`discovery`] | which GPUs there are, or why there is none |
//! | [`device`] | one GPU, its stream, times |
//! | [`memory`], [`view`] | buffers, and the tensors in them that kernels take |
//! | [`tiles`] | the keys of a layer's heads, in stages |
//! | [`attention`] | attention over tensors of the device |
//! | [`layer`] | a whole layer: estimates, selection, lowering, attention |
//! | [`mod@decode`] | one query per head over long caches of the device |
//! | [`votes`], [`pooled`] | the online estimates of vertical-slash and of block-sparse heads |
//! | [`fault`] | whether tensors of the device are finite |
//! | [`staged`] | the backend for tensors of the host |
//! | [`kernels`] | which kernel runs where |
//! | `launch` | every launch, one structure of arguments each |
//!
//! Unsafe code stands in `launch`, [`memory`] and [`view`], in the questions to the driver in
//! [`discovery`] and [`device`], and where rows are written to the host's output.
//!
//! Results depend on the kind of GPU, never on its load: no sum depends on the order in which
//! blocks happen to run.

pub mod attention;
pub mod decode;
pub mod device;
pub mod discovery;
pub mod error;
pub mod fault;
pub mod kernels;
mod launch;
pub mod layer;
pub mod memory;
pub mod pooled;
pub mod staged;
pub mod tiles;
pub mod view;
pub mod votes;

pub use attention::{DeviceTiles, LayerInputs};
pub use decode::{DecodeInputs, KeyCounts};
pub use device::{CudaDevice, Mark};
pub use discovery::{Cuda, DeviceInfo};
pub use error::{DriverVersion, Error, Result};
pub use fault::FaultWord;
pub use kernels::AttentionKernels;
pub use layer::PlannedLayer;
pub use memory::{Buffer, GrowingBuffer, Pinned};
pub use pooled::{BlockMeans, BlockScores};
pub use tiles::{Tile, Tiles};
pub use view::{DeviceElement, DeviceType, DeviceView, DeviceViewMut, PageTable, Pages};
pub use votes::LineVotes;
