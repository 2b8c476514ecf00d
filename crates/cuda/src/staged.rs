//! [`AttentionBackend`] for tensors of the host: up, the same kernels, down.
//!
//! This makes all that speaks to a backend work on a GPU at once: the conformance battery, the
//! search for patterns, inspection, benchmarks. A model that lives on the GPU attends without it,
//! by [`CudaDevice::attend_tiles`].
//!
//! # Element types
//!
//! The matrix units multiply numbers of 16 bits and add in `f32`. Inputs that are all `bf16` stay
//! `bf16`. All others become `f16`, of which `f16` inputs and values in codes lose nothing: a
//! tensor in `f32` or `bf16` is multiplied by the power of two that brings its largest element
//! close to the top of `f16`'s range, and scores and outputs are divided by it. So an `f32` element
//! keeps 11 bits, three more than in `bf16`, unless it is 2^-28 of the largest or less. What that
//! is worth: outputs as far from exact ones as those of a plain implementation in 16 bits, but not
//! as close as `f32` arithmetic brings them; where one key holds nearly all of a row's probability,
//! its score's rounding of up to 2^-11 is the error of everything behind it. Outputs are `f32` on
//! the device and are rounded once, to the caller's type.
//!
//! A head_dim between those of the kernels is filled up with zeros; beyond 256 there is none.

mod estimates;
mod survey;
mod transfer;

use crate::attention::{DeviceTiles, LayerInputs};
use crate::decode::DecodeInputs;
use crate::device::CudaDevice;
use crate::error::{Error, Result};
use crate::kernels::padded_head_dim;
use crate::layer;
use crate::memory::Buffer;
use crate::tiles::Tiles;
use crate::view::{DeviceType, DeviceView, DeviceViewMut};
use minference_attention::backend::{BlockScoreVisitor, Crossover, HeadCost, LineScores};
use minference_attention::{
    AttentionBackend, AttentionInputs, ElementType, Error as AttentionError, Lowering, TensorViewMut,
};
use survey::Survey;
use transfer::{download, upload};

/// Q, K and V of a call on the device.
struct StagedTensors {
    element_type: DeviceType,
    q: Buffer<u16>,
    k: Buffer<u16>,
    v: Buffer<u16>,
    /// `[queries, heads, padded head_dim]`, and as many key-value heads.
    q_shape: [usize; 3],
    kv_shape: [usize; 3],
    /// The scale of scores, with the powers of two taken back.
    scale: f32,
    /// What outputs are to be multiplied by.
    output_factor: f64,
}

impl StagedTensors {
    /// Checks the tensors and copies them.
    fn new(device: &CudaDevice, inputs: &AttentionInputs<'_>) -> Result<Self> {
        let padded = padded_head_dim(inputs.head_dim())?;
        let [q, k, v] = [("q", inputs.q()), ("k", inputs.k()), ("v", inputs.v())];
        let surveys = [Survey::new(q.0, q.1)?, Survey::new(k.0, k.1)?, Survey::new(v.0, v.1)?];
        survey::check_range(&surveys, inputs)?;
        let element_type = survey::common_type(&surveys);
        let [q_power, k_power, v_power] = surveys.each_ref().map(|survey| survey.power_for(element_type));
        let shape = |[tokens, heads, _]: [usize; 3]| [tokens, heads, padded];
        Ok(Self {
            element_type,
            q: upload(device, "queries", &surveys[0], element_type, padded)?,
            k: upload(device, "keys", &surveys[1], element_type, padded)?,
            v: upload(device, "values", &surveys[2], element_type, padded)?,
            q_shape: shape(q.1.shape()),
            kv_shape: shape(k.1.shape()),
            scale: scale(inputs, q_power + k_power),
            output_factor: (-f64::from(v_power)).exp2(),
        })
    }

    fn inputs(&self, of_host: &AttentionInputs<'_>) -> Result<LayerInputs<'_>> {
        let view = |data, shape| DeviceView::from_words(data, self.element_type, shape);
        let inputs = LayerInputs::new(
            view(&self.q, self.q_shape)?,
            view(&self.k, self.kv_shape)?,
            view(&self.v, self.kv_shape)?,
        )?;
        Ok(inputs.with_scale(self.scale)?.with_geometry(of_host.geometry()))
    }

    fn decode_inputs(&self, of_host: &AttentionInputs<'_>) -> Result<DecodeInputs<'_>> {
        let view = |data, shape| DeviceView::from_words(data, self.element_type, shape);
        let (k, v) = (view(&self.k, self.kv_shape)?, view(&self.v, self.kv_shape)?);
        let geometry = of_host.geometry();
        let inputs = DecodeInputs::new(view(&self.q, self.q_shape)?, k, v, geometry.keys())?;
        inputs.with_scale(self.scale)?.with_sliding_window(geometry.window())
    }
}

/// The scale of scores whose products were multiplied by a power of two.
fn scale(inputs: &AttentionInputs<'_>, power: i32) -> f32 {
    let scale = f64::from(inputs.scale()) * (-f64::from(power)).exp2();
    // Scores so small that the scale would vanish differ by nothing anyway.
    (scale as f32).max(f32::MIN_POSITIVE)
}

impl CudaDevice {
    fn attend_staged(
        &self,
        inputs: &AttentionInputs<'_>,
        heads: &[Lowering<'_>],
        output: &mut TensorViewMut<'_>,
    ) -> Result<Vec<HeadCost>> {
        check_shapes(inputs, heads, output)?;
        let tensors = StagedTensors::new(self, inputs)?;
        let mut result = Buffer::<f32>::new(self, "outputs", tensors.q_shape.iter().product())?;
        let mut view = DeviceViewMut::new(&mut result, tensors.q_shape)?;
        let is_decoding =
            inputs.geometry().queries() == 1 && heads.iter().all(|head| head.index().is_dense());
        let (time, shares) = if is_decoding {
            let start = self.mark()?;
            self.decode(&tensors.decode_inputs(inputs)?, &mut view)?;
            (start.until(&self.mark()?)?, vec![1.0 / heads.len() as f64; heads.len()])
        } else {
            let tiles = Tiles::new(heads)?;
            let mut device_tiles = DeviceTiles::new(self, &tiles)?;
            let start = self.mark()?;
            self.attend_tiles(&tensors.inputs(inputs)?, &mut device_tiles, &mut view)?;
            (start.until(&self.mark()?)?, tiles.cost_shares())
        };
        download(self, &result, tensors.q_shape, tensors.output_factor, output)?;
        Ok(shares.into_iter().map(|share| HeadCost { kernel_time: time.mul_f64(share) }).collect())
    }
}

impl AttentionBackend for CudaDevice {
    fn last_query_scores(
        &self,
        inputs: &AttentionInputs<'_>,
        head: usize,
        last_queries: usize,
    ) -> minference_attention::Result<LineScores> {
        Ok(estimates::last_query_scores(self, inputs, head, last_queries)?)
    }

    fn pooled_block_scores(
        &self,
        inputs: &AttentionInputs<'_>,
        head: usize,
        visitor: BlockScoreVisitor<'_>,
    ) -> minference_attention::Result<()> {
        Ok(estimates::pooled_block_scores(self, inputs, head, visitor)?)
    }

    fn attend_lowered(
        &self,
        inputs: &AttentionInputs<'_>,
        heads: &[Lowering<'_>],
        output: &mut TensorViewMut<'_>,
    ) -> minference_attention::Result<Vec<HeadCost>> {
        Ok(self.attend_staged(inputs, heads, output)?)
    }

    fn crossover(&self, _: ElementType) -> Crossover {
        layer::CROSSOVER
    }

    fn description(&self, element_type: ElementType) -> String {
        let kept = if element_type == ElementType::Bf16 { DeviceType::Bf16 } else { DeviceType::F16 };
        format!("{} on {} ({} kernels)", kept.name(), self.info().name, self.attention_kernels())
    }
}

fn check_shapes(
    inputs: &AttentionInputs<'_>,
    heads: &[Lowering<'_>],
    output: &TensorViewMut<'_>,
) -> Result<()> {
    let shape = |what, expected: String, found: String| {
        Err(Error::from(AttentionError::Shape { what, expected, found }))
    };
    if heads.len() != inputs.heads() {
        let expected = format!("one for each of the {} query heads", inputs.heads());
        return shape("indices", expected, heads.len().to_string());
    }
    if let Some(other) = heads.iter().find(|head| head.geometry() != inputs.geometry()) {
        let expected = format!("those of {:?}", inputs.geometry());
        return shape("lowered indices", expected, format!("{:?}", other.geometry()));
    }
    if output.shape() != inputs.q().shape() {
        let expected = format!("the shape of q, {:?}", inputs.q().shape());
        return shape("output", expected, format!("{:?}", output.shape()));
    }
    Ok(())
}
