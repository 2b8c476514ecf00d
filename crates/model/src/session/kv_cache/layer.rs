//! [`LayerCache`]: keys and values of one layer.

use super::CacheFormat;
use super::compression::KeptKeys;
use crate::decoder::config::ModelConfig;
use crate::error::Result;
use crate::session::token_rows::TokenRows;

/// Rows that are copied at once when some of them are dropped.
const ROWS: usize = 1024;

/// Keys and values of one layer, both `[rows, kv_heads, head_dim]`. There is a row for each token
/// that was read, less those that were dropped.
#[derive(Debug)]
pub(crate) struct LayerCache {
    pub(crate) keys: TokenRows,
    pub(crate) values: TokenRows,
    /// Tokens that were read and have no row any more.
    pub(crate) dropped: usize,
}

impl LayerCache {
    /// Empty, for up to `capacity` tokens.
    pub(crate) fn new(config: &ModelConfig, capacity: usize, format: CacheFormat) -> Result<Self> {
        let shape = [config.kv_heads, config.head_dim];
        let rows = |format| TokenRows::with_capacity("the key-value cache", capacity, shape, format);
        Ok(Self { keys: rows(format.keys())?, values: rows(format.values())?, dropped: 0 })
    }

    /// Rows in it.
    pub(crate) fn rows(&self) -> usize {
        self.values.tokens()
    }

    /// Bytes of its rows.
    pub(crate) fn bytes(&self) -> usize {
        self.keys.bytes() + self.values.bytes()
    }

    /// Bytes that rows of so many tokens would take.
    pub(crate) fn bytes_of(&self, tokens: usize) -> usize {
        self.keys.bytes_of(tokens) + self.values.bytes_of(tokens)
    }

    /// Forgets the rows of all tokens from `tokens` on.
    pub(crate) fn truncate(&mut self, tokens: usize) {
        let rows = tokens.saturating_sub(self.dropped);
        self.keys.truncate(rows);
        self.values.truncate(rows);
    }

    /// Forgets everything, what was dropped included; there is room for `capacity` tokens again.
    pub(crate) fn clear(&mut self, capacity: usize) {
        self.truncate(0);
        if self.dropped > 0 {
            self.dropped = 0;
            // where even a promise of memory is refused, rows are copied as they grow
            if let (Ok(keys), Ok(values)) = (self.keys.empty_copy(capacity), self.values.empty_copy(capacity))
            {
                (self.keys, self.values) = (keys, values);
            }
        }
    }

    /// Another one with the rows of the first `tokens` tokens, of those that were not dropped, and
    /// room for `capacity` tokens.
    pub(crate) fn copy(&self, capacity: usize, tokens: usize) -> Result<Self> {
        let (room, rows) = (capacity - self.dropped, tokens.saturating_sub(self.dropped));
        let (keys, values) = (self.keys.copy(room, rows)?, self.values.copy(room, rows)?);
        Ok(Self { keys, values, dropped: self.dropped })
    }

    /// Drops what is not kept. Room for `room` more rows remains.
    pub(crate) fn keep(&mut self, kept: &KeptKeys, room: usize) -> Result<()> {
        let KeptKeys::Chosen(kept) = kept else { return Ok(()) };
        let before = self.rows();
        self.keys = chosen_rows(&self.keys, kept, room)?;
        self.values = chosen_rows(&self.values, kept, room)?;
        self.dropped += before - self.rows();
        Ok(())
    }
}

/// Of each head the chosen rows, `[kept, kv_heads, head_dim]`, and room for `room` more.
fn chosen_rows(from: &TokenRows, kept: &[Vec<u32>], room: usize) -> Result<TokenRows> {
    let view = from.view()?;
    let [_, heads, head_dim] = view.shape();
    let count = kept.first().map_or(0, Vec::len);
    let mut chosen = from.empty_copy(count + room)?;
    let mut rows = vec![0.0f32; ROWS.min(count) * heads * head_dim];
    for first in (0..count).step_by(ROWS) {
        let rows = &mut rows[..ROWS.min(count - first) * heads * head_dim];
        for (i, row) in rows.chunks_exact_mut(heads * head_dim).enumerate() {
            for (head, out) in row.chunks_exact_mut(head_dim).enumerate() {
                view.read_row(kept[head][first + i] as usize, head, out);
            }
        }
        chosen.append(rows);
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::config::test_config;

    /// Rows that say which token and head they belong to.
    fn filled(tokens: usize) -> LayerCache {
        let mut cache = LayerCache::new(&test_config(), tokens + 4, CacheFormat::F32).unwrap();
        for token in 0..tokens {
            let row: Vec<f32> = (0..32).map(|d| (100 * token + d) as f32).collect();
            cache.keys.append(&row);
            cache.values.append(&row.iter().map(|x| -x).collect::<Vec<_>>());
        }
        cache
    }

    #[test]
    fn each_head_keeps_rows_of_its_own() {
        let mut cache = filled(6);
        cache.keep(&KeptKeys::Chosen(vec![vec![0, 2, 5], vec![1, 2, 4]]), 4).unwrap();
        assert_eq!((cache.rows(), cache.dropped), (3, 3));
        let mut rows = vec![0.0; 3 * 32];
        cache.keys.widen(0..3, &mut rows);
        let first: Vec<f32> = rows.chunks(16).map(|row| row[0]).collect();
        assert_eq!(first, [0.0, 116.0, 200.0, 216.0, 500.0, 416.0]);
        cache.values.widen(0..3, &mut rows);
        assert_eq!((rows[15], rows[16]), (-15.0, -116.0));
        // a token more, and back to the six
        cache.keys.append(&[1.0; 32]);
        cache.values.append(&[1.0; 32]);
        cache.truncate(6);
        assert_eq!(cache.rows(), 3);
        cache.clear(10);
        assert_eq!((cache.rows(), cache.dropped), (0, 0));
    }

    #[test]
    fn keeping_all_changes_nothing() {
        let mut cache = filled(6);
        cache.keep(&KeptKeys::All, 4).unwrap();
        assert_eq!((cache.rows(), cache.dropped, cache.bytes()), (6, 0, 6 * 2 * 32 * 4));
    }
}
