//! How long a token takes for several sessions together, against one alone.
//!
//! ```text
//! cargo run --release -p minference-model --example decode_batch -- MODEL [TOKENS BEFORE] [STEPS]
//! ```

use minference_model::{Compute, ComputeOptions, Decoder, ModelFiles, Result, Session, SessionOptions};
use std::sync::Arc;
use std::time::Instant;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = arguments.first().expect("a model's file or folder");
    let number = |i: usize, default| arguments.get(i).map_or(default, |text| text.parse().unwrap());
    let (before, steps): (usize, usize) = (number(1, 256), number(2, 40));
    let (config, weights) = ModelFiles::open(path)?.load()?;
    weights.matrices().for_each(|matrix| matrix.preload());
    let decoder = Arc::new(Decoder::new(config, weights)?);
    let compute = Compute::new(ComputeOptions::default())?;
    println!("{} threads, {before} tokens before, medians of {steps} steps", compute.threads());
    let mut alone = 0.0;
    for count in [1, 2, 4, 8] {
        let options = SessionOptions::for_tokens(before + steps);
        let new = |_| Session::with_noise(decoder.clone(), compute.clone(), options, before, None);
        let mut sessions: Vec<Session> = (0..count).map(new).collect::<Result<_>>()?;
        let ids: Vec<u32> = (0..count).collect();
        let mut times = Vec::with_capacity(steps);
        for _ in 0..steps {
            let mut batch: Vec<&mut Session> = sessions.iter_mut().collect();
            let start = Instant::now();
            Decoder::decode_batch(&mut batch, &ids)?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let median = times[steps / 2];
        alone = if count == 1 { median } else { alone };
        println!("{count} sessions: {median:.2} ms a step, {:.2} times one", median / alone);
    }
    // the same token in one session, as an answer is decoded
    let mut session =
        Session::with_noise(decoder, compute, SessionOptions::for_tokens(before + steps), before, None)?;
    let mut times = Vec::with_capacity(steps);
    for _ in 0..steps {
        let start = Instant::now();
        session.decode(1)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    println!("Session::decode: {:.2} ms", times[steps / 2]);
    Ok(())
}
