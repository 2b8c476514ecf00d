//! A JSON object of random keys and values, and a question about one of them: retrieval without any
//! meaning to lean on (the shape of InfiniteBench's `kv_retrieval`, which the paper calibrates
//! with).
//!
//! ```
//! use minference_attention::synthetic::Random;
//! use minference_eval::haystack::key_values::{entry, identifier};
//!
//! let mut random = Random::new(1);
//! let [key, value] = [0; 2].map(|_| identifier(&mut random));
//! assert_eq!(key.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
//! assert_eq!(entry(&key, &value).len(), 78);
//! ```

use minference_attention::synthetic::Random;

/// A key or a value: 32 hexadecimal digits, grouped as in a UUID.
pub fn identifier(random: &mut Random) -> String {
    grouped(random.bits(), random.bits())
}

/// 128 bits as a UUID is written.
pub fn grouped(high: u64, low: u64) -> String {
    let digits = format!("{high:016x}{low:016x}");
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

/// One entry of the object.
pub fn entry(key: &str, value: &str) -> String {
    format!("\"{key}\": \"{value}\"")
}

/// The whole object, with what is to be done.
pub(super) fn text(entries: &[String]) -> String {
    format!("Below is a JSON object. Find the value of one of its keys.\n\n{{{}}}\n", entries.join(", "))
}

pub(super) fn question(key: &str) -> String {
    format!("What is the value of the key \"{key}\"?")
}
