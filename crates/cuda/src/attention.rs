//! Attention over tensors that lie on the device.

use crate::device::CudaDevice;
use crate::error::{Error, Result};
use crate::launch::{self, AttendCall};
use crate::memory::Buffer;
use crate::tiles::{Tile, Tiles, check};
use crate::view::{DeviceView, DeviceViewMut};
use minference_attention::Geometry;
use minference_attention::inputs::MAX_TOKENS;

/// One layer's attention problem on the device, checked.
///
/// - `q`: `[queries, heads, head_dim]`
/// - `k`, `v`: `[keys, kv_heads, head_dim]`; `heads` is a multiple of `kv_heads`, and query head
///   `h` uses key-value head `h / (heads / kv_heads)`.
///
/// All three have one element type, and a head_dim of 64, 80, 96, 128, 192 or 256. The queries are
/// the last of the keys' tokens.
#[derive(Debug, Clone, Copy)]
pub struct LayerInputs<'a> {
    pub(crate) q: DeviceView<'a>,
    pub(crate) k: DeviceView<'a>,
    pub(crate) v: DeviceView<'a>,
    pub(crate) geometry: Geometry,
    pub(crate) scale: f32,
    pub(crate) softcap: f32,
    pub(crate) sinks: Option<&'a Buffer<f32>>,
}

impl<'a> LayerInputs<'a> {
    /// The softmax scale is `1 / sqrt(head_dim)`; no sliding window, no softcap, no sink logits
    /// until other methods say otherwise.
    ///
    /// # Errors
    /// [`Error::Shape`] for shapes, types or pages that disagree; [`Error::TooLarge`] for more
    /// heads than the kernels can count.
    pub fn new(q: DeviceView<'a>, k: DeviceView<'a>, v: DeviceView<'a>) -> Result<Self> {
        let shape = |what, expected: String, found: String| Err(Error::Shape { what, expected, found });
        let [queries, heads, head_dim] = q.shape();
        let [keys, kv_heads, _] = k.shape();
        if k.shape() != [keys, kv_heads, head_dim] || v.shape() != k.shape() {
            let expected = format!("[keys, kv_heads, {head_dim}] for both");
            return shape("k and v", expected, format!("{:?} and {:?}", k.shape(), v.shape()));
        }
        if kv_heads == 0 || heads == 0 || !heads.is_multiple_of(kv_heads) {
            return shape("q", format!("a multiple of k's {kv_heads} heads"), format!("{heads} heads"));
        }
        if queries == 0 || queries > keys || keys > MAX_TOKENS {
            let expected = format!("at least q's {queries} tokens (one or more), at most {MAX_TOKENS}");
            return shape("k", expected, format!("{keys} tokens"));
        }
        let types = [q, k, v].map(|view| view.element_type());
        if types[1..].iter().any(|&element_type| element_type != types[0]) {
            return shape("q, k and v", "one element type".into(), format!("{types:?}"));
        }
        let pages = |view: &DeviceView<'_>| view.pages.map(|pages| (pages.table, pages.page_tokens));
        if q.pages.is_some() || pages(&k) != pages(&v) {
            let found = format!("q: {:?}, k: {:?}, v: {:?}", pages(&q), pages(&k), pages(&v));
            return shape("pages", "k and v in the same pages, q in none".into(), found);
        }
        check("heads", heads, i32::MAX as usize)?;
        let geometry = Geometry::chunk(queries, keys, None)?;
        let scale = 1.0 / (head_dim as f32).sqrt();
        Ok(Self { q, k, v, geometry, scale, softcap: 0.0, sinks: None })
    }

    /// Scores are `scale * q · k`.
    ///
    /// # Errors
    /// A scale that is not positive and finite.
    pub fn with_scale(self, scale: f32) -> Result<Self> {
        positive("softmax scale", scale)?;
        Ok(Self { scale, ..self })
    }

    /// A query sees at most `window` keys, its own included.
    ///
    /// # Errors
    /// A window of 0.
    pub fn with_sliding_window(self, window: Option<usize>) -> Result<Self> {
        let geometry = Geometry::chunk(self.geometry.queries(), self.geometry.keys(), window)?;
        Ok(Self { geometry, ..self })
    }

    /// Those of a geometry, which has as many queries and keys.
    pub(crate) fn with_geometry(self, geometry: Geometry) -> Self {
        debug_assert!(geometry.queries() == self.q.tokens() && geometry.keys() == self.k.tokens());
        Self { geometry, ..self }
    }

    /// Scores become `cap * tanh(score / cap)` after the scale.
    ///
    /// # Errors
    /// A cap that is not positive and finite.
    pub fn with_softcap(self, cap: f32) -> Result<Self> {
        positive("softcap", cap)?;
        Ok(Self { softcap: cap, ..self })
    }

    /// One logit per query head that takes part in the softmax's sum but has no value.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of logits.
    pub fn with_sink_logits(self, sinks: &'a Buffer<f32>) -> Result<Self> {
        check_sinks(sinks, self.q.heads())?;
        Ok(Self { sinks: Some(sinks), ..self })
    }

    /// How many queries meet how many keys.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }
    /// Query heads that share one key-value head.
    pub fn group_size(&self) -> usize {
        self.q.heads() / self.k.heads()
    }
}

pub(crate) fn check_sinks(sinks: &Buffer<f32>, heads: usize) -> Result<()> {
    match sinks.len() == heads {
        true => Ok(()),
        false => Err(Error::Shape {
            what: "sink logits",
            expected: format!("one for each of {heads} query heads"),
            found: sinks.len().to_string(),
        }),
    }
}

pub(crate) fn positive(name: &'static str, found: f32) -> Result<()> {
    match found.is_finite() && found > 0.0 {
        true => Ok(()),
        false => {
            let expected = "a positive finite number";
            Err(minference_attention::Error::Parameter { name, expected, found: found.to_string() }.into())
        }
    }
}

/// The tiles of a layer on the device.
#[derive(Debug)]
pub struct DeviceTiles {
    pub(crate) tiles: Buffer<Tile>,
    pub(crate) list: Buffer<u32>,
    /// The next tile, for the blocks of a launch.
    pub(crate) counter: Buffer<u32>,
    geometry: Geometry,
    heads: usize,
}

impl DeviceTiles {
    /// Copies the tiles.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new(device: &CudaDevice, tiles: &Tiles) -> Result<Self> {
        Ok(Self {
            tiles: Buffer::from_slice(device, "tiles", tiles.tiles())?,
            list: Buffer::from_slice(device, "key lists", tiles.list())?,
            counter: Buffer::zeros(device, "the tile counter", 1)?,
            geometry: tiles.geometry(),
            heads: tiles.heads(),
        })
    }

    /// Room for tiles that are made on the device, and for the words of their lists.
    pub(crate) fn empty(
        device: &CudaDevice,
        geometry: Geometry,
        heads: usize,
        tiles: usize,
        words: usize,
    ) -> Result<Self> {
        Ok(Self {
            tiles: Buffer::new(device, "tiles", tiles)?,
            list: Buffer::new(device, "key lists", words)?,
            counter: Buffer::zeros(device, "the tile counter", 1)?,
            geometry,
            heads,
        })
    }
}

impl CudaDevice {
    /// Enqueues the attention of all heads over their tiles; nothing waits. `output` is
    /// `[queries, heads, head_dim]`, of the inputs' type or f32.
    ///
    /// The inputs must be finite: NaN or infinity among them make no error here but NaN in the rows
    /// that see them.
    ///
    /// # Errors
    /// [`Error::Shape`] for tiles or an output that do not fit; [`Error::HeadDim`]; what the driver
    /// refuses.
    pub fn attend_tiles(
        &self,
        inputs: &LayerInputs<'_>,
        tiles: &mut DeviceTiles,
        output: &mut DeviceViewMut<'_>,
    ) -> Result<()> {
        if (tiles.geometry, tiles.heads) != (inputs.geometry, inputs.q.heads()) {
            return Err(Error::Shape {
                what: "tiles",
                expected: format!("those of {} heads, {:?}", inputs.q.heads(), inputs.geometry),
                found: format!("{} heads, {:?}", tiles.heads, tiles.geometry),
            });
        }
        let types = [inputs.q.element_type(), crate::DeviceType::F32];
        if output.shape() != inputs.q.shape() || !types.contains(&output.element_type()) {
            return Err(Error::Shape {
                what: "output",
                expected: format!("{:?} of type {:?} or {:?}", inputs.q.shape(), types[0], types[1]),
                found: format!("{:?} of type {:?}", output.shape(), output.element_type()),
            });
        }
        tiles.counter.fill_bytes(0)?;
        launch::attend(self, &AttendCall { inputs, tiles, output })
    }
}
