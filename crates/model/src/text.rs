//! Text to tokens, and tokens to text.
//!
//! | module | what it holds |
//! |---|---|
//! | [`tokenizer`] | [`Tokenizer`](tokenizer::Tokenizer): what a model's files say of its vocabulary |
//! | [`chat_template`] | [`ChatTemplate`](chat_template::ChatTemplate): from messages to a prompt |
//! | [`text_stream`] | [`TextStream`](text_stream::TextStream): text as it comes, token by token |

pub mod chat_template;
pub mod text_stream;
pub mod tokenizer;
