//! How far numbers are off.

use super::{BITS, GROUPINGS, HEAD_DIMS, LENGTHS, quantized, read};
use half::f16;
use minference_attention::quantized::{CodeBits, Grouping, QuantizedTensor};
use minference_attention::synthetic::normal;

/// The most that numbers between two bounds may be off: half a scale, which is larger than it need
/// be by the rounding of the minimum and its own, and what a few operations in `f32` cost.
fn allowed(numbers: impl Iterator<Item = f32> + Clone, bits: CodeBits) -> f32 {
    let codes = match bits {
        CodeBits::Eight => 255.0,
        CodeBits::Four => 15.0,
    };
    let smallest = numbers.clone().fold(f32::INFINITY, f32::min);
    let largest = numbers.fold(f32::NEG_INFINITY, f32::max);
    let ulp = |x: f32| x.abs() * 2f32.powi(-10) + 2f32.powi(-24);
    let scale = (largest - smallest + ulp(smallest)) / codes;
    (scale + ulp(scale)) / 2.0 + 4.0 * f32::EPSILON * largest.abs().max(smallest.abs())
}

#[test]
fn values_err_by_half_a_scale_of_their_row() {
    for (bits, head_dim) in BITS.into_iter().flat_map(|bits| HEAD_DIMS.map(|head_dim| (bits, head_dim))) {
        // rows of very different size, some far from zero
        let mut values = normal(70 * 2 * head_dim, 1);
        for (i, row) in values.chunks_exact_mut(head_dim).enumerate() {
            let (size, offset) = (10f32.powi(i as i32 % 12 - 8), [0.0, 3.0, -700.0][i % 3]);
            row.iter_mut().for_each(|x| *x = *x * size + offset);
        }
        let found = read(quantized(&values, [2, head_dim], bits, Grouping::PerToken).view());
        for (found, row) in found.chunks(head_dim).zip(values.chunks(head_dim)) {
            let allowed = allowed(row.iter().copied(), bits);
            for (x, y) in row.iter().zip(found) {
                assert!((x - y).abs() <= allowed, "{x} became {y}, {allowed} allowed, {bits:?}");
            }
        }
    }
}

#[test]
fn keys_err_by_half_a_scale_of_their_channel_and_recent_ones_not_at_all() {
    for (bits, tokens) in BITS.into_iter().flat_map(|bits| LENGTHS.map(|tokens| (bits, tokens))) {
        let (heads, head_dim) = (2, 24);
        let mut values = normal(tokens * heads * head_dim, 2);
        // channels of very different size
        for (i, x) in values.iter_mut().enumerate() {
            *x = f16::from_f32(*x * [1.0, 0.001, 300.0][i % 3] + [0.0, 80.0][i % 2]).to_f32();
        }
        let found = read(quantized(&values, [heads, head_dim], bits, Grouping::PerChannel).view());
        let token_len = heads * head_dim;
        let grouped = tokens.saturating_sub(128) / 128 * 128 * token_len;
        assert_eq!(found[grouped..], values[grouped..]);
        for (found, values) in found[..grouped].chunks(128 * token_len).zip(values.chunks(128 * token_len)) {
            for channel in 0..token_len {
                let numbers = values.iter().copied().skip(channel).step_by(token_len);
                let allowed = allowed(numbers.clone(), bits);
                for (x, y) in numbers.zip(found.iter().skip(channel).step_by(token_len)) {
                    assert!((x - y).abs() <= allowed, "{x} became {y}, {allowed} allowed, {bits:?}");
                }
            }
        }
    }
}

#[test]
fn equal_numbers_are_exact_and_large_ones_right() {
    for (bits, grouping) in BITS.into_iter().flat_map(|bits| GROUPINGS.map(|grouping| (bits, grouping))) {
        for value in [0.0, -0.0, 1.5, -3.25, 65504.0, -65504.0] {
            let values = vec![value; 300 * 8];
            assert_eq!(read(quantized(&values, [1, 8], bits, grouping).view()), values);
        }
    }
    // beyond f16, in a row whose minimum and scale are not
    let mut row = [1000.0f32; 8];
    row[3] = 200_000.0;
    let found = read(quantized(&row, [1, 8], CodeBits::Eight, Grouping::PerToken).view());
    let allowed = allowed(row.iter().copied(), CodeBits::Eight);
    assert!(row.iter().zip(&found).all(|(x, y)| (x - y).abs() <= allowed), "{found:?}");
}

#[test]
fn codes_take_the_bytes_that_are_told() {
    let bytes = QuantizedTensor::bytes_per_token;
    assert_eq!(bytes([2, 64], CodeBits::Eight, Grouping::PerToken), 2 * (64 + 4));
    assert_eq!(bytes([2, 64], CodeBits::Four, Grouping::PerToken), 2 * (32 + 4));
    // a minimum and a scale of 2 bytes for 128 elements
    assert_eq!(bytes([2, 64], CodeBits::Eight, Grouping::PerChannel), 2 * (64 + 2));
    assert_eq!(bytes([1, 8], CodeBits::Four, Grouping::PerChannel), 4 + 1);
}

#[test]
fn shapes_that_have_no_codes_are_refused() {
    for shape in [[0, 8], [1, 0], [1, 12]] {
        let tensor = QuantizedTensor::with_capacity("keys", 10, shape, CodeBits::Four, Grouping::PerToken);
        let error = tensor.unwrap_err().to_string();
        assert!(error.contains("keys: expected at least one head"), "{error}");
    }
    for grouping in GROUPINGS {
        let tensor = QuantizedTensor::with_capacity("keys", usize::MAX, [1, 8], CodeBits::Four, grouping);
        assert!(tensor.unwrap_err().to_string().contains("not enough memory"));
    }
}
