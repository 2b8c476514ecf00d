//! Tokens that come and go.

use super::{BITS, GROUPINGS, LENGTHS, quantized, read};
use minference_attention::quantized::{CodeBits, Grouping, QuantizedTensor};
use minference_attention::synthetic::normal;

const SHAPE: [usize; 2] = [2, 8];
const TOKEN: usize = 16;

#[test]
fn pieces_make_no_difference() {
    let values = normal(3000 * TOKEN, 1);
    for (bits, grouping) in BITS.into_iter().flat_map(|bits| GROUPINGS.map(|grouping| (bits, grouping))) {
        let whole = read(quantized(&values, SHAPE, bits, grouping).view());
        for piece in [1, 100, 1023, 1500] {
            let mut tensor = QuantizedTensor::with_capacity("test", 3000, SHAPE, bits, grouping).unwrap();
            values.chunks(piece * TOKEN).for_each(|rows| tensor.append(rows));
            assert_eq!(tensor.tokens(), 3000);
            assert_eq!(read(tensor.view()), whole, "in pieces of {piece}");
        }
    }
}

#[test]
fn forgetting_up_to_128_tokens_brings_back_what_was() {
    let values = normal(700 * TOKEN, 2);
    for (bits, grouping) in BITS.into_iter().flat_map(|bits| GROUPINGS.map(|grouping| (bits, grouping))) {
        for tokens in LENGTHS {
            let mut tensor = QuantizedTensor::with_capacity("test", 700, SHAPE, bits, grouping).unwrap();
            tensor.append(&values[..tokens * TOKEN]);
            let before = read(tensor.view());
            for more in [1, 100, 128] {
                tensor.append(&values[tokens * TOKEN..][..more * TOKEN]);
                tensor.truncate(tokens);
                assert_eq!(tensor.tokens(), tokens);
                let after = read(tensor.view());
                // What has been quantised meanwhile stays so.
                let grouped = (tokens + more).saturating_sub(128) / 128 * 128;
                let recent = grouped.min(tokens) * TOKEN;
                assert_eq!(after[recent..], before[recent..]);
                assert_eq!(grouped <= tokens, more <= 128 || grouping == Grouping::PerToken);
            }
        }
    }
}

#[test]
fn a_group_that_is_cut_keeps_its_numbers() {
    let values = normal(900 * TOKEN, 3);
    for bits in BITS {
        for tokens in [0, 1, 127, 128, 129, 500, 768] {
            let mut tensor = quantized(&values, SHAPE, bits, Grouping::PerChannel);
            let before = read(tensor.view());
            tensor.truncate(tokens);
            assert_eq!(tensor.tokens(), tokens);
            let after = read(tensor.view());
            let whole = tokens / 128 * 128 * TOKEN;
            assert_eq!(after[..whole], before[..whole]);
            // to the precision of f16
            for (x, y) in after[whole..].iter().zip(&before[whole..]) {
                assert!((x - y).abs() <= y.abs() * 2f32.powi(-11) + 2f32.powi(-25), "{x} for {y}");
            }
            // and it grows on
            tensor.append(&values[tokens * TOKEN..]);
            assert_eq!(tensor.tokens(), 900);
            assert_eq!(read(tensor.view())[768 * TOKEN..], before[768 * TOKEN..]);
        }
        let mut tensor = quantized(&values, SHAPE, bits, Grouping::PerChannel);
        tensor.truncate(usize::MAX);
        assert_eq!(tensor.tokens(), 900);
    }
}

#[test]
fn copies_go_their_own_way() {
    let values = normal(500 * TOKEN, 5);
    for (bits, grouping) in BITS.into_iter().flat_map(|bits| GROUPINGS.map(|grouping| (bits, grouping))) {
        let mut tensor = quantized(&values[..400 * TOKEN], SHAPE, bits, grouping);
        let before = read(tensor.view());
        // a copy of a prefix is what going back to it leaves
        for tokens in [0, 1, 127, 128, 200, 256, 257, 390, 400, 900] {
            let prefix = tensor.copy("copy", 500, tokens).unwrap();
            let mut shorter = tensor.copy("copy", 500, 400).unwrap();
            shorter.truncate(tokens);
            assert_eq!(prefix.tokens(), tokens.min(400));
            assert_eq!((read(prefix.view()), prefix.bytes()), (read(shorter.view()), shorter.bytes()));
        }
        let mut copy = tensor.copy("copy", 500, 400).unwrap();
        assert_eq!((copy.tokens(), copy.bytes()), (400, tensor.bytes()));
        tensor.truncate(3);
        assert_eq!(read(copy.view()), before);
        copy.append(&values[400 * TOKEN..]);
        assert_eq!(read(copy.view()), read(quantized(&values, SHAPE, bits, grouping).view()));
        assert!(copy.copy("copy", usize::MAX, 1).is_err());
    }
}

#[test]
fn bytes_are_those_that_are_told_and_recent_keys() {
    let values = normal(1024 * TOKEN, 6);
    for bits in BITS {
        let tensor = quantized(&values, SHAPE, bits, Grouping::PerToken);
        let told = QuantizedTensor::bytes_per_token(SHAPE, bits, Grouping::PerToken);
        assert_eq!(tensor.bytes(), 1024 * told);
        let tensor = quantized(&values, SHAPE, bits, Grouping::PerChannel);
        let told = QuantizedTensor::bytes_per_token(SHAPE, bits, Grouping::PerChannel);
        let groups = 7 * (128 * (told - 1) + 2 * 2 * TOKEN);
        assert_eq!(tensor.bytes(), groups + 128 * 2 * TOKEN);
    }
}

#[test]
fn ranges_of_tokens_are_views_too() {
    let values = normal(400 * TOKEN, 4);
    for grouping in GROUPINGS {
        let tensor = quantized(&values, SHAPE, CodeBits::Four, grouping);
        let all = read(tensor.view());
        for (start, end) in [(0, 400), (0, 0), (100, 101), (127, 129), (250, 399), (400, 400)] {
            let part = tensor.view().token_range(start, end).unwrap();
            assert_eq!(read(part), all[start * TOKEN..end * TOKEN]);
            let inner = part.tokens_from((end - start) / 2).unwrap();
            assert_eq!(read(inner), all[(start + (end - start) / 2) * TOKEN..end * TOKEN]);
        }
        assert!(tensor.view().token_range(10, 401).is_err());
    }
}
