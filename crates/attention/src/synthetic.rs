//! Inputs with known structure, for tests and benchmarks.
//!
//! [`planted_head`] makes one head whose attention lies on chosen columns and diagonals, as
//! vertical-slash heads' does; the online estimate must find them. [`normal`] is noise, in which no
//! key matters more than another: the hardest case for any sparse method, and no measure of its
//! quality.

/// A small, fast generator (xorshift64*), so that the same seed gives the same numbers everywhere.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator for a seed.
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds should not give neighbouring states.
        Self((seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9) | 1)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Uniform in `0..n`.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// Standard normal: the sum of four 16-bit uniforms, shifted and scaled. Its tails end at 3.5,
    /// which suits test data.
    pub fn normal(&mut self) -> f32 {
        let bits = self.bits();
        let sum: i32 = (0..4).map(|i| (bits >> (16 * i) & 0xffff) as i32).sum();
        // Variance of a uniform on 0..65536 is 65536^2 / 12.
        (sum - 2 * 0xffff) as f32 / (65536.0 * (4.0f32 / 12.0).sqrt())
    }
}

/// `count` standard normal numbers.
pub fn normal(count: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..count).map(|_| random.normal()).collect()
}

/// What to plant in a head.
#[derive(Debug, Clone, PartialEq)]
pub struct Planted {
    /// Keys that every query looks at.
    pub columns: Vec<usize>,
    /// Distances from query back to key that every query looks at.
    pub diagonals: Vec<usize>,
    /// Over how many tokens the attention around a diagonal fades by a factor of e in the exponent;
    /// 0 for sharp diagonals.
    pub width: f32,
}

impl Planted {
    /// Structure as the heads of real models have it, for prompts of `tokens` tokens: broad bands
    /// around the query itself and around one distance farther back, the first columns, and
    /// scattered ones, one in 64 tokens and 930 at most.
    pub fn typical(tokens: usize, seed: u64) -> Self {
        let tokens = tokens.max(1);
        let mut random = Random::new(seed);
        let mut columns: Vec<usize> = (0..30.min(tokens)).collect();
        columns.extend((0..(tokens / 64).min(930)).map(|_| random.below(tokens)));
        columns.sort_unstable();
        columns.dedup();
        let mut diagonals = vec![0, random.below(tokens.div_ceil(2))];
        diagonals.dedup();
        Self { columns, diagonals, width: (tokens as f32 / 16.0).min(1024.0).max(tokens as f32 / 85.0) }
    }
}

/// Q, K and V of one head, each `[tokens][head_dim]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// Queries.
    pub q: Vec<f32>,
    /// Keys.
    pub k: Vec<f32>,
    /// Values.
    pub v: Vec<f32>,
}

/// A head whose queries look at the planted columns and diagonals, and elsewhere little.
///
/// Every key has a random code of its own; a query is the sum of the codes at its planted
/// distances, so that it matches just those keys. The codes of neighbouring keys are alike within
/// the planted width. One element of head_dim is kept for columns: there every query matches the
/// planted keys alone, which have no code. Values are noise.
///
/// `head_dim` is at least 2; the larger it is, the less other keys match by chance.
pub fn planted_head(tokens: usize, head_dim: usize, planted: &Planted, seed: u64) -> Head {
    // Score of the middle of a planted diagonal. It grows with the prompt as the sum over all other
    // keys does, which would drown the structure otherwise. A single column counts less, as there
    // are many.
    let score = 14.0 + (tokens as f32 / 4096.0).ln().max(0.0);
    const COLUMN_BELOW_DIAGONAL: f32 = 3.0;
    let code_dim = head_dim - 1;
    let scale = (head_dim as f32).sqrt();
    let for_column = ((score - COLUMN_BELOW_DIAGONAL) * scale).sqrt();
    let for_code = (score * scale / code_dim as f32).sqrt();
    let mut head = Head {
        q: vec![0.0; tokens * head_dim],
        k: vec![0.0; tokens * head_dim],
        v: normal(tokens * head_dim, seed ^ 0x5eed),
    };
    // A random walk that forgets: neighbours correlate by exp(-1 / width).
    let keep = if planted.width > 0.0 { (-1.0 / planted.width).exp() } else { 0.0 };
    let change = (1.0 - keep * keep).sqrt();
    let mut random = Random::new(seed);
    let mut code: Vec<f32> = (0..code_dim).map(|_| random.normal()).collect();
    for key in head.k.chunks_exact_mut(head_dim) {
        code.iter_mut().for_each(|code| *code = keep * *code + change * random.normal());
        // All codes are equally long, so that a planted distance has the same score everywhere.
        let length = code.iter().map(|x| x * x).sum::<f32>().sqrt();
        let factor = for_code * (code_dim as f32).sqrt() / length.max(f32::MIN_POSITIVE);
        key[1..].iter_mut().zip(&code).for_each(|(key, code)| *key = factor * code);
    }
    for (position, query) in head.q.chunks_exact_mut(head_dim).enumerate() {
        for &distance in planted.diagonals.iter().filter(|&&distance| distance <= position) {
            let key = &head.k[(position - distance) * head_dim..][..head_dim];
            query[1..].iter_mut().zip(&key[1..]).for_each(|(q, k)| *q += k);
        }
        query[0] = for_column;
    }
    for &column in planted.columns.iter().filter(|&&column| column < tokens) {
        // Without a code: where columns and diagonals cross, scores would add up and nothing else
        // would count.
        let key = &mut head.k[column * head_dim..][..head_dim];
        key.fill(0.0);
        key[0] = for_column;
    }
    head
}
