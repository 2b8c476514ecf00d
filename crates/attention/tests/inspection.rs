//! Inspections against a direct computation in float64, and on heads whose structure is known.

use half::f16;
use minference_attention::inspection::{HeadInspection, LineInspection, inspect_head};
use minference_attention::synthetic::{Planted, normal, planted_head};
use minference_attention::{
    AttentionInputs, CpuBackend, Error, HeadPattern, Lowering, SparseIndex, TensorView,
};

fn backend() -> CpuBackend {
    CpuBackend::builder().threads(2).build().unwrap()
}

/// `[queries][keys]`, in float64; 0 for keys that a query does not see.
fn probabilities(inputs: &AttentionInputs<'_>, head: usize) -> Vec<Vec<f64>> {
    let geometry = inputs.geometry();
    let read = |view: TensorView<'_>, token, head| {
        let mut row = vec![0.0; inputs.head_dim()];
        view.read_row(token, head, &mut row);
        row
    };
    (0..geometry.queries())
        .map(|token| {
            let i = geometry.offset() + token;
            let q = read(inputs.q(), token, head);
            let exponentials: Vec<f64> = (0..geometry.keys())
                .map(|j| {
                    let k = read(inputs.k(), j, head / inputs.group_size());
                    let dot: f64 = q.iter().zip(&k).map(|(q, k)| f64::from(*q) * f64::from(*k)).sum();
                    let is_visible = j <= i && geometry.window().is_none_or(|window| i - j < window);
                    if is_visible { (dot * f64::from(inputs.scale())).exp() } else { 0.0 }
                })
                .collect();
            let sum: f64 = exponentials.iter().sum();
            exponentials.iter().map(|x| x / sum).collect()
        })
        .collect()
}

fn assert_close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (place, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let difference = (f64::from(found) - expected).abs();
        let is_close = difference <= tolerance * (1e-3 + expected) || found.is_nan() && expected.is_nan();
        assert!(is_close, "{what}, place {place}: {found} for {expected}");
    }
}

/// As the definition says: the part of the best lines' mass that the chosen ones hold.
fn expected_found(truth: &[f64], chosen: &[u32]) -> Option<f64> {
    let mut ranked = truth.to_vec();
    ranked.sort_by(|a, b| b.total_cmp(a));
    let chosen: Vec<f64> = chosen.iter().filter_map(|&line| truth.get(line as usize)).copied().collect();
    let best: f64 = ranked.iter().take(chosen.len()).sum();
    (!chosen.is_empty()).then(|| chosen.iter().sum::<f64>() / best)
}

fn assert_inspection(inputs: &AttentionInputs<'_>, head: usize, index: &SparseIndex, wanted_side: usize) {
    let inspection = inspect_head(&backend(), inputs, head, index, wanted_side).unwrap();
    let geometry = inputs.geometry();
    let (queries, keys, offset) = (geometry.queries(), geometry.keys(), geometry.offset());
    let side = wanted_side.min(keys);
    let all = probabilities(inputs, head);
    let lowering = Lowering::new(index, geometry).unwrap();
    let (mut attention, mut held, mut causal) =
        (vec![0.0f64; side * side], vec![0.0; side * side], vec![0.0; side * side]);
    let (mut recall, mut rows) = (vec![0.0; side], vec![0.0; side]);
    let (mut columns, mut diagonals) = (vec![0.0; keys], vec![0.0; keys]);
    let (mut late_columns, mut late_diagonals) = (vec![0.0; keys], vec![0.0; keys]);
    let voting = queries.min(64);
    for (token, row) in all.iter().enumerate() {
        let i = offset + token;
        let layout = lowering.layout(token / 64);
        rows[i * side / keys] += 1.0;
        for j in 0..=i {
            let place = i * side / keys * side + j * side / keys;
            let is_held = layout.contains(i, j);
            attention[place] = attention[place].max(row[j]);
            held[place] += f64::from(u8::from(is_held));
            causal[place] += f64::from(u8::from(geometry.window().is_none_or(|window| i - j < window)));
            recall[i * side / keys] += if is_held { row[j] } else { 0.0 };
            columns[j] += row[j] / queries as f64;
            diagonals[i - j] += row[j] / queries as f64;
            if token + voting >= queries {
                late_columns[j] += row[j] / voting as f64;
                late_diagonals[i - j] += row[j] / voting as f64;
            }
        }
    }
    let computed: Vec<f64> =
        held.iter().zip(&causal).map(|(h, c)| if *c == 0.0 { 0.0 } else { h / c }).collect();
    let by_cell: Vec<f64> = recall.iter().zip(&rows).map(|(r, n)| r / n).collect();
    assert_eq!(inspection.side, side);
    assert_close("attention", &inspection.attention, &attention, 1e-4);
    assert_close("computed", &inspection.computed, &computed, 1e-6);
    assert_close("recall by cell", &inspection.recall_by_cell, &by_cell, 1e-4);
    assert!((inspection.recall - recall.iter().sum::<f64>() / queries as f64).abs() < 1e-5);
    let assert_line = |what: &str, line: &LineInspection, truth: &[f64], estimate: &[f64], chosen: &[u32]| {
        assert_close(what, &line.truth, truth, 1e-4);
        // The backend may round to the inputs' precision.
        assert_close(what, &line.estimate, estimate, 2e-2);
        assert!(line.chosen.iter().all(|line| chosen.contains(line) && (*line as usize) < keys));
        assert_eq!(line.chosen.len(), chosen.iter().filter(|&&line| (line as usize) < keys).count());
        match (line.found, expected_found(truth, chosen)) {
            (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-4, "{found}, {expected}"),
            (found, expected) => assert_eq!(found, expected),
        }
    };
    let (chosen_columns, chosen_diagonals) = match index {
        SparseIndex::Lines(lines) => (lines.columns().to_vec(), lines.diagonals().to_vec()),
        _ => (vec![], vec![]),
    };
    assert_line("columns", &inspection.columns, &columns, &late_columns, &chosen_columns);
    assert_line("diagonals", &inspection.diagonals, &diagonals, &late_diagonals, &chosen_diagonals);
}

#[test]
fn inspections_agree_with_a_direct_computation() {
    // Queries, keys, window, side: below, at and above a block of 64 queries and a run of 128;
    // chunks; windows.
    for (queries, keys, window, side) in [
        (1, 1, None, 4),
        (7, 7, None, 256),
        (63, 63, None, 10),
        (64, 64, None, 64),
        (65, 65, None, 1),
        (128, 128, None, 7),
        (129, 200, None, 16),
        (70, 333, None, 40),
        (300, 300, Some(50), 33),
        (100, 260, Some(90), 13),
        (1, 150, None, 9),
    ] {
        let (q, k, v) = (normal(queries * 4 * 24, 1), normal(keys * 2 * 24, 2), normal(keys * 2 * 24, 3));
        let inputs = AttentionInputs::new(
            TensorView::new(&q, [queries, 4, 24]).unwrap(),
            TensorView::new(&k, [keys, 2, 24]).unwrap(),
            TensorView::new(&v, [keys, 2, 24]).unwrap(),
        )
        .unwrap()
        .with_scale(0.4)
        .unwrap()
        .with_sliding_window(window)
        .unwrap();
        for pattern in [
            HeadPattern::Dense,
            HeadPattern::AShape { sink: 5, local: 20 },
            HeadPattern::TriShape { sink: 3, local: 9, last: 10 },
            HeadPattern::VerticalSlash { vertical: 40, slash: 110 },
            HeadPattern::BlockSparse { top_k: 2 },
        ] {
            let index = pattern.select(&backend(), &inputs, 2).unwrap();
            assert_inspection(&inputs, 2, &index, side);
        }
        // Few lines, and some beyond the prompt.
        let index = SparseIndex::lines(vec![0, 2, 5000], vec![0, 30, 6000]).unwrap();
        assert_inspection(&inputs, 3, &index, side);
    }
}

#[test]
fn inspections_read_half_precision() {
    let half = |count, seed| normal(count, seed).into_iter().map(f16::from_f32).collect::<Vec<_>>();
    let (q, k) = (half(90 * 32, 1), half(150 * 32, 2));
    let (q, k) = (TensorView::new(&q, [90, 1, 32]).unwrap(), TensorView::new(&k, [150, 1, 32]).unwrap());
    let inputs = AttentionInputs::new(q, k, k).unwrap();
    let index =
        HeadPattern::VerticalSlash { vertical: 30, slash: 100 }.select(&backend(), &inputs, 0).unwrap();
    assert_inspection(&inputs, 0, &index, 20);
}

fn planted_inspection(pattern: HeadPattern, columns: &[usize], diagonals: &[usize]) -> HeadInspection {
    let planted = Planted { columns: columns.to_vec(), diagonals: diagonals.to_vec(), width: 0.0 };
    let head = planted_head(1500, 64, &planted, 5);
    let view = |data| TensorView::new(data, [1500, 1, 64]).unwrap();
    let inputs = AttentionInputs::new(view(&head.q[..]), view(&head.k[..]), view(&head.v[..])).unwrap();
    let index = pattern.select(&backend(), &inputs, 0).unwrap();
    inspect_head(&backend(), &inputs, 0, &index, 100).unwrap()
}

fn best(values: &[f32], count: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..values.len()).collect();
    places.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    places.truncate(count);
    places.sort_unstable();
    places
}

#[test]
fn planted_lines_are_the_best_of_the_truth() {
    let pattern = HeadPattern::VerticalSlash { vertical: 60, slash: 130 };
    let inspection = planted_inspection(pattern, &[3, 120, 700], &[0, 400]);
    assert_eq!(best(&inspection.columns.truth, 3), [3, 120, 700]);
    assert_eq!(best(&inspection.diagonals.truth, 2), [0, 400]);
    assert!(inspection.columns.chosen.contains(&700) && inspection.diagonals.chosen.contains(&400));
    assert!(inspection.columns.found.unwrap() > 0.8 && inspection.diagonals.found.unwrap() > 0.8);
    assert!(inspection.recall > 0.9, "{}", inspection.recall);
    // Without its lines the head loses what it looks at.
    let a_shape = planted_inspection(HeadPattern::AShape { sink: 1, local: 8 }, &[3, 120, 700], &[0, 400]);
    assert!(a_shape.recall < 0.8 * inspection.recall, "{}", a_shape.recall);
}

#[test]
fn dense_has_everything() {
    let inspection = planted_inspection(HeadPattern::Dense, &[3], &[0]);
    assert_eq!(inspection.recall, 1.0);
    assert!(inspection.recall_by_cell.iter().all(|&recall| recall == 1.0));
    for (place, &share) in inspection.computed.iter().enumerate() {
        let is_causal = place % 100 <= place / 100;
        assert_eq!(share, if is_causal { 1.0 } else { 0.0 });
    }
    assert_eq!((inspection.columns.found, inspection.diagonals.found), (None, None));
    assert!(inspection.columns.chosen.is_empty() && inspection.diagonals.chosen.is_empty());
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    // Several waves of runs.
    let tokens = 4300;
    let (q, k) = (normal(tokens * 8, 1), normal(tokens * 8, 2));
    let view = |data| TensorView::new(data, [tokens, 1, 8]).unwrap();
    let inputs = AttentionInputs::new(view(&q[..]), view(&k[..]), view(&k[..])).unwrap();
    let index = SparseIndex::lines(vec![0, 9, 1000], vec![0, 1, 2, 777]).unwrap();
    let inspect = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let backend = CpuBackend::builder().threads(threads).build().unwrap();
        pool.install(|| inspect_head(&backend, &inputs, 0, &index, 64).unwrap())
    };
    assert_eq!(inspect(1), inspect(3));
}

#[test]
fn bad_input_is_refused() {
    let (q, mut k) = (normal(70 * 8, 1), normal(70 * 8, 2));
    let inspect = |k: &[f32], index: &SparseIndex, head, side| {
        let view = |data| TensorView::new(data, [70, 1, 8]).unwrap();
        let inputs = AttentionInputs::new(view(&q[..]), view(k), view(k)).unwrap();
        inspect_head(&backend(), &inputs, head, index, side)
    };
    let dense = SparseIndex::Dense;
    assert!(matches!(inspect(&k, &dense, 0, 0), Err(Error::Parameter { .. })));
    assert!(matches!(inspect(&k, &dense, 1, 5), Err(Error::Shape { .. })));
    let blocks = SparseIndex::blocks(&[vec![0]]).unwrap();
    assert!(matches!(inspect(&k, &blocks, 0, 5), Err(Error::Index { .. })));
    k[8 * 11] = f32::NAN;
    assert!(matches!(inspect(&k, &dense, 0, 5), Err(Error::NotFinite { tensor: "k", token: 11, head: 0 })));
    k.fill(f32::MAX);
    assert!(matches!(inspect(&k, &dense, 0, 5), Err(Error::TooLarge { .. })));
}
