//! The battery on the device: `device [FILTER]` runs the cases whose names contain the filter and
//! closes with "N passed, M failed". Without a GPU it says why, and passes, unless `REQUIRE_GPU` is
//! set.
//!
//! Inputs are fresh: `SEED=number` repeats a run.

mod batch;
mod case;
mod cases;
mod estimates;
mod layers;
mod memory;
mod number;
mod oracle;
mod report;

use minference_cuda::{AttentionKernels, Cuda, CudaDevice};
use report::Report;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

fn main() -> ExitCode {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    match Cuda::devices() {
        Ok(devices) => devices.iter().for_each(|device| println!("{device}")),
        Err(reason) => {
            println!("no device: {reason}");
            let is_required = std::env::var_os("REQUIRE_GPU").is_some();
            return if is_required { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    }
    let device = match CudaDevice::new(0) {
        Ok(device) => device,
        Err(reason) => {
            println!("{reason}");
            return ExitCode::FAILURE;
        }
    };
    let seed = seed();
    println!("seed {seed}");
    let mut report = Report::new(filter.unwrap_or_default());
    memory::run(&device, &mut report);
    batch::run(&device, seed, &mut report);
    estimates::run(&device, seed, &mut report);
    layers::run(&device, seed, &mut report);
    for kernels in AttentionKernels::ALL.into_iter().filter(|&kernels| device.can_run(kernels)) {
        let device = device.with_attention_kernels(kernels);
        cases::run(&device, seed, &mut report);
        report.case(&format!("{kernels}: the core crate's battery"), || cases::conformance(&device));
    }
    report.close()
}

/// From the environment, or from the clock.
fn seed() -> u64 {
    let from_environment = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs());
    from_environment.unwrap_or_else(clock)
}
