//! [`StageBuilder`]: the stages of one tile after the other.

use super::spans::{SharedSpans, clear_granules};
use super::words::{Column, Entry};
use super::{GRANULE, HALF_ROWS, STAGE_KEYS, TILE_ROWS, Tile, check};
use crate::error::Result;
use minference_attention::{KeyLayout, Lowering};
use std::ops::Range;

/// Granules of an entry, and of a stage.
const ENTRY_GRANULES: usize = HALF_ROWS / GRANULE;
const STAGE_GRANULES: usize = STAGE_KEYS / GRANULE;

/// Tiles, and the list that they point into; with memory that is used again.
#[derive(Debug, Default)]
pub(super) struct StageBuilder {
    pub(super) tiles: Vec<Tile>,
    pub(super) list: Vec<u32>,
    layouts: [KeyLayout; 2],
    spans: SharedSpans,
    of_both: Vec<Entry>,
    of_half: [Vec<Entry>; 2],
    columns: Vec<Column>,
    masked_columns: Vec<Column>,
}

impl StageBuilder {
    /// Adds tile number `tile` of a head.
    pub(super) fn push_tile(&mut self, lowering: &Lowering<'_>, head: usize, tile: usize) -> Result<()> {
        let blocks = lowering.geometry().query_blocks();
        let per_tile = TILE_ROWS / HALF_ROWS;
        for (half, layout) in self.layouts.iter_mut().enumerate() {
            match tile * per_tile + half {
                block if block < blocks => lowering.layout_into(block, layout),
                _ => *layout = KeyLayout::default(),
            }
        }
        self.spans.join(&self.layouts);
        let run = self.list_entries();
        let plain_columns = self.list_columns();
        let half_stages = self.of_half[0].len().max(self.of_half[1].len());
        let count = |what, found: usize| check(what, found, usize::from(u16::MAX)).map(|()| found as u16);
        let mut result = Tile {
            full_stages: count("stages of spans in a tile", self.of_both.len() / 2)?,
            half_stages: count("stages of spans of one half in a tile", half_stages)?,
            column_stages: count("stages of columns in a tile", self.columns.len() / STAGE_KEYS)?,
            plain_column_stages: (plain_columns / STAGE_KEYS) as u16,
            run_first: run.start as u32,
            run_stages: (run.len() / STAGE_GRANULES) as u32,
            head: head as i32,
            tile: tile as i32,
            ..Tile::default()
        };
        result.entries = self.list.len() as u32;
        self.list.extend(self.of_both.iter().map(|entry| entry.word()));
        for stage in 0..half_stages {
            let entry = |half: usize| self.of_half[half].get(stage).copied().unwrap_or(Entry::NONE);
            self.list.extend([entry(0).word(), entry(1).word()]);
        }
        result.columns = self.list.len() as u32;
        self.list.extend(self.columns.iter().map(|column| column.word()));
        check("words of key lists", self.list.len(), u32::MAX as usize)?;
        self.tiles.push(result);
        Ok(())
    }

    /// Positions of the queries of one half, or of both.
    fn rows(&self, half: Option<usize>) -> Range<usize> {
        match half {
            Some(half) => self.layouts[half].queries(),
            None => self.layouts[0].queries().start..self.layouts[1].queries().end,
        }
    }

    /// Cuts the spans into entries; returns the granules of the run.
    fn list_entries(&mut self) -> Range<usize> {
        let window = self.layouts[0].window();
        let mut run = 0..0;
        self.of_both.clear();
        if !self.spans.of_both.is_empty() {
            let clear = clear_granules(self.rows(None), window);
            run = longest_run(&self.spans.of_both, &clear);
            for span in &self.spans.of_both {
                if run.is_empty() || run.start < span.start || run.end > span.end {
                    cut(span.clone(), &clear, &mut self.of_both);
                } else {
                    cut(span.start..run.start, &clear, &mut self.of_both);
                    cut(run.end..span.end, &clear, &mut self.of_both);
                }
            }
        }
        for half in 0..2 {
            self.of_half[half].clear();
            if !self.spans.of_half[half].is_empty() {
                let clear = clear_granules(self.rows(Some(half)), window);
                for span in &self.spans.of_half[half] {
                    cut(span.clone(), &clear, &mut self.of_half[half]);
                }
            }
        }
        self.pair_entries();
        run
    }

    /// Makes the entries that both halves see even in number, and puts masked ones first, so that
    /// few stages are masked.
    fn pair_entries(&mut self) {
        if !self.of_both.len().is_multiple_of(2) {
            // An entry of the half that has more fills the place, a masked one if there is any.
            let half = usize::from(self.of_half[1].len() >= self.of_half[0].len());
            let filler = take_masked(&mut self.of_half[half]);
            self.of_both.push(filler.map_or(Entry::NONE, |entry| entry.hidden_from(1 - half)));
        }
        // A change of kind costs the pipeline more than one stage saves.
        if self.of_half.iter().map(Vec::len).max() == Some(1) {
            for half in 0..2 {
                let entry = self.of_half[half].pop();
                self.of_both.push(entry.map_or(Entry::NONE, |entry| entry.hidden_from(1 - half)));
            }
        }
        let [first, second] = &mut self.of_half;
        for entries in [&mut self.of_both, first, second] {
            entries.sort_by_key(|entry| !entry.is_masked());
        }
    }

    /// Merges the columns of both halves; returns how many need no comparison, in whole stages.
    fn list_columns(&mut self) -> usize {
        self.columns.clear();
        self.masked_columns.clear();
        let [first, second] = self.layouts.each_ref().map(KeyLayout::columns);
        let rows = self.rows(None);
        let window = self.layouts[0].window().unwrap_or(usize::MAX);
        let (mut i, mut j) = (0, 0);
        while i < first.len() || j < second.len() {
            // Where one list has ended, its column lies behind all others.
            let column = |columns: &[u32], at: usize| columns.get(at).copied().unwrap_or(u32::MAX);
            let (a, b) = (column(first, i), column(second, j));
            match a.cmp(&b) {
                std::cmp::Ordering::Less => self.masked_columns.push(Column::of_half(a, 0)),
                std::cmp::Ordering::Greater => self.masked_columns.push(Column::of_half(b, 1)),
                std::cmp::Ordering::Equal => {
                    let key = a as usize;
                    let all_see_it = key <= rows.start && (rows.end - 1) - key < window;
                    let list = if all_see_it { &mut self.columns } else { &mut self.masked_columns };
                    list.push(Column::of_both(a));
                }
            }
            i += usize::from(a <= b);
            j += usize::from(b <= a);
        }
        let plain = self.columns.len() / STAGE_KEYS * STAGE_KEYS;
        self.columns.append(&mut self.masked_columns);
        let whole = self.columns.len().next_multiple_of(STAGE_KEYS);
        self.columns.resize(whole, Column::NONE);
        plain
    }
}

/// Cuts a span into entries. Those that some row must not see whole are masked, and short ones,
/// whose places for 64 keys are not all taken.
fn cut(span: Range<usize>, clear: &Range<usize>, entries: &mut Vec<Entry>) {
    for first in span.clone().step_by(ENTRY_GRANULES) {
        let granules = ENTRY_GRANULES.min(span.end - first);
        let is_clear = granules == ENTRY_GRANULES && clear.start <= first && first + granules <= clear.end;
        entries.push(Entry::new(first, granules, !is_clear));
    }
}

/// The most whole stages of consecutive clear granules in one of the spans, placed so that what is
/// left of that span takes the fewest entries.
fn longest_run(spans: &[Range<usize>], clear: &Range<usize>) -> Range<usize> {
    let clear_part = |span: &Range<usize>| {
        let start = span.start.max(clear.start);
        start..span.end.min(clear.end).max(start)
    };
    // The first of the longest: max_by_key would give the last.
    let Some(span) = spans.iter().rev().max_by_key(|span| clear_part(span).len()) else { return 0..0 };
    let part = clear_part(span);
    let length = part.len() / STAGE_GRANULES * STAGE_GRANULES;
    if length == 0 {
        return 0..0;
    }
    let entries_left = |&start: &usize| {
        (start - span.start).div_ceil(ENTRY_GRANULES) + (span.end - start - length).div_ceil(ENTRY_GRANULES)
    };
    let start = (part.start..=part.end - length).min_by_key(entries_left).unwrap_or(part.start);
    start..start + length
}

/// Takes the last masked entry, or the last.
fn take_masked(entries: &mut Vec<Entry>) -> Option<Entry> {
    let at = entries.iter().rposition(|entry| entry.is_masked()).or(entries.len().checked_sub(1))?;
    Some(entries.remove(at))
}
