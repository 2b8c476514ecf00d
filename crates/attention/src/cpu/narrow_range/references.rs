//! References of rows: where they start, and what moves them.

// SAFETY: one contract for the functions below: the machine has the instance's instructions, and
// the tile's pointers and the block's buffers have the sizes that their types document.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::NarrowRange;
use super::peaks::{PeakSurvey, add_peaks, survey};
use crate::cpu::dot::ValueDot;
use crate::cpu::instances::Instance;
use crate::cpu::micro_kernel::{TileShape, TileTotals, add_maxima, move_references, probabilities_of_tile};
use crate::cpu::query_block::{NO_MAXIMUM, QueryBlock};
use crate::cpu::tile::{CHUNK, Tile};
use crate::index::BLOCK;

/// Keys of a tile that are a peak for some query, at most: more of them are no sinks, and
/// references rise.
const MOST_PEAK_KEYS: u32 = 4;
/// Tiles with such keys that a block of queries meets, at most: to take them apart costs a fifth of
/// a tile and more.
const MOST_PEAK_TILES: u32 = 3;
/// The exponent of a peak from which on the reference rises because of it, to this much less than
/// the peak. It keeps `f32` sums in range, and what is lost below 2^-15 is below 2^-35 of the peak.
const HIGHEST_PEAK: f32 = 34.0;
const BELOW_HIGHEST_PEAK: f32 = 20.0;
/// Where one row's reference rises, those of all rows do with a chunk of this sum or more: they
/// would soon, each in a tile of its own that were computed again for it. On recorded heads of 6K
/// tokens that happened three times as often.
const RISES_ALONG: f32 = 1.0;
/// By how much a reference falls at a time, at most. Of a chunk that sums to 0 nothing more is
/// known.
const LARGEST_FALL: f32 = 14.0;
/// The power of two that the least chunk of a tile sums to after a fall that was not the largest.
const AIM_OF_FALL: f32 = -4.0;
/// After so many rounds of one tile, references only rise.
const ROUNDS_WITH_FALLS: usize = 4;

/// Sets the references of a block that has seen no key.
///
/// # Safety
/// As for [`attend_tile`](crate::cpu::micro_kernel::attend_tile).
#[inline(always)]
pub(crate) unsafe fn set_first_reference<I: Instance, const R: usize, const V: usize>(
    block: &mut QueryBlock,
    tile: &Tile,
    shape: TileShape,
) {
    let mut references = [NO_MAXIMUM; BLOCK];
    for chunk in 0..tile.chunks().len().min(2) {
        for key in (0..CHUNK).step_by(R) {
            let mut maxima = [NO_MAXIMUM; BLOCK];
            unsafe { add_maxima::<I, R, V>(block, tile, chunk, key..key + R, shape, &mut maxima) };
            for (reference, maximum) in references.iter_mut().zip(maxima) {
                *reference = match (*reference == NO_MAXIMUM, maximum == NO_MAXIMUM) {
                    (_, true) => *reference,
                    (true, false) => maximum,
                    (false, false) => reference.min(maximum),
                };
            }
        }
    }
    start_below::<I>(&mut references);
    move_references(block, &references);
}

/// Moves maxima to where references start.
#[inline(always)]
fn start_below<I: Instance>(maxima: &mut [f32; BLOCK]) {
    let start = <I::Value as ValueDot<I::Simd>>::RANGE.map_or(0.0, |range| range.start);
    maxima.iter_mut().filter(|maximum| **maximum != NO_MAXIMUM).for_each(|x| *x -= start);
}

/// Moves references until the tile's probabilities fit, and adds its peaks. `probabilities` and
/// `totals` are those of the tile under the block's references as they were, and afterwards those
/// without peaks.
///
/// # Safety
/// As for [`attend_tile`](crate::cpu::micro_kernel::attend_tile).
#[inline(always)]
pub(crate) unsafe fn fit_tile<I: Instance, const R: usize, const V: usize>(
    block: &mut QueryBlock,
    tile: &Tile,
    shape: TileShape,
    range: NarrowRange,
    probabilities: &mut [u32],
    totals: &mut TileTotals,
) {
    unsafe {
        if block.negative_maxima.contains(&-NO_MAXIMUM) {
            set_missing_references::<I, R, V>(block, tile, shape);
            *totals = TileTotals::new();
            probabilities_of_tile::<I, R, V>(block, tile, shape, probabilities, totals);
        }
        let mut risen = [false; BLOCK];
        for round in 0.. {
            let survey = survey::<I, V>(block, tile, shape, range, probabilities);
            let are_sinks = survey.keys.count_ones() <= MOST_PEAK_KEYS && block.peak_tiles < MOST_PEAK_TILES;
            let mut by = [0.0f32; BLOCK];
            for (row, by) in by.iter_mut().enumerate().take(block.rows) {
                let may_fall = round < ROUNDS_WITH_FALLS && !risen[row];
                let smallest_chunk = if may_fall { totals.smallest_chunks[row] } else { f32::MAX };
                let before = [block.sums[row], block.peak_sums[row]];
                *by = shift(&survey, are_sinks, row, before, smallest_chunk, range);
            }
            if by.iter().any(|by| *by > 0.0) {
                for row in (0..block.rows).filter(|&row| survey.largest_chunks[row] >= RISES_ALONG) {
                    by[row] = by[row].max(rise(survey.largest_chunks[row], range));
                }
            }
            let moved = by.iter().any(|by| *by != 0.0);
            if !moved {
                totals.sums = survey.rest;
                block.peak_tiles += u32::from(survey.keys != 0);
                add_peaks::<I, V>(block, tile, shape, range, survey.keys, probabilities);
                return;
            }
            risen.iter_mut().zip(by).for_each(|(risen, by)| *risen |= by > 0.0);
            let references = std::array::from_fn(|row| by[row] - block.negative_maxima[row]);
            move_references(block, &references);
            *totals = TileTotals::new();
            probabilities_of_tile::<I, R, V>(block, tile, shape, probabilities, totals);
        }
    }
}

/// By how many powers of two a reference rises where this is a row's largest chunk.
#[inline(always)]
fn rise(largest_chunk: f32, range: NarrowRange) -> f32 {
    (largest_chunk.log2() - range.after_rise).ceil()
}

/// By how many powers of two the reference of a row has to move before the tile can be added.
/// `are_sinks` says whether peaks may be added apart.
fn shift(
    survey: &PeakSurvey,
    are_sinks: bool,
    row: usize,
    [bulk_before, peaks_before]: [f32; 2],
    smallest_chunk: f32,
    range: NarrowRange,
) -> f32 {
    let (largest_chunk, peak_sum) = (survey.largest_chunks[row], survey.peak_sums[row]);
    if survey.highest[row] > HIGHEST_PEAK {
        return survey.highest[row].ceil() - BELOW_HIGHEST_PEAK;
    }
    if !are_sinks && peak_sum > 0.0 {
        return rise(largest_chunk + peak_sum, range);
    }
    if largest_chunk >= range.chunk_limit {
        return rise(largest_chunk, range);
    }
    let bulk = bulk_before + survey.rest[row];
    let is_enough = bulk >= range.enough_bulk || bulk + peaks_before + peak_sum >= range.enough;
    if smallest_chunk < range.chunk_floor && !is_enough {
        // a chunk of zeros has the logarithm minus infinity
        return (smallest_chunk.log2() - AIM_OF_FALL).ceil().max(-LARGEST_FALL);
    }
    0.0
}

/// Gives rows that saw none of the keys that [`set_first_reference`] looked at a reference, if they
/// see one of this tile.
#[inline(always)]
unsafe fn set_missing_references<I: Instance, const R: usize, const V: usize>(
    block: &mut QueryBlock,
    tile: &Tile,
    shape: TileShape,
) {
    let mut maxima = [NO_MAXIMUM; BLOCK];
    for chunk in 0..tile.chunks().len() {
        unsafe { add_maxima::<I, R, V>(block, tile, chunk, 0..CHUNK, shape, &mut maxima) };
    }
    start_below::<I>(&mut maxima);
    let references = std::array::from_fn(|row| match -block.negative_maxima[row] {
        NO_MAXIMUM => maxima[row],
        reference => reference,
    });
    move_references(block, &references);
}
