//! Several sequences of different lengths in one step of decoding: each must be what it is alone.

use crate::oracle::Row;
use crate::report::{Outcome, Report};
use half::bf16;
use minference_attention::conformance::relative_square;
use minference_attention::synthetic::normal;
use minference_attention::{Geometry, Lowering, SparseIndex};
use minference_cuda::{
    Buffer, CudaDevice, DecodeInputs, DeviceView, DeviceViewMut, KeyCounts, PageTable, Pages,
};

const HEADS: usize = 8;
const KV_HEADS: usize = 2;
const HEAD_DIM: usize = 128;
const ROW: usize = KV_HEADS * HEAD_DIM;
const PAGE: usize = 32;

pub(crate) fn run(device: &CudaDevice, seed: u64, report: &mut Report) {
    for counts in [vec![1, 700, 64, 3000], vec![17; 40]] {
        for paged in [false, true] {
            let name = format!("decode, {} sequences, paged: {paged}", counts.len());
            report.case(&name, || step(device, seed, &counts, paged));
        }
    }
}

fn step(device: &CudaDevice, seed: u64, counts: &[usize], paged: bool) -> Outcome {
    let capacity = counts.iter().copied().max().unwrap_or(1).next_multiple_of(PAGE);
    let rounded =
        |count: usize, seed| -> Vec<bf16> { normal(count, seed).into_iter().map(bf16::from_f32).collect() };
    let q = rounded(counts.len() * HEADS * HEAD_DIM, seed);
    let mut cache = [1, 2].map(|i| rounded(counts.len() * capacity * ROW, seed + i));
    // Behind a sequence's keys lies what another one left there.
    for (sequence, &count) in counts.iter().enumerate() {
        for tensor in &mut cache {
            tensor[(sequence * capacity + count) * ROW..(sequence + 1) * capacity * ROW].fill(bf16::NAN);
        }
    }
    let device_q = Buffer::from_slice(device, "queries", &q)?;
    let [k, v] = cache.each_ref().map(|tensor| Buffer::from_slice(device, "cache", tensor));
    let (k, v) = (k?, v?);
    // Pages lie in the order of the cache, so that it is the same memory either way.
    let numbers: Vec<i32> = (0..(counts.len() * capacity / PAGE) as i32).collect();
    let table = PageTable::new(device, &numbers, numbers.len())?;
    let view = |data| -> minference_cuda::Result<DeviceView<'_>> {
        let (strides, all) = ([ROW, HEAD_DIM], counts.len() * capacity);
        match paged {
            false => DeviceView::strided(data, 0, [all, KV_HEADS, HEAD_DIM], strides),
            true => {
                let pages = Pages::new(&table, PAGE, PAGE * ROW)?;
                DeviceView::paged(data, pages, [capacity, KV_HEADS, HEAD_DIM], strides)
            }
        }
    };
    let shape = [counts.len(), HEADS, HEAD_DIM];
    let key_counts = KeyCounts::new(device, counts)?;
    let inputs = DecodeInputs::new(DeviceView::new(&device_q, shape)?, view(&k)?, view(&v)?, capacity)?
        .with_key_counts(&key_counts)?;
    let mut output = Buffer::from_slice(device, "outputs", &vec![f32::NAN; q.len()])?;
    device.decode(&inputs, &mut DeviceViewMut::new(&mut output, shape)?)?;
    let output = output.to_vec()?;

    let (mut error, mut plain) = (0.0, 0.0);
    for (sequence, &count) in counts.iter().enumerate() {
        let layout = Lowering::new(&SparseIndex::Dense, Geometry::chunk(1, count, None)?)?.layout(0);
        for head in 0..HEADS {
            let start = (sequence * HEADS + head) * HEAD_DIM;
            let query: Vec<f32> = q[start..start + HEAD_DIM].iter().map(|x| x.to_f32()).collect();
            let read = |tensor: &[bf16], key: usize, row: &mut [f32]| {
                let at = (sequence * capacity + key) * ROW + head / (HEADS / KV_HEADS) * HEAD_DIM;
                row.iter_mut().zip(&tensor[at..]).for_each(|(x, element)| *x = element.to_f32());
            };
            let row = Row {
                query: &query,
                position: count - 1,
                layout: &layout,
                key: &|key, row| read(&cache[0], key, row),
                value: &|key, row| read(&cache[1], key, row),
                scale: 1.0 / (HEAD_DIM as f32).sqrt(),
                softcap: None,
                sink: None,
            };
            let outputs = row.outputs(|x| bf16::from_f32(x).to_f32());
            error += relative_square(&output[start..start + HEAD_DIM], &outputs.exact);
            plain += relative_square(&outputs.plain, &outputs.exact);
        }
    }
    let rows = (counts.len() * HEADS) as f64;
    let (error, plain) = ((error / rows).sqrt(), (plain / rows).sqrt());
    match error <= 2.0 * plain + 8.0 * f64::from(f32::EPSILON) {
        true => Ok(format!("error {error:.1e}, plain {plain:.1e}")),
        false => Err(format!("error {error:.2e}, plain {plain:.2e}").into()),
    }
}
