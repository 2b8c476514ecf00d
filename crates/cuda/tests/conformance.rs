//! The battery that every backend must pass, on the device, if there is one.

use minference_attention::ElementType;
use minference_attention::conformance::{Roundings, conforms_with};
use minference_cuda::{AttentionKernels, Cuda, CudaDevice};

#[test]
fn every_instruction_set_conforms() {
    if let Err(reason) = Cuda::devices() {
        println!("no device: {reason}");
        return;
    }
    let device = CudaDevice::new(0).unwrap();
    for kernels in AttentionKernels::ALL.into_iter().filter(|&kernels| device.can_run(kernels)) {
        let device = device.with_attention_kernels(kernels);
        let roundings = Roundings { inputs: &[ElementType::F32], dominant_keys: true, truncated_sums: true };
        let cases = conforms_with(&device, precision, roundings)
            .unwrap_or_else(|failure| panic!("{kernels}: {failure}"));
        println!("{kernels}: {cases} cases");
    }
}

/// What inputs are rounded to.
fn precision(element_type: ElementType) -> ElementType {
    match element_type {
        ElementType::Bf16 => ElementType::Bf16,
        ElementType::F16 | ElementType::F32 => ElementType::F16,
    }
}
