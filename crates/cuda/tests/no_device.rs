//! Without a GPU the crate says why, and what to do.

use minference_cuda::{Cuda, CudaDevice, Error};

#[test]
fn a_missing_gpu_is_explained() {
    match Cuda::devices() {
        Ok(devices) => {
            assert!(!devices.is_empty());
            assert!(matches!(CudaDevice::new(1000), Err(Error::NoSuchDevice { ordinal: 1000, .. })));
        }
        Err(reason @ (Error::NoDriver { .. } | Error::NoDevice { .. } | Error::DriverTooOld { .. })) => {
            let text = reason.to_string();
            println!("{text}");
            assert!(["install", "check"].iter().any(|advice| text.contains(advice)), "{text}");
            // Opening a device says the same.
            assert_eq!(CudaDevice::new(0).unwrap_err().to_string(), text);
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn errors_become_those_of_the_core_crate() {
    let convert = |error: Error| minference_attention::Error::from(error);
    match convert(Error::NotFinite { tensor: "k", token: 7, head: 1 }) {
        minference_attention::Error::NotFinite { tensor: "k", token: 7, head: 1 } => {}
        other => panic!("{other}"),
    }
    let error = convert(Error::TooLarge { what: "tiles", found: 5, limit: 4 });
    let source = std::error::Error::source(&error).expect("the device's own words");
    assert_eq!(source.to_string(), "too many tiles: 5, at most 4 can be computed in one call");
}
