//! Every instance that this machine can run passes the battery.

use minference_attention::conformance::conforms;
use minference_attention::{Arithmetic, CpuBackend, ElementType, InstructionSet};

fn backend(set: InstructionSet, arithmetic: Arithmetic, threads: usize) -> CpuBackend {
    CpuBackend::builder().threads(threads).instruction_set(set).arithmetic(arithmetic).build().unwrap()
}

#[test]
fn every_instruction_set_conforms_in_f32() {
    for set in InstructionSet::available() {
        let cases = conforms(&backend(set, Arithmetic::F32, 2), |element_type| element_type)
            .unwrap_or_else(|failure| panic!("{set}: {failure}"));
        println!("{set}: {cases} cases");
    }
}

#[test]
fn sixteen_bit_arithmetic_conforms_to_plain_bf16() {
    for set in InstructionSet::available().into_iter().filter(|set| set.has_16_bit_arithmetic()) {
        let cases = conforms(&backend(set, Arithmetic::Bits16, 2), |_| ElementType::Bf16)
            .unwrap_or_else(|failure| panic!("{set}: {failure}"));
        println!("{set}: {cases} cases");
    }
}

#[test]
fn the_default_conforms() {
    let precision = |element_type| match element_type {
        ElementType::F32 => ElementType::F32,
        _ => ElementType::Bf16,
    };
    conforms(&CpuBackend::new().unwrap(), precision).unwrap();
}
