//! Buffers, and errors that only a device has.

use crate::report::{Outcome, Report};
use half::bf16;
use minference_attention::{
    AttentionBackend, AttentionInputs, Error as AttentionError, SparseIndex, TensorView, TensorViewMut,
    synthetic,
};
use minference_cuda::{Buffer, CudaDevice, DeviceView, Error, FaultWord, GrowingBuffer, LayerInputs};

pub(crate) fn run(device: &CudaDevice, report: &mut Report) {
    report.case("memory: a copy comes back", || {
        let data: Vec<u32> = (0..100_000).collect();
        let buffer = Buffer::from_slice(device, "numbers", &data)?;
        let mut part = vec![0; 10];
        buffer.download(50_000, &mut part)?;
        if buffer.to_vec()? != data || part != data[50_000..50_010] {
            return Err("other numbers came back".into());
        }
        match buffer.download(99_995, &mut part) {
            Err(Error::Shape { .. }) => Ok("100000 numbers".into()),
            other => Err(format!("a range beyond the end: {other:?}").into()),
        }
    });
    report.case("memory: a growing buffer keeps its place and what it holds", || {
        let mut buffer = GrowingBuffer::<u32>::new(device, "cache", 1 << 30)?;
        let (address, mut mapped) = (buffer.pointer(), Vec::new());
        for power in [0, 10, 22, 24] {
            let start = buffer.len();
            buffer.grow(1 << power)?;
            let numbers: Vec<u32> = (start as u32..1 << power).collect();
            buffer.upload(start, &numbers)?;
            mapped.push(buffer.mapped_bytes() >> 20);
        }
        let is_whole = buffer.to_vec()?.iter().enumerate().all(|(i, &x)| x == i as u32);
        if buffer.pointer() != address || !is_whole {
            return Err("it moved, or forgot".into());
        }
        match buffer.grow((1 << 30) + 1) {
            Err(Error::TooLarge { what: "cache", .. }) => Ok(format!("{mapped:?} MiB mapped")),
            other => Err(format!("beyond its capacity: {other:?}").into()),
        }
    });
    report.case("errors: out of memory, with numbers", || {
        match Buffer::<u8>::new(device, "a test", 1 << 44) {
            Err(error @ Error::OutOfMemory { bytes, free, total, .. })
                if bytes == 1 << 44 && free > 0 && total >= free =>
            {
                // The device still works.
                Buffer::<u8>::zeros(device, "a test", 1 << 20)?.to_vec()?;
                Ok(error.to_string())
            }
            other => Err(format!("{other:?}").into()),
        }
    });
    report.case("errors: NaN and infinity are named", || {
        for (tensor, name) in ["q", "k", "v"].into_iter().enumerate() {
            let mut data = [1, 2, 3].map(|seed| synthetic::normal(200 * 64, seed));
            data[tensor][150 * 64 + 3] = if tensor == 1 { f32::NAN } else { f32::INFINITY };
            let view = |i: usize| TensorView::new(&data[i], [200, 1, 64]);
            let inputs = AttentionInputs::new(view(0)?, view(1)?, view(2)?)?;
            let mut output = vec![0.0f32; 200 * 64];
            let mut target = TensorViewMut::new(&mut output, [200, 1, 64])?;
            match device.attend(&inputs, &[SparseIndex::Dense], &mut target) {
                Err(AttentionError::NotFinite { tensor, token: 150, head: 0 }) if tensor == name => {}
                other => return Err(format!("{name}: {other:?}").into()),
            }
        }
        Ok("q, k and v".into())
    });
    report.case("errors: the fault word names the first row", || fault_word(device));
}

/// Faults in tensors of the device, in one check and in several.
fn fault_word(device: &CudaDevice) -> Outcome {
    let (tokens, head_dim) = (1000, 96);
    let mut fault = FaultWord::new(device)?;
    let check = |q: &[bf16], kv: &[bf16], fault: &mut FaultWord| -> minference_cuda::Result<()> {
        let (q, kv) = (Buffer::from_slice(device, "q", q)?, Buffer::from_slice(device, "kv", kv)?);
        let kv = DeviceView::new(&kv, [tokens, 2, head_dim])?;
        let inputs = LayerInputs::new(DeviceView::new(&q, [tokens, 6, head_dim])?, kv, kv)?;
        device.check_finite(&inputs, fault)
    };
    let (q, kv) = (vec![bf16::ONE; tokens * 6 * head_dim], vec![bf16::MAX; tokens * 2 * head_dim]);
    check(&q, &kv, &mut fault)?;
    fault.take()?;
    let (mut bad_q, mut bad_kv) = (q.clone(), kv.clone());
    for (token, head) in [(999, 1), (500, 0), (500, 1)] {
        bad_kv[(token * 2 + head) * head_dim + 95] = bf16::NAN;
    }
    bad_q[(700 * 6 + 5) * head_dim] = bf16::NEG_INFINITY;
    check(&q, &bad_kv, &mut fault)?;
    match fault.take() {
        Err(Error::NotFinite { tensor: "k", token: 500, head: 0 }) => {}
        other => return Err(format!("keys: {other:?}").into()),
    }
    check(&q, &bad_kv, &mut fault)?;
    check(&bad_q, &kv, &mut fault)?;
    check(&q, &kv, &mut fault)?;
    match fault.take() {
        Err(Error::NotFinite { tensor: "q", token: 700, head: 5 }) => Ok("q before k".into()),
        other => Err(format!("queries: {other:?}").into()),
    }
}
