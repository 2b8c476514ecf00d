//! What an index means is what the paper's definitions say, no pair is counted twice, and every
//! query has itself.

use minference_attention::index::BLOCK;
use minference_attention::layout::SPAN_ALIGNMENT;
use minference_attention::{Geometry, KeyLayout, Lowering, SparseIndex};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// The lowering of lines as the definition has it: for block rows `[b, e)` a diagonal `o` covers
/// keys `[b - o, e - o)`, cut to `[0, e)` and rounded out; a column is itself; the causal mask and
/// the window cut all of it.
fn lines_contain(
    layout: &KeyLayout,
    columns: &BTreeSet<u32>,
    diagonals: &BTreeSet<u32>,
    i: usize,
    j: usize,
) -> bool {
    let (b, e) = (layout.queries().start as i64, layout.queries().end as i64);
    let alignment = SPAN_ALIGNMENT as i64;
    let key = j as i64;
    let on_diagonal = diagonals.iter().any(|&o| {
        let (first, end) = ((b - i64::from(o)).max(0), (e - i64::from(o)).min(e));
        first < end
            && key >= first / alignment * alignment
            && key < (end + alignment - 1) / alignment * alignment
    });
    j <= i && (on_diagonal || columns.contains(&(j as u32)))
}

/// What must hold of every layout, whatever it came from.
fn check_layout(layout: &KeyLayout, keys: usize) -> Result<(), TestCaseError> {
    for pair in layout.spans().windows(2) {
        prop_assert!(pair[0].end < pair[1].start, "spans touch or overlap: {:?}", layout.spans());
    }
    for span in layout.spans() {
        prop_assert!(span.start % SPAN_ALIGNMENT == 0 && span.start < span.end && span.end <= keys);
    }
    for &column in layout.columns() {
        prop_assert!(!layout.spans().iter().any(|span| span.contains(&(column as usize))));
    }
    let mut pairs = 0;
    for i in layout.queries() {
        prop_assert!(layout.contains(i, i), "query {i} without itself");
        pairs += (0..keys).filter(|&j| layout.contains(i, j)).count() as u64;
        prop_assert!(!layout.contains(i, i + 1));
    }
    prop_assert_eq!(layout.pairs(), pairs);
    Ok(())
}

fn geometry() -> impl Strategy<Value = Geometry> {
    (1usize..260, 0usize..130, prop::option::of(1usize..300))
        .prop_map(|(queries, offset, window)| Geometry::chunk(queries, queries + offset, window).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn lines_mean_what_the_definition_says(
        geometry in geometry(),
        columns in prop::collection::btree_set(0u32..450, 0..60),
        diagonals in prop::collection::btree_set(0u32..450, 0..20),
        dense_rows in 0usize..100,
    ) {
        let mut diagonals = diagonals;
        diagonals.insert(0);
        let dense_from = geometry.queries().saturating_sub(dense_rows);
        let index = SparseIndex::lines(columns.iter().copied().collect(), diagonals.iter().copied().collect())
            .unwrap()
            .with_dense_from(dense_from);
        let lowering = Lowering::new(&index, geometry).unwrap();
        let mut total = 0;
        for block in 0..geometry.query_blocks() {
            let layout = lowering.layout(block);
            check_layout(&layout, geometry.keys())?;
            total += layout.pairs();
            let dense = layout.queries().end - geometry.offset() > dense_from;
            for i in layout.queries() {
                for j in 0..=i {
                    let in_window = geometry.window().is_none_or(|window| i - j < window);
                    let expected = in_window && (dense || lines_contain(&layout, &columns, &diagonals, i, j));
                    prop_assert_eq!(layout.contains(i, j), expected, "query {}, key {}", i, j);
                }
            }
        }
        prop_assert_eq!(lowering.pairs(), total);
    }

    #[test]
    fn blocks_mean_what_the_definition_says(
        geometry in geometry(), dense_rows in prop::option::of(0usize..150), seed in any::<u64>(),
    ) {
        let mut random = minference_attention::synthetic::Random::new(seed);
        let rows: Vec<Vec<u32>> = (0..geometry.query_blocks()).map(|block| {
            let queries = geometry.block_queries(block);
            let own = queries.start / BLOCK..=(queries.end - 1) / BLOCK;
            (0..geometry.key_blocks() as u32).filter(|&b| own.contains(&(b as usize)) || random.below(3) == 0).collect()
        }).collect();
        let dense_from = dense_rows.map(|rows| geometry.queries().saturating_sub(rows));
        let index = SparseIndex::blocks(&rows).unwrap().with_dense_from(dense_from.unwrap_or(usize::MAX));
        let lowering = Lowering::new(&index, geometry).unwrap();
        for (block, row) in rows.iter().enumerate() {
            let layout = lowering.layout(block);
            check_layout(&layout, geometry.keys())?;
            let dense = dense_from.is_some_and(|from| layout.queries().end - geometry.offset() > from);
            for i in layout.queries() {
                for j in 0..=i {
                    let in_window = geometry.window().is_none_or(|window| i - j < window);
                    let chosen = dense || row.contains(&((j / BLOCK) as u32));
                    prop_assert_eq!(layout.contains(i, j), in_window && chosen);
                }
            }
        }
    }

    #[test]
    fn dense_is_the_causal_area(geometry in geometry()) {
        let lowering = Lowering::new(&SparseIndex::Dense, geometry).unwrap();
        let mut pairs = 0;
        for block in 0..geometry.query_blocks() {
            check_layout(&lowering.layout(block), geometry.keys())?;
            pairs += lowering.layout(block).pairs();
        }
        prop_assert_eq!(pairs, geometry.causal_pairs());
    }
}

#[test]
fn wrong_indices_are_refused() {
    let message = |result: minference_attention::Result<SparseIndex>| result.unwrap_err().to_string();
    assert!(message(SparseIndex::lines(vec![5, 5], vec![0])).contains("5 before 5"));
    assert!(message(SparseIndex::lines(vec![], vec![0, 9, 3])).contains("9 before 3"));
    assert!(message(SparseIndex::lines(vec![], vec![1, 2])).contains("diagonal 0"));
    assert!(message(SparseIndex::lines(vec![], vec![])).contains("no diagonals"));
    assert!(message(SparseIndex::blocks(&[vec![1, 0]])).contains("1 before 0"));

    let lower = |rows: &[Vec<u32>], tokens| {
        let index = SparseIndex::blocks(rows).unwrap();
        Lowering::new(&index, Geometry::prefill(tokens)).map(|_| ()).unwrap_err().to_string()
    };
    assert!(lower(&[vec![0]], 65).contains("1 rows for 2 query blocks"));
    assert!(lower(&[vec![0], vec![0]], 65).contains("without key block 1"));
    assert!(lower(&[vec![0], vec![0, 1, 2]], 65).contains("key block 2 of 2"));
}

#[test]
fn impossible_geometries_are_refused() {
    assert!(Geometry::chunk(5, 4, None).is_err());
    assert!(Geometry::chunk(4, 4, Some(0)).is_err());
    assert!(Geometry::chunk(1, (1 << 30) + 1, None).is_err());
    assert_eq!(Geometry::chunk(4, 10, Some(3)).unwrap().causal_pairs(), 12);
}
