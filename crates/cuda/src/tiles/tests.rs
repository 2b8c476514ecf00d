//! The lists, decoded again, hold what [`KeyLayout::contains`] says: every key of a row once, and
//! no other.

use super::{Column, Entry, HALF_ROWS, STAGE_KEYS, TILE_ROWS, Tile, Tiles};
use minference_attention::index::BLOCK;
use minference_attention::synthetic::Random;
use minference_attention::{Geometry, KeyLayout, Lowering, SparseIndex};
use proptest::prelude::*;

/// What the kernels read of a list: walks a tile's stages and tells which (row of the tile, key)
/// are used. `visit(rows, key, compared)`: `compared` pairs are subject to causality and window.
fn walk(tile: &Tile, list: &[u32], mut visit: impl FnMut(std::ops::Range<usize>, usize, bool)) {
    let both = 0..TILE_ROWS;
    let rows_of = |half: usize| half * HALF_ROWS..(half + 1) * HALF_ROWS;
    let pair = |stage: usize| {
        let at = tile.entries as usize + 2 * stage;
        [Entry::from_word(list[at]), Entry::from_word(list[at + 1])]
    };
    let mut masked_before = true;
    for stage in 0..tile.full_stages as usize {
        let entries = pair(stage);
        let masked = entries.iter().any(|entry| entry.is_masked());
        assert!(masked_before || !masked, "masked stages come first");
        masked_before = masked;
        for entry in entries {
            check_entry(entry, masked);
            for half in (0..2).filter(|&half| !masked || !entry.is_hidden_from(half)) {
                entry.keys().for_each(|key| visit(rows_of(half), key, masked));
            }
        }
    }
    let run = tile.run_first as usize * super::GRANULE;
    for key in run..run + tile.run_stages as usize * STAGE_KEYS {
        visit(both.clone(), key, false);
    }
    for stage in 0..tile.column_stages as usize {
        let masked = stage >= tile.plain_column_stages as usize;
        for place in 0..STAGE_KEYS {
            let column = Column::from_word(list[tile.columns as usize + stage * STAGE_KEYS + place]);
            let Some(key) = column.key() else {
                assert!(masked, "an empty place takes the masked path");
                continue;
            };
            for half in (0..2).filter(|&half| !masked || !column.is_hidden_from(half)) {
                visit(rows_of(half), key, masked);
            }
        }
    }
    for stage in 0..tile.half_stages as usize {
        let entries = pair(tile.full_stages as usize + stage);
        let masked = entries.iter().any(|entry| entry.is_masked());
        for (half, entry) in entries.into_iter().enumerate() {
            check_entry(entry, masked);
            if !masked || !entry.is_hidden_from(half) {
                entry.keys().for_each(|key| visit(rows_of(half), key, masked));
            }
        }
    }
}

fn check_entry(entry: Entry, masked: bool) {
    assert!((1..=HALF_ROWS).contains(&entry.keys().len()));
    if !masked {
        assert_eq!(entry.keys().len(), HALF_ROWS, "a short entry takes the masked path");
        assert!(!entry.is_hidden_from(0) && !entry.is_hidden_from(1));
    }
}

/// How often each key is used by each row of a tile that has a query, `[row][key]`.
fn uses(tile: &Tile, tiles: &Tiles) -> Vec<Vec<u8>> {
    let geometry = tiles.geometry();
    let first = tile.tile as usize * TILE_ROWS;
    let rows = TILE_ROWS.min(geometry.queries() - first);
    let mut uses = vec![vec![0u8; geometry.keys() + TILE_ROWS]; rows];
    walk(tile, tiles.list(), |of_rows, key, compared| {
        for row in of_rows.filter(|&row| row < rows) {
            let position = geometry.offset() + first + row;
            let visible = key <= position && geometry.window().is_none_or(|window| position - key < window);
            if !compared || visible {
                uses[row][key] += 1;
            }
        }
    });
    uses
}

/// Every tile of every head there once; every row uses the keys of its block's layout once.
fn check_tiles(lowerings: &[Lowering<'_>]) {
    let tiles = Tiles::new(lowerings).unwrap();
    let geometry = tiles.geometry();
    let per_head = geometry.queries().div_ceil(TILE_ROWS);
    assert_eq!(tiles.tiles().len(), per_head * lowerings.len());
    assert!(tiles.tiles().is_sorted_by_key(|tile| std::cmp::Reverse(tile.cost())));
    let mut seen = vec![false; tiles.tiles().len()];
    for tile in tiles.tiles() {
        let (head, number) = (tile.head as usize, tile.tile as usize);
        assert!(!std::mem::replace(&mut seen[head * per_head + number], true));
        for (row, uses) in uses(tile, &tiles).iter().enumerate() {
            let token = number * TILE_ROWS + row;
            let layout: KeyLayout = lowerings[head].layout(token / BLOCK);
            for (key, &count) in uses.iter().enumerate() {
                let expected = layout.contains(geometry.offset() + token, key);
                assert_eq!(
                    count,
                    u8::from(expected),
                    "head {head}, tile {number}, row {row}, key {key}, {geometry:?}: {tile:?}"
                );
            }
        }
    }
}

fn check_index(index: &SparseIndex, geometry: Geometry) {
    check_tiles(&[Lowering::new(index, geometry).unwrap()]);
}

/// Lengths below, at and above halves and tiles; offsets that are multiples of nothing, and those
/// whose first row is the last but one of an entry or a run.
const QUERIES: [usize; 15] = [1, 15, 16, 17, 63, 64, 65, 100, 127, 128, 129, 191, 192, 193, 257];
const OFFSETS: [usize; 11] = [0, 1, 15, 16, 62, 63, 64, 100, 126, 128, 333];
const WINDOWS: [Option<usize>; 8] =
    [None, Some(1), Some(15), Some(16), Some(17), Some(64), Some(129), Some(200)];

fn geometries() -> impl Iterator<Item = Geometry> {
    QUERIES.into_iter().flat_map(|queries| {
        OFFSETS.into_iter().flat_map(move |offset| {
            WINDOWS.into_iter().map(move |window| Geometry::chunk(queries, queries + offset, window).unwrap())
        })
    })
}

/// Block indices must hold the blocks of the queries themselves.
fn random_blocks(geometry: Geometry, random: &mut Random, density: usize) -> SparseIndex {
    let rows: Vec<Vec<u32>> = (0..geometry.query_blocks())
        .map(|block| {
            let queries = geometry.block_queries(block);
            let own = queries.start / BLOCK..=(queries.end - 1) / BLOCK;
            (0..geometry.key_blocks())
                .filter(|key_block| own.contains(key_block) || random.below(100) < density)
                .map(|key_block| key_block as u32)
                .collect()
        })
        .collect();
    SparseIndex::blocks(&rows).unwrap()
}

fn random_lines(keys: usize, random: &mut Random, columns: usize, diagonals: usize) -> SparseIndex {
    let mut some = |count: usize, first: Option<u32>| {
        let mut values: Vec<u32> = (0..count).map(|_| random.below(keys + 20) as u32).collect();
        values.extend(first);
        values.sort_unstable();
        values.dedup();
        values
    };
    SparseIndex::lines(some(columns, None), some(diagonals, Some(0))).unwrap()
}

#[test]
fn dense_tiles_hold_every_key_once() {
    geometries().for_each(|geometry| check_index(&SparseIndex::Dense, geometry));
}

#[test]
fn line_tiles_hold_what_the_layout_says() {
    let mut random = Random::new(1);
    for (i, geometry) in geometries().enumerate() {
        let (columns, diagonals) = [(0, 0), (3, 1), (40, 5), (300, 2), (10, 60)][i % 5];
        let index = random_lines(geometry.keys(), &mut random, columns, diagonals);
        let index = if i % 4 == 3 { index.with_dense_from(geometry.queries() / 2) } else { index };
        check_index(&index, geometry);
    }
}

#[test]
fn block_tiles_hold_what_the_layout_says() {
    let mut random = Random::new(2);
    for (i, geometry) in geometries().enumerate() {
        let index = random_blocks(geometry, &mut random, [0, 20, 60, 100][i % 4]);
        let index = if i % 5 == 4 { index.with_dense_from(geometry.queries() / 2) } else { index };
        check_index(&index, geometry);
    }
}

#[test]
fn heads_of_all_kinds_share_a_list() {
    let mut random = Random::new(3);
    for queries in [1, 128, 700] {
        let geometry = Geometry::chunk(queries, queries + 77, None).unwrap();
        let indices = [
            SparseIndex::Dense,
            random_lines(geometry.keys(), &mut random, 150, 20),
            random_blocks(geometry, &mut random, 40),
            random_lines(geometry.keys(), &mut random, 0, 3),
        ];
        let lowerings: Vec<_> = indices.iter().map(|index| Lowering::new(index, geometry).unwrap()).collect();
        check_tiles(&lowerings);
    }
}

/// Long runs of diagonals and many whole stages of columns, at positions far from the first key.
#[test]
fn long_prompts_hold_what_the_layout_says() {
    let keys = 9000;
    for (queries, window) in [(200, None), (130, Some(3000)), (64, Some(8500))] {
        let geometry = Geometry::chunk(queries, keys, window).unwrap();
        let columns = (0..keys as u32).step_by(7).collect();
        let diagonals = (0..1000).chain(4001..4250).chain([7000, 7016]).collect();
        check_index(&SparseIndex::lines(columns, diagonals).unwrap(), geometry);
        check_index(&SparseIndex::Dense, geometry);
        check_index(&random_blocks(geometry, &mut Random::new(4), 30), geometry);
    }
}

#[test]
fn dense_tiles_are_one_masked_stage_and_a_run() {
    let dense = SparseIndex::Dense;
    let tiles = Tiles::new(&[Lowering::new(&dense, Geometry::prefill(1 << 20)).unwrap()]).unwrap();
    for tile in tiles.tiles() {
        assert_eq!((tile.full_stages, tile.half_stages, tile.column_stages), (1, 0, 0));
        assert_eq!((tile.run_first, tile.run_stages), (0, tile.tile as u32));
    }
    assert_eq!(tiles.list().len(), 2 * tiles.tiles().len());
}

#[test]
fn more_stages_than_a_tile_counts_are_refused() {
    // Every second key block, so that nothing is a run.
    let keys: usize = 2 * 128 * (usize::from(u16::MAX) + 2);
    let geometry = Geometry::chunk(128, keys, None).unwrap();
    let blocks = geometry.key_blocks() as u32;
    let row: Vec<u32> = (0..blocks).filter(|block| block % 2 == 0 || *block + 2 >= blocks).collect();
    let index = SparseIndex::blocks(&[row.clone(), row]).unwrap();
    match Tiles::new(&[Lowering::new(&index, geometry).unwrap()]) {
        Err(crate::Error::TooLarge { what: "stages of spans in a tile", found, limit: 65_535 }) => {
            assert!(found > 65_535);
        }
        other => panic!("{:?}", other.map(|tiles| tiles.tiles().len())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn random_tiles_hold_what_the_layout_says(
        queries in 1usize..420,
        offset in prop_oneof![Just(0usize), 0usize..700, (0usize..12).prop_map(|x| x * 64)],
        window in prop_oneof![Just(None), (1usize..900).prop_map(Some)],
        seed in any::<u64>(),
        columns in prop_oneof![Just(0usize), 0usize..40, 100usize..600],
        diagonals in prop_oneof![Just(0usize), 0usize..12, 50usize..400],
        density in 0usize..=100,
        dense_from in prop_oneof![Just(usize::MAX), 0usize..420],
        kind in 0..3,
    ) {
        let geometry = Geometry::chunk(queries, queries + offset, window).unwrap();
        let mut random = Random::new(seed);
        let index = match kind {
            0 => SparseIndex::Dense,
            1 => random_lines(geometry.keys(), &mut random, columns, diagonals),
            _ => random_blocks(geometry, &mut random, density),
        };
        check_index(&index.with_dense_from(dense_from), geometry);
    }
}
