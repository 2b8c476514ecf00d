//! InfiniteBench on small files of the official format, with the tokens of a real tokenizer.

mod files;
mod generated;
mod scores;
mod tiny_model;
