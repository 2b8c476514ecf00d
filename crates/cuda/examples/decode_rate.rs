//! Times one step of decoding over a long cache, against the rate at which the GPU's memory can be
//! read: `cargo run --release -p minference-cuda --example decode_rate`

use half::bf16;
use minference_attention::synthetic::normal;
use minference_cuda::{Buffer, Cuda, CudaDevice, DecodeInputs, DeviceView, DeviceViewMut};
use std::error::Error;

const REPEATS: usize = 15;
const WARM_UPS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    if let Err(reason) = Cuda::devices() {
        println!("no device: {reason}");
        return Ok(());
    }
    let device = CudaDevice::new(0)?;
    println!("{}", device.info());
    println!("sequences | keys | heads | head_dim | ms | GB/s of keys and values");
    // Sequences, keys, key-value heads, query heads for each, head_dim.
    let shapes = [
        (1, 131_072, 8, 4, 128),
        (1, 131_072, 8, 1, 128),
        (1, 131_072, 2, 7, 64),
        (1, 32_768, 8, 4, 128),
        (1, 4096, 8, 4, 128),
        (8, 16_384, 8, 4, 128),
    ];
    for (sequences, keys, kv_heads, group, head_dim) in shapes {
        let heads = kv_heads * group;
        let pool: Vec<bf16> = normal(1 << 20, 5).into_iter().map(bf16::from_f32).collect();
        let tensor = |length: usize| -> minference_cuda::Result<Buffer<bf16>> {
            let data: Vec<bf16> = pool.iter().copied().cycle().take(length).collect();
            Buffer::from_slice(&device, "inputs", &data)
        };
        let (q, cache) = (tensor(sequences * heads * head_dim)?, sequences * keys * kv_heads * head_dim);
        let (k, v) = (tensor(cache)?, tensor(cache)?);
        let of_cache = |data| DeviceView::new(data, [sequences * keys, kv_heads, head_dim]);
        let shape = [sequences, heads, head_dim];
        let inputs = DecodeInputs::new(DeviceView::new(&q, shape)?, of_cache(&k)?, of_cache(&v)?, keys)?;
        let mut result = Buffer::<bf16>::zeros(&device, "output", q.len())?;
        let mut times = Vec::new();
        for repeat in 0..WARM_UPS + REPEATS {
            let mut output = DeviceViewMut::new(&mut result, shape)?;
            let start = device.mark()?;
            device.decode(&inputs, &mut output)?;
            let time = start.until(&device.mark()?)?;
            if repeat >= WARM_UPS {
                times.push(time.as_secs_f64());
            }
        }
        times.sort_by(f64::total_cmp);
        let seconds = times[times.len() / 2];
        let rate = 4.0 * cache as f64 / seconds / 1e9;
        println!("{sequences} | {keys} | {heads}/{kv_heads} | {head_dim} | {:.4} | {rate:.0}", 1e3 * seconds);
    }
    Ok(())
}
