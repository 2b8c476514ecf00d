use super::*;
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};

/// Numbers around 0 that repeat only after a long time.
fn noise(count: usize, seed: u64) -> Vec<f32> {
    minference_attention::synthetic::normal(count, seed)
}

/// Candle's name of a format; none of those that it does not know.
fn candle_type(format: WeightFormat) -> Option<GgmlDType> {
    Some(match format {
        WeightFormat::F32 => GgmlDType::F32,
        WeightFormat::F16 => GgmlDType::F16,
        WeightFormat::Bf16 => GgmlDType::BF16,
        WeightFormat::Q4_0 => GgmlDType::Q4_0,
        WeightFormat::Q4_1 => GgmlDType::Q4_1,
        WeightFormat::Q5_0 => GgmlDType::Q5_0,
        WeightFormat::Q5_1 => GgmlDType::Q5_1,
        WeightFormat::Q8_0 => GgmlDType::Q8_0,
        WeightFormat::Q2K => GgmlDType::Q2K,
        WeightFormat::Q3K => GgmlDType::Q3K,
        WeightFormat::Q4K => GgmlDType::Q4K,
        WeightFormat::Q5K => GgmlDType::Q5K,
        WeightFormat::Q6K => GgmlDType::Q6K,
        WeightFormat::Iq4Nl | WeightFormat::Iq4Xs => return None,
    })
}

/// A matrix quantised by candle: its bytes, and its elements as candle widens them. Where candle
/// lacks the format, a recorded one of 512 columns, with its elements as the `gguf` package widens
/// them.
fn quantised(format: WeightFormat, rows: usize, columns: usize) -> (Vec<u8>, Vec<f32>) {
    let Some(kind) = candle_type(format) else { return recorded(format, rows, columns) };
    let values = Tensor::from_vec(noise(rows * columns, 7), (rows, columns), &Device::Cpu).unwrap();
    let tensor = QTensor::quantize(&values, kind).unwrap();
    let widened = tensor.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    (tensor.data().unwrap().into_owned(), widened)
}

/// The first rows of `golden/gguf/iq4_blocks.safetensors`: blocks that hold every quant and every
/// scale.
fn recorded(format: WeightFormat, rows: usize, columns: usize) -> (Vec<u8>, Vec<f32>) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/gguf/iq4_blocks.safetensors");
    let file = std::fs::read(path).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
    let tensor = |part: &str| tensors.tensor(&format!("{format}.{part}")).unwrap();
    let (bytes, values) = (tensor("bytes"), tensor("values"));
    assert_eq!(values.shape()[1], columns);
    let values = values.data().as_chunks().0.iter().map(|x| f32::from_le_bytes(*x));
    (bytes.data()[..rows * bytes.shape()[1]].to_vec(), values.take(rows * columns).collect())
}

#[test]
fn every_format_is_widened_as_others_do() {
    for (_, kernels) in Kernels::available() {
        for format in WeightFormat::ALL {
            let (bytes, expected) = quantised(format, 3, 512);
            assert_eq!(Some(bytes.len() / 3), format.row_bytes(512), "{format}");
            let mut found = vec![0.0; expected.len()];
            kernels.widen(format, &bytes, 512, &mut found);
            for (i, (x, y)) in found.iter().zip(&expected).enumerate() {
                // a fused product rounds once where others round twice
                assert!((x - y).abs() <= 1e-6 * y.abs().max(1.0), "{format}, element {i}: {x} and {y}");
            }
        }
    }
}

#[test]
fn products_are_those_of_the_widened_rows() {
    for (_, kernels) in Kernels::available() {
        for format in WeightFormat::ALL {
            let columns = if format.block_len() == 1 { 77 } else { 512 };
            let (bytes, widened) = quantised(format, 5, columns);
            for count in 1..=MOST_INPUTS {
                let inputs = noise(count * columns, 11);
                let mut found = vec![0.0; 5 * count];
                kernels.products(format, &bytes, &inputs, columns, &mut found);
                for row in 0..5 {
                    for input in 0..count {
                        let pairs =
                            widened[row * columns..].iter().zip(&inputs[input * columns..][..columns]);
                        let exact: f64 = pairs.clone().map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
                        let size: f64 = pairs.map(|(x, y)| (f64::from(*x) * f64::from(*y)).abs()).sum();
                        let error = (f64::from(found[row * count + input]) - exact).abs();
                        assert!(error <= 1e-6 * size, "{format}, {count} inputs: off by {error}");
                    }
                }
            }
        }
    }
}

#[test]
fn norms_and_gates_agree_with_their_definitions_in_f64() {
    let (row, weight) = (noise(133, 1), noise(133, 2));
    let mean = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / 133.0;
    let wide: Vec<f32> = (-2000..2000).map(|i| i as f32 / 20.0).collect();
    for (_, kernels) in Kernels::available() {
        let (mut found, mut in_place) = (vec![0.0; 133], row.clone());
        kernels.rms_norm(&row, &weight, 1e-5, &mut found);
        kernels.rms_norm_in_place(&mut in_place, &weight, 1e-5);
        assert_eq!(found, in_place);
        for ((x, w), found) in row.iter().zip(&weight).zip(&found) {
            let exact = f64::from(*x) / (mean + 1e-5).sqrt() * f64::from(*w);
            assert!((f64::from(*found) - exact).abs() <= 1e-6 * exact.abs().max(1e-3));
        }
        for activation in [Activation::Silu, Activation::GeluTanh] {
            let mut found = wide.clone();
            kernels.gate(activation, &mut found, &vec![1.5; wide.len()]);
            for (x, found) in wide.iter().zip(&found) {
                let x = f64::from(*x);
                let exact = 1.5
                    * match activation {
                        Activation::Silu => x / (1.0 + (-x).exp()),
                        Activation::GeluTanh => {
                            let y = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
                            0.5 * x * (1.0 + y.tanh())
                        }
                    };
                let error = (f64::from(*found) - exact).abs();
                assert!(error <= 1e-6 * exact.abs().max(0.1), "{activation:?}({x}) = {found}, not {exact}");
            }
        }
    }
}

#[test]
fn rotations_are_those_of_rope() {
    use crate::decoder::rope::{PairLayout, RopeConfig, RopeScaling};
    for layout in [PairLayout::Halves, PairLayout::Neighbours] {
        let rope = RopeConfig {
            rotary_dim: 48,
            base: 10_000.0,
            context: 4096,
            scaling: RopeScaling::Default,
            layout,
        };
        let rotation = rope.rotation(4096).unwrap();
        let table = rotation.table(1234..1235);
        let row = noise(64, 3);
        let mut expected = row.clone();
        rotation.apply(&mut expected, 1234);
        for (_, kernels) in Kernels::available() {
            let mut found = row.clone();
            table.apply(&kernels, 0, &mut found);
            for (x, y) in found.iter().zip(&expected) {
                assert!((x - y).abs() < 1e-6, "{layout:?}: {x} and {y}");
            }
        }
    }
}
