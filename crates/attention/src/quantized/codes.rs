//! Codes in bytes, one or two in each.

use super::CodeBits;

/// Rounds levels, `[head_dim]`, to codes.
pub(crate) fn pack(levels: &[f32], bits: CodeBits, out: &mut [u8]) {
    let largest = bits.largest_code();
    match bits {
        CodeBits::Eight => out.iter_mut().zip(levels).for_each(|(byte, &level)| *byte = code(level, largest)),
        CodeBits::Four => {
            let (low, high) = levels.split_at(levels.len() / 2);
            for ((byte, &low), &high) in out.iter_mut().zip(low).zip(high) {
                *byte = code(low, largest) | code(high, largest) << 4;
            }
        }
    }
}

/// The nearest code of a level from zero to the largest code. As a sum with `1.5 * 2^23`, whose
/// last bits are then the integer: a conversion would not become vectors.
fn code(level: f32, largest: f32) -> u8 {
    const INTEGERS: f32 = 12_582_912.0;
    (level.min(largest) + INTEGERS).to_bits() as u8
}

/// Codes as numbers, `[head_dim]`.
pub(crate) fn unpack(codes: &[u8], bits: CodeBits, out: &mut [f32]) {
    match bits {
        CodeBits::Eight => out.iter_mut().zip(codes).for_each(|(x, &code)| *x = f32::from(code)),
        CodeBits::Four => {
            let (low, high) = out.split_at_mut(codes.len());
            low.iter_mut().zip(codes).for_each(|(x, &code)| *x = f32::from(code & 15));
            high.iter_mut().zip(codes).for_each(|(x, &code)| *x = f32::from(code >> 4));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back() {
        for (bits, largest) in [(CodeBits::Eight, 255u8), (CodeBits::Four, 15)] {
            let levels: Vec<f32> = (0..512).map(|i| f32::from(i as u8 & largest)).collect();
            let (mut codes, mut found) = (vec![0; bits.row_bytes(512)], vec![0.0; 512]);
            pack(&levels, bits, &mut codes);
            unpack(&codes, bits, &mut found);
            assert_eq!(found, levels);
            // As near as can be, and never beyond the last one.
            let between: Vec<f32> = levels.iter().map(|level| level + 0.49).collect();
            pack(&between, bits, &mut codes);
            unpack(&codes, bits, &mut found);
            assert_eq!(found, levels);
            pack(&[f32::from(largest) + 0.7; 8], bits, &mut codes[..bits.row_bytes(8)]);
            unpack(&codes[..bits.row_bytes(8)], bits, &mut found[..8]);
            assert_eq!(found[..8], [f32::from(largest); 8]);
        }
    }
}
