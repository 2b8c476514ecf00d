//! The integer code of the index kernels, compiled for the host, gives what Rust's [`Lowering`] and
//! `best` give: lists are decoded and compared with [`KeyLayout::contains`], pairs with
//! [`Lowering::pairs`].
//!
//! It takes a C++ compiler (`c++`, or what `CXX` names); without one the tests say so and pass.
//!
//! [`KeyLayout::contains`]: minference_attention::KeyLayout::contains

use libloading::Library;
use minference_attention::pattern::top::best;
use minference_attention::pattern::{a_shape, tri_shape};
use minference_attention::{Geometry, Lowering, SparseIndex};
use minference_cuda::Tile;
use minference_cuda::tiles::{Column, Entry, GRANULE, HALF_ROWS, STAGE_KEYS, TILE_ROWS};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

/// As in `kernels/index_interface.h`.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
struct HeadParams {
    kind: i32,
    flags: i32,
    dense_from: i32,
    column_count: i32,
    diagonal_count: i32,
    row_places: i32,
    top_k: i32,
    reserved: u32,
    columns_at: i64,
    diagonals_at: i64,
    rows_at: i64,
    list_at: u32,
    list_room: u32,
}

/// As in `kernels/index_interface.h`.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
struct HeadOutcome {
    pairs: u64,
    reason: u32,
    reserved: u32,
}

const LINES: i32 = 1;
const SHAPE: i32 = 2;
const BLOCKS: i32 = 3;
const CROSSOVER: i32 = 1;
const NO_BLOCK: u32 = u32::MAX;

type LowerHead = unsafe extern "C" fn(
    params: *const HeadParams,
    selected: *const u32,
    queries: i32,
    keys: i32,
    window: i32,
    most_pairs: f64,
    causal_pairs: u64,
    tiles: *mut Tile,
    tile_room: i64,
    list: *mut u32,
    list_length: i64,
    outcome: *mut HeadOutcome,
) -> i64;
type ListRoom = unsafe extern "C" fn(params: *const HeadParams, queries: i32, keys: i32, window: i32) -> i64;
type Best = unsafe extern "C" fn(
    scores: *const f32,
    length: i64,
    kept_first: i64,
    kept_end: i64,
    count: i64,
    chosen: *mut u32,
) -> i64;

/// The library, built once; none without a compiler.
static HOST: LazyLock<Option<Library>> = LazyLock::new(|| {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels/host/lower_host.cc");
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lower_host.so");
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
    let output = Command::new(&compiler)
        .args(["-std=c++17", "-O2", "-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .output();
    match output {
        Err(error) => {
            println!("not compared: there is no C++ compiler {compiler} ({error})");
            None
        }
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            // SAFETY: the library that was just built runs nothing when it is loaded.
            Some(unsafe { Library::new(&library) }.expect("a library that was just built"))
        }
    }
});

/// What the host's code makes of one head.
struct Lowered {
    tiles: Vec<Tile>,
    list: Vec<u32>,
    outcome: HeadOutcome,
}

fn window_of(geometry: Geometry) -> i32 {
    geometry.window().map_or(i32::MAX, |window| window as i32)
}

fn lower(
    host: &Library,
    params: HeadParams,
    selected: &[u32],
    geometry: Geometry,
    most_pairs: f64,
) -> Lowered {
    let (queries, keys, window) = (geometry.queries() as i32, geometry.keys() as i32, window_of(geometry));
    // SAFETY: the two functions have these types in `lower_host.cc`.
    let (lower, room) = unsafe {
        let lower = host.get::<LowerHead>(b"minference_lower_head").expect("its symbol");
        (lower, host.get::<ListRoom>(b"minference_list_room").expect("its symbol"))
    };
    // SAFETY: a structure of the same layout.
    let room = unsafe { room(&raw const params, queries, keys, window) };
    let params = HeadParams { list_room: room as u32, ..params };
    let mut result = Lowered {
        tiles: vec![Tile::default(); geometry.queries().div_ceil(TILE_ROWS)],
        list: vec![0; room as usize],
        outcome: HeadOutcome::default(),
    };
    // SAFETY: `selected` holds what the parameters point to; the other lengths are those of the
    // buffers.
    let words = unsafe {
        lower(
            &raw const params,
            selected.as_ptr(),
            queries,
            keys,
            window,
            most_pairs,
            geometry.causal_pairs(),
            result.tiles.as_mut_ptr(),
            result.tiles.len() as i64,
            result.list.as_mut_ptr(),
            room,
            &raw mut result.outcome,
        )
    };
    assert!(words >= 0, "{words} words: the list does not fit its room of {room}");
    result.list.truncate(words as usize);
    result
}

/// Lines and blocks, as the kernels take them.
fn params_of(index: &SparseIndex, geometry: Geometry) -> (HeadParams, Vec<u32>) {
    let bound = |row: usize| row.min(i32::MAX as usize) as i32;
    match index {
        SparseIndex::Dense => (HeadParams { dense_from: i32::MAX, ..HeadParams::default() }, Vec::new()),
        SparseIndex::Lines(lines) => {
            let columns = lines.columns().len();
            let params = HeadParams {
                kind: LINES,
                dense_from: bound(lines.dense_from()),
                column_count: columns as i32,
                diagonal_count: lines.diagonals().len() as i32,
                diagonals_at: columns as i64,
                ..HeadParams::default()
            };
            (params, [lines.columns(), lines.diagonals()].concat())
        }
        SparseIndex::Blocks(blocks) => {
            let rows = 0..geometry.query_blocks();
            let places = rows.clone().map(|row| blocks.key_blocks(row).len()).max().unwrap_or(0);
            let mut selected = Vec::new();
            for row in rows {
                selected.extend_from_slice(blocks.key_blocks(row));
                selected.resize((row + 1) * places, NO_BLOCK);
            }
            let params = HeadParams {
                kind: BLOCKS,
                dense_from: bound(blocks.dense_from()),
                row_places: places as i32,
                ..HeadParams::default()
            };
            (params, selected)
        }
    }
}

/// The keys that a tile's list shows to a half, and whether positions are compared: `[keys]`.
fn shown_to(half: usize, tile: &Tile, list: &[u32], keys: usize) -> Vec<Option<bool>> {
    let mut shown = vec![None; keys + HALF_ROWS];
    let mut show = |range: std::ops::Range<usize>, masked: bool| {
        for key in range {
            assert!(shown[key].replace(masked).is_none(), "key {key} twice");
        }
    };
    let mut entries = |words: &[u32]| {
        for entry in words.iter().map(|&word| Entry::from_word(word)) {
            if !entry.is_hidden_from(half) {
                show(entry.keys(), entry.is_masked());
            }
        }
    };
    let (full, halves) = list[tile.entries as usize..].split_at(2 * usize::from(tile.full_stages));
    entries(full);
    for stage in halves.chunks(2).take(usize::from(tile.half_stages)) {
        entries(&stage[half..][..1]);
    }
    let run = tile.run_first as usize * GRANULE;
    show(run..run + tile.run_stages as usize * STAGE_KEYS, false);
    let columns = &list[tile.columns as usize..][..STAGE_KEYS * usize::from(tile.column_stages)];
    for (i, &word) in columns.iter().enumerate() {
        let column = Column::from_word(word);
        if let Some(key) = column.key().filter(|_| !column.is_hidden_from(half)) {
            show(key..key + 1, i >= STAGE_KEYS * usize::from(tile.plain_column_stages));
        }
    }
    shown
}

fn check(index: &SparseIndex, geometry: Geometry, lowered: &Lowered) -> Result<(), TestCaseError> {
    let lowering = Lowering::new(index, geometry).unwrap();
    prop_assert_eq!(lowered.outcome.pairs, lowering.pairs());
    let window = geometry.window().unwrap_or(usize::MAX);
    for (number, tile) in lowered.tiles.iter().enumerate() {
        prop_assert_eq!(tile.tile as usize, number);
        for half in 0..2 {
            let block = 2 * number + half;
            if block >= geometry.query_blocks() {
                continue;
            }
            let layout = lowering.layout(block);
            let shown = shown_to(half, tile, &lowered.list, geometry.keys());
            for i in layout.queries() {
                for (j, place) in shown.iter().enumerate().take(geometry.keys()) {
                    let sees = place.is_some_and(|masked| !masked || (j <= i && i - j < window));
                    prop_assert_eq!(sees, layout.contains(i, j), "query {} and key {}", i, j);
                }
            }
        }
    }
    Ok(())
}

/// Lowers an index, alone and with a crossover that makes it dense.
fn compare(
    params: HeadParams,
    selected: &[u32],
    index: &SparseIndex,
    geometry: Geometry,
) -> Result<(), TestCaseError> {
    let Some(host) = &*HOST else { return Ok(()) };
    check(index, geometry, &lower(host, params, selected, geometry, 0.0))?;
    let params = HeadParams { flags: CROSSOVER, ..params };
    let pairs = Lowering::new(index, geometry).unwrap().pairs() as f64;
    check(index, geometry, &lower(host, params, selected, geometry, pairs))?;
    let dense = lower(host, params, selected, geometry, pairs - 1.0);
    prop_assert_ne!(dense.outcome.reason, 0);
    check(&SparseIndex::Dense, geometry, &dense)
}

fn geometry() -> impl Strategy<Value = Geometry> {
    (1usize..500, 0usize..300, prop::option::of(1usize..600))
        .prop_map(|(queries, offset, window)| Geometry::chunk(queries, queries + offset, window).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn lines_are_lowered_as_in_rust(
        geometry in geometry(),
        columns in prop::collection::btree_set(0u32..850, 0..150),
        // a stretch of columns and one of diagonals, beside single ones
        (column_band, diagonal_band) in ((0u32..500, 0u32..300), (0u32..500, 0u32..300)),
        diagonals in prop::collection::btree_set(0u32..850, 0..30),
        dense_rows in 0usize..200,
    ) {
        let within = |set: BTreeSet<u32>, band: (u32, u32)| -> BTreeSet<u32> {
            set.into_iter().chain(band.0..band.0 + band.1).filter(|&x| (x as usize) < geometry.keys()).collect()
        };
        let columns = within(columns, column_band);
        let mut diagonals = within(diagonals, diagonal_band);
        diagonals.insert(0);
        let index = SparseIndex::lines(columns.into_iter().collect(), diagonals.into_iter().collect())
            .unwrap()
            .with_dense_from(geometry.queries().saturating_sub(dense_rows));
        let (params, selected) = params_of(&index, geometry);
        compare(params, &selected, &index, geometry)?;
    }

    #[test]
    fn static_shapes_are_lowered_as_in_rust(
        geometry in geometry(),
        (sink, local, last) in (0usize..400, 0usize..600, 0usize..200),
    ) {
        let params = HeadParams {
            kind: SHAPE,
            column_count: sink.min(geometry.keys()) as i32,
            diagonal_count: local.clamp(1, geometry.keys()) as i32,
            ..HeadParams::default()
        };
        let index = a_shape::index(geometry, sink, local).unwrap();
        compare(HeadParams { dense_from: i32::MAX, ..params }, &[], &index, geometry)?;
        let index = tri_shape::index(geometry, sink, local, last).unwrap();
        let dense_from = geometry.queries().saturating_sub(last) as i32;
        compare(HeadParams { dense_from, ..params }, &[], &index, geometry)?;
    }

    #[test]
    fn blocks_are_lowered_as_in_rust(
        geometry in geometry(),
        rows in prop::collection::vec(prop::collection::btree_set(0u32..13, 0..6), 8),
        dense_rows in 0usize..200,
    ) {
        let rows: Vec<Vec<u32>> = (0..geometry.query_blocks())
            .map(|block| {
                let queries = geometry.block_queries(block);
                let own = queries.start / HALF_ROWS..(queries.end - 1) / HALF_ROWS + 1;
                let mut row: BTreeSet<u32> = own.clone().map(|block| block as u32).collect();
                row.extend(rows[block].iter().filter(|&&block| (block as usize) < own.end));
                row.into_iter().collect()
            })
            .collect();
        let index = SparseIndex::blocks(&rows)
            .unwrap()
            .with_dense_from(geometry.queries().saturating_sub(dense_rows));
        let (params, selected) = params_of(&index, geometry);
        compare(params, &selected, &index, geometry)?;
    }

    #[test]
    fn the_best_are_those_of_rust(
        scores in prop::collection::vec(
            prop_oneof![
                4 => (-4i32..4).prop_map(|x| x as f32 / 2.0),
                4 => any::<f32>(),
                1 => prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0]),
            ],
            1..400,
        ),
        kept in (0usize..400, 0usize..40),
        count in 0usize..450,
    ) {
        let Some(host) = &*HOST else { return Ok(()) };
        let kept = kept.0..kept.0 + kept.1;
        let mut chosen = vec![0u32; scores.len()];
        // SAFETY: the function has this type in `lower_host.cc`; there is room for all scores.
        let found = unsafe {
            let function = host.get::<Best>(b"minference_best").expect("its symbol");
            let (first, end) = (kept.start as i64, kept.end as i64);
            function(scores.as_ptr(), scores.len() as i64, first, end, count as i64, chosen.as_mut_ptr())
        };
        chosen.truncate(found as usize);
        prop_assert_eq!(chosen, best(&scores, kept, count));
    }
}
