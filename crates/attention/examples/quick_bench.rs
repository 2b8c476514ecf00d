use minference_attention::*;
use std::time::*;
fn rng(n: usize, seed: u64) -> Vec<f32> {
    let mut s = seed * 7919 + 12345;
    let mut u = || { s ^= s << 13; s ^= s >> 7; s ^= s << 17; ((s >> 11) as f64 + 0.5) / (1u64 << 53) as f64 };
    (0..n).map(|_| { let (a, b) = (u(), u()); ((-2.0 * a.ln()).sqrt() * (2.0 * std::f64::consts::PI * b).cos()) as f32 }).collect()
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let n: usize = a[1].parse().unwrap(); let threads: usize = a[2].parse().unwrap();
    let reps: usize = a[3].parse().unwrap();
    let sets: Vec<_> = if a.len() > 4 { InstructionSet::ALL.into_iter().filter(|s| s.to_string() == a[4]).collect() } else { InstructionSet::available() };
    for d in std::env::var("DIMS").unwrap_or("64,128".into()).split(',').map(|x| x.parse::<usize>().unwrap()) {
        let h = 1;
        let (q, k, v) = (rng(n * h * d, 1), rng(n * h * d, 2), rng(n * h * d, 3));
        let f = |x: &[f32]| -> Vec<half::f16> { x.iter().map(|&y| half::f16::from_f32(y)).collect() };
        let g = |x: &[f32]| -> Vec<half::bf16> { x.iter().map(|&y| half::bf16::from_f32(y)).collect() };
        let (q16, k16, v16) = (f(&q), f(&k), f(&v));
        let (qb, kb, vb) = (g(&q), g(&k), g(&v));
        let mut out = vec![0f32; n * h * d];
        for &set in &sets { for (arithmetic, ty) in [(Arithmetic::F32, ElementType::F32), (Arithmetic::Bits16, ElementType::F16), (Arithmetic::Bits16, ElementType::Bf16)] {
            let Ok(b) = CpuBackend::builder().threads(threads).instruction_set(set).arithmetic(arithmetic).build() else { continue };
            let s = [n, h, d];
            let inputs = match ty {
                ElementType::F32 => AttentionInputs::new(TensorView::new(&q, s).unwrap(), TensorView::new(&k, s).unwrap(), TensorView::new(&v, s).unwrap()).unwrap(),
                ElementType::F16 => AttentionInputs::new(TensorView::new(&q16, s).unwrap(), TensorView::new(&k16, s).unwrap(), TensorView::new(&v16, s).unwrap()).unwrap(),
                ElementType::Bf16 => AttentionInputs::new(TensorView::new(&qb, s).unwrap(), TensorView::new(&kb, s).unwrap(), TensorView::new(&vb, s).unwrap()).unwrap(),
            };
            for p in [HeadPattern::Dense, HeadPattern::AShape { sink: 1024, local: 4096 }, HeadPattern::VerticalSlash { vertical: 1000, slash: 400 }, HeadPattern::BlockSparse { top_k: 100 }] {
            if p != HeadPattern::Dense && std::env::var("DENSE").is_ok() { continue }
            if set == InstructionSet::Portable && p != HeadPattern::Dense { continue }
            let mut best = (f64::MAX, 0.0, 0.0); let mut pk = 0f64; let mut ts = vec![];
            for _ in 0..reps {
                pk = pk.max(b.measure_peak(ty, Duration::from_millis(50)));
                let t = Instant::now();
                let r = attend_layer(&b, &inputs, &vec![p; h], &mut TensorViewMut::new(&mut out, s).unwrap()).unwrap();
                let e = t.elapsed().as_secs_f64();
                ts.push(e);
                if e < best.0 { best = (e, r.computed_share(), r.index_time().as_secs_f64()); }
            }
            ts.sort_by(f64::total_cmp);
            let fl = 4.0 * d as f64 * (n as f64) * (n as f64 + 1.0) / 2.0 * best.1;
            println!("{set:12} {ty:5} D={d} {p}: {:.4}s (median {:.4}) share {:.3} index {:.1}%  {:.1} GFLOP/s of {:.1} = {:.1}%", best.0, ts[reps / 2], best.1, 100.0 * best.2 / best.0, fl / best.0 / 1e9, pk / 1e9, 100.0 * fl / best.0 / pk);
            }
        } }
    }
}
