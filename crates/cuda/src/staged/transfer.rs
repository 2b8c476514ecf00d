//! Rows to the device and back, in the device's element types.

use super::survey::Survey;
use crate::device::CudaDevice;
use crate::error::Result;
use crate::memory::{Buffer, Pinned};
use crate::view::DeviceType;
use half::{bf16, f16};
use minference_attention::TensorViewMut;
use rayon::prelude::*;

/// Bytes that are converted before they are copied.
const CHUNK_BYTES: usize = 32 << 20;

/// Copies a tensor to the device as `[tokens, heads, padded]`, rows filled up with zeros.
pub(super) fn upload(
    device: &CudaDevice,
    what: &'static str,
    survey: &Survey<'_>,
    element_type: DeviceType,
    padded: usize,
) -> Result<Buffer<u16>> {
    let rows = survey.rows();
    let factor = f64::from(survey.power_for(element_type)).exp2();
    let mut buffer = Buffer::new(device, what, rows * padded)?;
    let rows_at_once = (CHUNK_BYTES / 2 / padded).clamp(1, rows.max(1));
    let mut chunk = Pinned::<u16>::zeros(device, what, rows_at_once * padded)?;
    for first in (0..rows).step_by(rows_at_once) {
        let count = rows_at_once.min(rows - first);
        let words = &mut chunk[..count * padded];
        let convert = |row: &mut Vec<f32>, (i, words): (usize, &mut [u16])| {
            survey.read_row(first + i, row);
            for (word, &x) in words.iter_mut().zip(&*row) {
                *word = match element_type {
                    DeviceType::Bf16 => bf16::from_f32(x).to_bits(),
                    _ => f16::from_f64(f64::from(x) * factor).to_bits(),
                };
            }
        };
        words.par_chunks_mut(padded).enumerate().with_min_len(64).for_each_init(Vec::new, convert);
        buffer.upload(first * padded, words)?;
    }
    Ok(buffer)
}

/// Copies outputs `[tokens, heads, padded]` to a tensor of the host, times a factor.
pub(super) fn download(
    device: &CudaDevice,
    buffer: &Buffer<f32>,
    [tokens, heads, padded]: [usize; 3],
    factor: f64,
    output: &mut TensorViewMut<'_>,
) -> Result<()> {
    let (rows, head_dim) = (tokens * heads, output.shape()[2]);
    let rows_at_once = (CHUNK_BYTES / 4 / padded).clamp(1, rows.max(1));
    let mut chunk = Pinned::<f32>::zeros(device, "outputs", rows_at_once * padded)?;
    let output = &*output;
    for first in (0..rows).step_by(rows_at_once) {
        let count = rows_at_once.min(rows - first);
        let values = &mut chunk[..count * padded];
        buffer.download(first * padded, values)?;
        values.par_chunks_mut(padded).enumerate().with_min_len(64).for_each(|(i, row)| {
            let row = &mut row[..head_dim];
            row.iter_mut().for_each(|x| *x = (f64::from(*x) * factor) as f32);
            // SAFETY: each row is written by one task; the caller lends the output exclusively.
            unsafe { output.write_row((first + i) / heads, (first + i) % heads, row) };
        });
    }
    Ok(())
}
