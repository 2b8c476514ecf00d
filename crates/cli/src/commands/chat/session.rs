//! [`ChatSession`]: a conversation, and the session that has read it.
//!
//! For each prompt the whole conversation is rendered and cut into tokens; the session goes back to
//! what the prompt shares with what was read before, and reads the rest. So nothing has to be known
//! about a chat template: where it writes earlier turns as it did, only the question is new, and
//! where it writes them otherwise (some leave out what a model thought), they are read again from
//! there.

use super::conversation::Conversation;
use super::statistics::{AnswerStatistics, ChatStatistics, ReadingStatistics};
use crate::answer::{AnswerGenerator, DATE, check_target, date_of, read_prompt};
use crate::model::{LoadedModel, NamedPlan, PatternFile, SessionRequirements};
use crate::options::{AttentionKind, AttentionOptions};
use crate::terminal::{Interrupt, notify};
use anyhow::{Context, Result, ensure};
use minference_eval::numbers::count;
use minference_model::decoder::Forward;
use minference_model::generation::{Answer, Finish, GenerationOptions};
use minference_model::memory::MemoryForecast;
use minference_model::session::context_file::{ContextFile, LoadOptions};
use minference_model::session::kv_cache::KvCompression;
use minference_model::text::chat_template::RenderOptions;
use minference_model::{Compute, PrefillOptions, Session, SessionOptions};
use serde::Deserialize;
use std::io;
use std::path::Path;
use std::time::Instant;

/// What stays the same through a chat.
pub(super) struct ChatSetting<'a> {
    pub(super) model: &'a LoadedModel,
    pub(super) compute: &'a Compute,
    pub(super) generation: &'a GenerationOptions,
    pub(super) interrupt: &'a Interrupt,
    /// The file of `--patterns`.
    pub(super) patterns: Option<PatternFile>,
    /// What stays of the documents' keys and values, if not all.
    pub(super) compression: Option<KvCompression>,
    /// The chat template's date was chosen, whatever a conversation that is loaded says.
    pub(super) is_dated: bool,
}

/// A conversation, and what was read of it.
pub(super) struct ChatSession<'a> {
    setting: ChatSetting<'a>,
    attention: AttentionOptions,
    /// What the chat template is told: the same date from the first turn to the last, so that
    /// nothing is read again at midnight.
    render: RenderOptions,
    conversation: Conversation,
    session: Session,
    reading: Option<ReadingStatistics>,
    answering: Option<AnswerStatistics>,
    /// How to get better patterns was said.
    is_advised: bool,
}

impl<'a> ChatSession<'a> {
    /// Reads what stands before the first question, after checking that there is room.
    pub(super) fn open(
        setting: ChatSetting<'a>,
        attention: AttentionOptions,
        render: RenderOptions,
        conversation: Conversation,
    ) -> Result<Self> {
        let model = setting.model;
        let beginning = conversation.beginning(&model.model, &render)?;
        check_length(beginning.len(), model.context).context(
            "the documents are too long; shorten them, or stretch the context with --context and --rope-scaling",
        )?;
        let plan = attention.plan(model, beginning.len(), setting.patterns.clone())?;
        model.capacity(&SessionRequirements {
            prompt: beginning.len(),
            known: 0,
            max_tokens: setting.generation.max_tokens,
            chunk: attention.chunk(),
            compression: setting.compression,
            plan: &plan.plan,
            compute: setting.compute,
        })?;
        let session = Session::new(model.model.decoder().clone(), setting.compute.clone(), options(model))
            .context("a smaller --context takes less memory")?;
        let (reading, answering, is_advised) = (None, None, false);
        let mut reader =
            Self { setting, attention, render, conversation, session, reading, answering, is_advised };
        reader.read_documents(&beginning)?;
        Ok(reader)
    }

    /// What reading took the last time.
    pub(super) fn last_reading(&self) -> Option<&ReadingStatistics> {
        self.reading.as_ref()
    }

    /// Answers a question, which is then part of the conversation; so is an answer that Ctrl-C cut.
    ///
    /// - `on_text`: gets the answer as it grows
    pub(super) fn ask(
        &mut self,
        question: &str,
        on_text: impl FnMut(&str) -> io::Result<()>,
    ) -> Result<Answer> {
        let start = Instant::now();
        let model = &self.setting.model.model;
        let prompt = self.conversation.prompt(model, &self.render, question)?;
        self.check_length(prompt.len())?;
        let mut compression = None;
        if self.setting.compression.is_some() && self.session.reuse(&prompt)? == 0 {
            // a compressed cache has no way back but to its beginning
            let beginning = self.conversation.beginning(model, &self.render)?;
            if model.decoder().config().keeps(beginning.len(), prompt.len()) {
                self.read_documents(&beginning)?;
            } else {
                // the question would have them read again at once
                compression = self.documents_compression();
            }
        }
        let forward = self.read(&prompt, compression)?;
        let before = start.elapsed();
        let ChatSetting { generation, interrupt, .. } = self.setting;
        let generator = AnswerGenerator { model, generation, interrupt };
        let answer = generator.answer(&mut self.session, &prompt, forward.logits, on_text)?;
        if answer.finish != Finish::Interrupted || !answer.text.is_empty() {
            self.conversation.add_turn(question, &answer.text);
        }
        self.answering = Some(AnswerStatistics::new(before, &answer));
        Ok(answer)
    }

    /// Puts a document before the next question, and reads it.
    pub(super) fn add_document(&mut self, text: String) -> Result<()> {
        self.conversation.add_document(text);
        let result = self.beginning().and_then(|beginning| self.read_documents(&beginning));
        if result.is_err() {
            self.conversation.remove_document();
        }
        result
    }

    /// Takes back the last turn. Says whether there was one.
    pub(super) fn undo(&mut self) -> Result<bool> {
        if !self.conversation.undo() {
            return Ok(false);
        }
        self.go_back()?;
        Ok(true)
    }

    /// Takes back all turns.
    pub(super) fn clear(&mut self) -> Result<()> {
        self.conversation.clear();
        self.go_back()
    }

    /// Writes the conversation, and what was read of it, to a file: a new one, or in place of
    /// another context.
    pub(super) fn save(&self, path: &Path) -> Result<()> {
        check_target(path).context("can't save this conversation")?;
        let mut about = serde_json::to_value(&self.conversation)?;
        about[DATE] = self.render.time.to_string().into();
        let fingerprint = self.setting.model.model.fingerprint();
        self.session.save_with(path, &fingerprint, about).context("can't save this conversation")
    }

    /// Goes on from a file that [`save`](Self::save) wrote; where that fails, from where this
    /// conversation is.
    pub(super) fn load(&mut self, path: &Path) -> Result<()> {
        let model = self.setting.model;
        let file = ContextFile::open(path).context("can't load this conversation")?;
        let conversation = Conversation::deserialize(file.about()).with_context(|| {
            format!("{} holds no conversation: expected what /save wrote", path.display())
        })?;
        check_length(file.tokens(), model.context)
            .context("this conversation does not fit; --context makes more room")?;
        let options = LoadOptions::all(options(model));
        self.make_way(&file, &options)?;
        let (decoder, compute) = (model.model.decoder().clone(), self.setting.compute.clone());
        self.session = file
            .load(decoder, compute, &model.model.fingerprint(), &options)
            .context("can't load this conversation")?;
        self.conversation = conversation;
        // with another date the template would write what was read otherwise
        if let Some(time) = date_of(&file).filter(|_| !self.setting.is_dated) {
            self.render.time = time;
        }
        (self.reading, self.answering) = (None, None);
        Ok(())
    }

    /// Gives up what was read, where a file's keys and values don't fit into memory beside it: this
    /// conversation would be read again then. That is not done for a file that could not be loaded.
    fn make_way(&mut self, file: &ContextFile, load: &LoadOptions) -> Result<()> {
        let forecast = MemoryForecast::for_context(file.tokens(), file.cache_bytes());
        if forecast.check().is_ok() {
            return Ok(());
        }
        forecast.check_freeing(self.session.cache().bytes() as u64).context(
            "this conversation does not fit into memory, even in place of the one that is there; one saved with --kv or a --dtype of fewer bits \
             needs less",
        )?;
        let model = self.setting.model;
        file.check_load(model.model.decoder(), &model.model.fingerprint(), load)
            .context("can't load this conversation")?;
        let (decoder, compute) = (model.model.decoder().clone(), self.setting.compute.clone());
        self.session = Session::new(decoder, compute, load.session)?;
        Ok(())
    }

    /// Reads what follows with another kind of attention.
    pub(super) fn set_attention(&mut self, kind: AttentionKind) -> Result<()> {
        let attention = self.attention.clone().with_kind(kind);
        // a model's own pattern file may be wrong
        self.plan(&attention, self.session.tokens().max(1))?;
        self.attention = attention;
        Ok(())
    }

    /// How what follows is read.
    pub(super) fn attention(&self) -> Result<String> {
        let plan = self.plan(&self.attention, self.session.tokens().max(1))?;
        Ok(format!("{}: {}", plan.kind.name(), plan.pattern))
    }

    /// How much was said, about how much.
    pub(super) fn contents(&self) -> String {
        let some = |number: usize, what: &str| match number {
            1 => format!("1 {what}"),
            _ => format!("{number} {what}s"),
        };
        let (turns, documents) = (self.conversation.turns(), self.conversation.documents());
        format!("{}, {}", some(turns, "turn"), some(documents, "document"))
    }

    /// What is in the context, and what the last turn took.
    pub(super) fn statistics(&self) -> Result<String> {
        let statistics = ChatStatistics {
            session: &self.session,
            attention: self.attention()?,
            contents: self.contents(),
            reading: self.reading.as_ref(),
            answering: self.answering.as_ref(),
        };
        Ok(statistics.to_string())
    }

    /// What the next prompt begins with, after checking that there is room.
    fn beginning(&self) -> Result<Vec<u32>> {
        let beginning = self.conversation.beginning(&self.setting.model.model, &self.render)?;
        self.check_length(beginning.len())?;
        Ok(beginning)
    }

    /// The session has read what stands before the next question, and nothing else.
    fn go_back(&mut self) -> Result<()> {
        let beginning = self.beginning()?;
        let is_there = self.session.history().starts_with(&beginning);
        if is_there && beginning.len() >= self.session.cache().compressed_tokens() {
            return Ok(self.session.truncate(beginning.len())?);
        }
        self.read_documents(&beginning)
    }

    /// Reads what stands before the next question, with a document that is new; then compresses the
    /// cache, if that was asked for.
    fn read_documents(&mut self, beginning: &[u32]) -> Result<()> {
        if !beginning.is_empty() {
            self.read(beginning, self.documents_compression())?;
        }
        Ok(())
    }

    /// The compression of documents. Without documents all keys and values stay.
    fn documents_compression(&self) -> Option<KvCompression> {
        self.setting.compression.filter(|_| self.conversation.documents() > 0)
    }

    /// Reads what the session lacks of a prompt, at least its last token.
    fn read(&mut self, prompt: &[u32], compression: Option<KvCompression>) -> Result<Forward> {
        let start = Instant::now();
        let NamedPlan { plan, advice, .. } = self.plan(&self.attention, prompt.len())?;
        let reused = self.session.reuse(prompt)?;
        let chunk = self.attention.chunk();
        let max_tokens = self.setting.generation.max_tokens;
        let requirements = SessionRequirements {
            prompt: prompt.len(),
            known: reused,
            max_tokens,
            chunk,
            compression,
            plan: &plan,
            compute: self.setting.compute,
        };
        self.setting.model.forecast_beside_session(&requirements).check().context(
            "this does not fit into memory beside what was read; shorter documents, /undo, a smaller --max-tokens, --chunk, --kv, or a --dtype \
             of fewer bits needs less",
        )?;
        self.advise(advice);
        let options = PrefillOptions { plan, chunk, compression, progress: None };
        let forward = read_prompt(&mut self.session, &prompt[reused..], options, self.setting.interrupt)?;
        let (tokens, report) = (prompt.len() - reused, forward.report.clone());
        self.reading = Some(ReadingStatistics { reused, tokens, time: start.elapsed(), report });
        Ok(forward)
    }

    /// Says once how to get better patterns, if there is something long to read with them.
    fn advise(&mut self, advice: Option<String>) {
        if let Some(advice) = advice.filter(|_| !self.is_advised && self.conversation.documents() > 0) {
            notify(&advice);
            self.is_advised = true;
        }
    }

    fn plan(&self, attention: &AttentionOptions, tokens: usize) -> Result<NamedPlan> {
        attention.plan(self.setting.model, tokens, self.setting.patterns.clone())
    }

    fn check_length(&self, tokens: usize) -> Result<()> {
        check_length(tokens, self.session.capacity())
            .context("the context is full; /undo takes back the last turn, /clear all of them, and --context makes more room")
    }
}

/// How a model is read with.
fn options(model: &LoadedModel) -> SessionOptions {
    SessionOptions { capacity: model.context, cache: model.cache }
}

fn check_length(tokens: usize, context: usize) -> Result<()> {
    ensure!(
        tokens < context,
        "expected less than {}, the tokens of the context, found {}: {} too many",
        count(context),
        count(tokens),
        count(tokens - context + 1)
    );
    Ok(())
}
