//! [`Case`]: one call of attention on tensors of the device, checked row by row.

use crate::number::Number;
use crate::oracle::Row;
use crate::report::Outcome;
use minference_attention::conformance::relative_square;
use minference_attention::index::BLOCK;
use minference_attention::synthetic::{Random, normal};
use minference_attention::{Geometry, Lowering, SparseIndex};
use minference_cuda::{
    Buffer, CudaDevice, DecodeInputs, DeviceTiles, DeviceView, DeviceViewMut, LayerInputs, PageTable, Pages,
    Tiles,
};
use rayon::prelude::*;
use std::fmt;

/// What the inputs hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filling {
    /// Queries of 1.5 standard deviations, the rest of one.
    Noise,
    /// The first key holds nearly all of every row's probability and has a value of zeros.
    Sink,
    /// Scores that jump by hundreds from key to key.
    LargeScores,
}

/// Which keys the heads see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    Dense,
    /// Columns and diagonals, a few of them in runs.
    Lines,
    /// Blocks of 64, this many of a hundred.
    Blocks(usize),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) queries: usize,
    pub(crate) keys: usize,
    pub(crate) kv_heads: usize,
    pub(crate) group: usize,
    pub(crate) head_dim: usize,
    pub(crate) sees: Keys,
    pub(crate) window: Option<usize>,
    pub(crate) softcap: Option<f32>,
    pub(crate) sink_logits: bool,
    /// Elements between heads, which belong to nothing.
    pub(crate) gap: usize,
    pub(crate) page_tokens: Option<usize>,
    pub(crate) filling: Filling,
    /// By the decoding kernel: one query, dense.
    pub(crate) decodes: bool,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            queries: 300,
            keys: 300,
            kv_heads: 1,
            group: 1,
            head_dim: 128,
            sees: Keys::Dense,
            window: None,
            softcap: None,
            sink_logits: false,
            gap: 0,
            page_tokens: None,
            filling: Filling::Noise,
            decodes: false,
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queries, keys, kv_heads, group, head_dim, sees, filling, .. } = self;
        f.write_str(if self.decodes { "decode, " } else { "" })?;
        write!(f, "{queries} of {keys}, {kv_heads}x{group} heads of {head_dim}, {sees:?}, {filling:?}")?;
        self.window.map_or(Ok(()), |window| write!(f, ", window {window}"))?;
        self.softcap.map_or(Ok(()), |cap| write!(f, ", softcap {cap}"))?;
        self.page_tokens.map_or(Ok(()), |tokens| write!(f, ", pages of {tokens}"))?;
        f.write_str(if self.sink_logits { ", sink logits" } else { "" })?;
        f.write_str(if self.gap > 0 { ", strided" } else { "" })
    }
}

/// A tensor as it lies in memory; what belongs to no row is NaN.
struct Tensor<T> {
    data: Vec<T>,
    shape: [usize; 3],
    strides: [usize; 2],
    /// Page of each run of tokens, tokens of a page, elements from page to page.
    pages: Option<(Vec<i32>, usize, usize)>,
}

impl<T: Number> Tensor<T> {
    fn start(&self, token: usize, head: usize) -> usize {
        let [token_stride, head_stride] = self.strides;
        match &self.pages {
            None => token * token_stride + head * head_stride,
            Some((table, tokens, page_stride)) => {
                let page = table[token / tokens] as usize;
                page * page_stride + token % tokens * token_stride + head * head_stride
            }
        }
    }
    fn read(&self, token: usize, head: usize, row: &mut [f32]) {
        let start = self.start(token, head);
        row.iter_mut().zip(&self.data[start..]).for_each(|(x, element)| *x = element.get());
    }

    fn new(shape: [usize; 3], gap: usize, pages: Option<(&[i32], usize)>) -> Self {
        let [tokens, heads, head_dim] = shape;
        let strides = [heads * (head_dim + gap) + 3 * gap, head_dim + gap];
        let (length, pages) = match pages {
            None => (tokens * strides[0], None),
            Some((table, page_tokens)) => {
                let page_stride = page_tokens * strides[0] + 8 * gap;
                let pool = table.iter().max().map_or(0, |&page| page as usize + 1);
                (pool * page_stride, Some((table.to_vec(), page_tokens, page_stride)))
            }
        };
        Self { data: vec![T::of(f32::NAN); length], shape, strides, pages }
    }

    /// Rows from a pool of standard normal numbers, each from a random place on: as good as fresh
    /// ones for what is tested, and as fast as a copy. `element(token, d, noise)`.
    fn fill(&mut self, pool: &[f32], random: &mut Random, element: impl Fn(usize, usize, f32) -> f32) {
        let [tokens, heads, head_dim] = self.shape;
        for token in 0..tokens {
            for head in 0..heads {
                let start = self.start(token, head);
                let noise = &pool[random.below(pool.len() - head_dim)..];
                for (d, x) in self.data[start..start + head_dim].iter_mut().enumerate() {
                    *x = T::of(element(token, d, noise[d]));
                }
            }
        }
    }
}

impl Case {
    fn geometry(&self) -> Geometry {
        Geometry::chunk(self.queries, self.keys, self.window).expect("a case is possible")
    }

    /// Inputs of element type `T`, output of type `O`.
    pub(crate) fn run<T: Number, O: Number>(&self, device: &CudaDevice, seed: u64) -> Outcome {
        let (heads, geometry) = (self.kv_heads * self.group, self.geometry());
        let mut random = Random::new(seed);
        let table = self.page_tokens.map(|tokens| shuffled_pages(self.keys.div_ceil(tokens), &mut random));
        let pages = table.as_deref().zip(self.page_tokens);
        let mut q = Tensor::<T>::new([self.queries, heads, self.head_dim], self.gap, None);
        let mut k = Tensor::<T>::new([self.keys, self.kv_heads, self.head_dim], self.gap, pages);
        let mut v = Tensor::<T>::new([self.keys, self.kv_heads, self.head_dim], self.gap, pages);
        self.fill(&mut q, &mut k, &mut v, &mut random);
        let indices: Vec<SparseIndex> = (0..heads).map(|_| self.index(&mut random)).collect();
        let lowerings: Vec<Lowering<'_>> =
            indices.iter().map(|index| Lowering::new(index, geometry)).collect::<Result<_, _>>()?;
        let sinks: Option<Vec<f32>> =
            self.sink_logits.then(|| (0..heads).map(|_| 3.0 * random.normal()).collect());

        let found = self.on_device::<T, O>(device, [&q, &k, &v], &lowerings, sinks.as_deref())?;
        let again = self.on_device::<T, O>(device, [&q, &k, &v], &lowerings, sinks.as_deref())?;
        let bytes = |output: &Tensor<O>| -> Vec<u8> { bytemuck::cast_slice(&output.data).to_vec() };
        if bytes(&found) != bytes(&again) {
            return Err("two runs differ".into());
        }
        self.check_gaps(&found)?;

        let rows: Vec<(usize, usize)> = (0..heads.min(3))
            .flat_map(|head| self.rows_to_check(&mut random).into_iter().map(move |token| (head, token)))
            .collect();
        let squares: Vec<(f64, f64)> = rows
            .par_iter()
            .map(|&(head, token)| {
                let mut query = vec![0.0; self.head_dim];
                q.read(token, head, &mut query);
                let kv_head = head / self.group;
                let row = Row {
                    query: &query,
                    position: geometry.offset() + token,
                    layout: &lowerings[head].layout(token / BLOCK),
                    key: &|key, row| k.read(key, kv_head, row),
                    value: &|key, row| v.read(key, kv_head, row),
                    scale: 1.0 / (self.head_dim as f32).sqrt(),
                    softcap: self.softcap,
                    sink: sinks.as_ref().map(|sinks| sinks[head]),
                };
                let outputs = row.outputs(|x| T::of(x).get());
                let mut result = vec![0.0; self.head_dim];
                found.read(token, head, &mut result);
                (relative_square(&result, &outputs.exact), relative_square(&outputs.plain, &outputs.exact))
            })
            .collect();
        let mean =
            |of: fn(&(f64, f64)) -> f64| (squares.iter().map(of).sum::<f64>() / squares.len() as f64).sqrt();
        let (error, plain) = (mean(|square| square.0), mean(|square| square.1));
        // Of few rows chance makes that of a plain implementation small.
        let plain = if squares.len() < 32 { plain.max(T::ROUNDOFF / 4.0) } else { plain };
        // A sink leaves a plain implementation in few bits nothing to compare with: there it is the
        // roundings of many small probabilities, which average out.
        // Where scores are large, few keys compete in few rows, and chance has a part.
        let of_type = match self.filling {
            Filling::Noise => 2.0 * plain,
            Filling::Sink => 1e-3 + 2.0 * T::ROUNDOFF,
            Filling::LargeScores => 2.0 * plain + T::ROUNDOFF,
        };
        let limit = of_type + 8.0 * f64::from(f32::EPSILON) + O::ROUNDOFF;
        // Written so that NaN fails.
        match error <= limit {
            true => Ok(format!("error {error:.1e}, plain {plain:.1e}")),
            false => Err(format!("error {error:.2e}, allowed {limit:.2e} (plain {plain:.2e})").into()),
        }
    }

    fn fill<T: Number>(&self, q: &mut Tensor<T>, k: &mut Tensor<T>, v: &mut Tensor<T>, random: &mut Random) {
        let pool = normal(1 << 20, random.bits());
        let is_sink = self.filling == Filling::Sink;
        let spread = if self.filling == Filling::LargeScores { 40.0 } else { 1.0 };
        // The first element of queries is 8, of keys 0: only the sink's score depends on it.
        let score = (999.0 * self.keys as f64).ln() * (self.head_dim as f64).sqrt() / 8.0;
        q.fill(&pool, random, |_, d, noise| if is_sink && d == 0 { 8.0 } else { 1.5 * spread * noise });
        k.fill(&pool, random, |token, d, noise| match (is_sink, token, d) {
            (true, 0, 0) => score as f32,
            (true, 0, _) | (true, _, 0) => 0.0,
            _ => spread * noise,
        });
        // What lies behind the sink is a sum of many like numbers, so that roundings average out.
        v.fill(&pool, random, |token, _, noise| match (is_sink, token) {
            (true, 0) => 0.0,
            (true, _) => 1.0 + 0.1 * noise,
            (false, _) => noise,
        });
    }

    fn index(&self, random: &mut Random) -> SparseIndex {
        let keys = self.keys;
        let sorted = |mut values: Vec<u32>| {
            values.sort_unstable();
            values.dedup();
            values
        };
        match self.sees {
            Keys::Dense => SparseIndex::Dense,
            Keys::Lines => {
                let columns: Vec<u32> =
                    (0..(keys / 20).min(1000)).map(|_| random.below(keys) as u32).chain(0..16).collect();
                let mut diagonals: Vec<u32> = (0..(keys / 8).clamp(1, 4096) as u32).collect();
                for _ in 0..8 {
                    let start = random.below(keys) as u32;
                    diagonals.extend(start..start + (keys as u32 / 64).clamp(1, 250));
                }
                SparseIndex::lines(sorted(columns), sorted(diagonals)).expect("a valid index")
            }
            Keys::Blocks(density) => {
                let geometry = self.geometry();
                let row = |block| -> Vec<u32> {
                    let queries = geometry.block_queries(block);
                    let own = queries.start / BLOCK..=(queries.end - 1) / BLOCK;
                    (0..geometry.key_blocks())
                        .filter(|block| own.contains(block) || random.below(100) < density || *block == 0)
                        .map(|block| block as u32)
                        .collect()
                };
                let rows: Vec<Vec<u32>> = (0..geometry.query_blocks()).map(row).collect();
                SparseIndex::blocks(&rows).expect("a valid index")
            }
        }
    }

    fn on_device<T: Number, O: Number>(
        &self,
        device: &CudaDevice,
        tensors: [&Tensor<T>; 3],
        lowerings: &[Lowering<'_>],
        sinks: Option<&[f32]>,
    ) -> Result<Tensor<O>, Box<dyn std::error::Error>> {
        let mut output = Tensor::<O>::new([self.queries, lowerings.len(), self.head_dim], self.gap, None);
        let [q, k, v] = tensors.map(|tensor| Buffer::from_slice(device, "tensor", &tensor.data));
        let (q, k, v) = (q?, k?, v?);
        let pool = |table: &[i32]| table.iter().max().map_or(0, |&page| page as usize + 1);
        let table = tensors[1].pages.as_ref().map(|(table, ..)| PageTable::new(device, table, pool(table)));
        let table = table.transpose()?;
        let sinks = sinks.map(|sinks| Buffer::from_slice(device, "sinks", sinks)).transpose()?;
        let kv = |data| -> minference_cuda::Result<DeviceView<'_>> {
            match (&tensors[1].pages, &table) {
                (Some((_, tokens, stride)), Some(table)) => {
                    let pages = Pages::new(table, *tokens, *stride)?;
                    DeviceView::paged(data, pages, tensors[1].shape, tensors[1].strides)
                }
                _ => DeviceView::strided(data, 0, tensors[1].shape, tensors[1].strides),
            }
        };
        let q_view = DeviceView::strided(&q, 0, tensors[0].shape, tensors[0].strides)?;
        let (k, v) = (kv(&k)?, kv(&v)?);
        let mut result = Buffer::<O>::from_slice(device, "output", &output.data)?;
        let mut view = DeviceViewMut::strided(&mut result, 0, output.shape, output.strides)?;
        if self.decodes {
            let mut inputs = DecodeInputs::new(q_view, k, v, self.keys)?.with_sliding_window(self.window)?;
            if let Some(cap) = self.softcap {
                inputs = inputs.with_softcap(cap)?;
            }
            if let Some(sinks) = &sinks {
                inputs = inputs.with_sink_logits(sinks)?;
            }
            device.decode(&inputs, &mut view)?;
        } else {
            let mut inputs = LayerInputs::new(q_view, k, v)?.with_sliding_window(self.window)?;
            if let Some(cap) = self.softcap {
                inputs = inputs.with_softcap(cap)?;
            }
            if let Some(sinks) = &sinks {
                inputs = inputs.with_sink_logits(sinks)?;
            }
            let mut tiles = DeviceTiles::new(device, &Tiles::new(lowerings)?)?;
            device.attend_tiles(&inputs, &mut tiles, &mut view)?;
        }
        result.download(0, &mut output.data)?;
        Ok(output)
    }

    /// What belongs to no row is still NaN, and every row was written.
    fn check_gaps<O: Number>(&self, output: &Tensor<O>) -> Result<(), String> {
        let mut written = vec![false; output.data.len()];
        let [tokens, heads, head_dim] = output.shape;
        for token in 0..tokens {
            for head in 0..heads {
                let start = output.start(token, head);
                written[start..start + head_dim].fill(true);
            }
        }
        let wrong = |(&x, &is_row): (&O, &bool)| x.get().is_finite() != is_row;
        match output.data.iter().zip(&written).position(wrong) {
            None => Ok(()),
            Some(at) if written[at] => Err(format!("element {at} was not written, or is not finite")),
            Some(at) => Err(format!("element {at} belongs to no row but was written")),
        }
    }

    fn rows_to_check(&self, random: &mut Random) -> Vec<usize> {
        let last = self.queries - 1;
        let count = if self.keys > 100_000 { 2 } else { 10 };
        let mut rows: Vec<usize> = (0..count).map(|_| random.below(self.queries)).collect();
        rows.extend([0, last]);
        rows.sort_unstable();
        rows.dedup();
        rows
    }
}

/// Page numbers in random order, from a pool that is a little larger.
fn shuffled_pages(count: usize, random: &mut Random) -> Vec<i32> {
    let mut pages: Vec<i32> = (0..count as i32 + 3).collect();
    for i in (1..pages.len()).rev() {
        pages.swap(i, random.below(i + 1));
    }
    pages.truncate(count);
    pages
}
