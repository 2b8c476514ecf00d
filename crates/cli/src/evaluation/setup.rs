//! What all evaluations share: the model, the methods, and where results go.

use crate::model::{LoadedModel, PatternFile, SessionRequirements};
use crate::options::{ChatTemplateOptions, EvaluationOptions, checked};
use crate::terminal::{EvaluationBar, Interrupt, notify};
use anyhow::{Context, Result};
use minference_attention::pattern::config::FileFormat;
use minference_eval::evaluate::{Evaluation, Protocol};
use minference_eval::methods::{AttentionMethod, Methods, ModelPlan, Variant};
use minference_eval::perplexity::{BYTES_PER_TOKEN, KEPT_ROWS};
use minference_eval::prompt::{PromptEncoder, PromptTemplate};
use minference_eval::results::{EvaluationKind, FORMAT, READING, READING_SETTING, ResultsFolder, RunHeader};
use minference_model::decoder::rope::RopeOverride;
use minference_model::files::Fingerprint;
use minference_model::memory::{MemoryForecast, PlannedWalk};
use minference_model::text::chat_template::{LocalTime, RenderOptions};
use minference_model::{AttentionPlan, Compute};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// A loaded model, with the methods and settings of an evaluation.
pub(crate) struct EvaluationSetup {
    pub(crate) model: LoadedModel,
    interrupt: Interrupt,
    compute: Compute,
    methods: Methods,
    minference: ModelPlan,
    /// Settings that change results, of those that all evaluations share.
    settings: BTreeMap<String, String>,
    output: Option<PathBuf>,
    bar: Arc<EvaluationBar>,
    /// The variables of the model's chat template, and its date.
    render: RenderOptions,
}

impl EvaluationOptions {
    /// Checks, and loads the model.
    pub(crate) fn setup(&self) -> Result<EvaluationSetup> {
        self.setup_with(Self::default_methods()?)
    }

    /// As [`setup`](Self::setup).
    ///
    /// - `default`: methods to compare where the command line lists none
    pub(crate) fn setup_with(&self, default: Methods) -> Result<EvaluationSetup> {
        checked(self.model.check())?;
        let methods = self.methods(default)?;
        let compute = self.machine.compute(self.matmul)?;
        let patterns = self.patterns.as_deref().map(PatternFile::read).transpose()?;
        let interrupt = Interrupt::listen()?;
        let model = self.model.load(&interrupt)?;
        let found = match patterns {
            Some(file) => Some(file.for_model(&model)?),
            None => model.own_patterns()?,
        };
        let (minference, patterns) = match found {
            Some(found) => {
                let hash = Fingerprint::of_bytes(found.patterns.to_json(FileFormat::Native)?.as_bytes());
                let source = found.source.to_string();
                let plan = AttentionPlan::PerHead(Arc::new(found.patterns));
                (ModelPlan { plan, source }, hash.to_string())
            }
            None => {
                let source = "vertical-slash with default budgets".to_string();
                (ModelPlan { plan: AttentionPlan::Default, source }, "default".into())
            }
        };
        let RopeOverride { base, scaling, .. } = &model.rope;
        let rope = match (base, scaling) {
            (None, None) => "the model's own".to_string(),
            other => format!("{other:?}"),
        };
        let settings = BTreeMap::from([
            ("patterns".to_string(), patterns),
            ("dtype".into(), model.cache.to_string()),
            ("matmul".into(), self.matmul.name()),
            ("rope".into(), rope),
            ("kernels".into(), compute.backend().description(model.cache.element_type())),
        ]);
        Ok(EvaluationSetup {
            bar: Arc::new(EvaluationBar::new(interrupt.clone())),
            interrupt,
            model,
            compute,
            methods,
            minference,
            settings,
            output: self.output.clone(),
            render: RenderOptions::reproducible(),
        })
    }
}

impl EvaluationSetup {
    /// With the variables of the model's chat template, which are part of the settings then.
    ///
    /// - `template`: the form of prompts; only the model's own has variables and a date
    pub(crate) fn with_chat_template(
        mut self,
        options: &ChatTemplateOptions,
        template: PromptTemplate,
    ) -> Result<Self> {
        if template == PromptTemplate::Model {
            self.render = options.render_options(self.model.model.tokenizer(), LocalTime::FIXED)?;
            self.settings.extend(options.settings());
        }
        Ok(self)
    }

    /// Brings all weights into memory, so that the first method does not wait for the disk.
    pub(crate) fn preload(&self) -> Result<()> {
        self.model.preload(&self.interrupt)
    }

    /// Threads that it runs on.
    pub(crate) fn threads(&self) -> usize {
        self.compute.threads()
    }

    /// The evaluation, with prompts in some form.
    pub(crate) fn evaluation(&self, template: PromptTemplate) -> Evaluation<'_> {
        Evaluation {
            model: &self.model.model,
            compute: &self.compute,
            encoder: PromptEncoder::new(&self.model.model, template).with_render_options(&self.render),
            cache: self.model.cache,
            context: self.model.context,
            methods: &self.methods,
            protocol: Protocol::default(),
            minference: &self.minference,
            progress: self.bar.clone(),
        }
    }

    /// The folder of results, new or to go on with.
    ///
    /// - `settings`: what changes results beside what all evaluations share
    pub(crate) fn folder<R: Serialize + DeserializeOwned + Clone>(
        &self,
        evaluation: EvaluationKind,
        mut settings: BTreeMap<String, String>,
    ) -> Result<ResultsFolder<R>> {
        settings.extend(self.settings.clone());
        let path = self.output.clone().unwrap_or_else(|| PathBuf::from("results").join(evaluation.name()));
        // the errors below name the folder
        let failed = || "can't use this results folder";
        let says_reading = match RunHeader::of_folder(&path).with_context(failed)? {
            // plain dense attention reads as it always did
            Some(earlier) if self.methods.iter().all(|variant| *variant == Variant::DENSE) => {
                earlier.settings.contains_key(READING_SETTING)
            }
            // texts of perplexity are read in one pass, without chunks or compression
            _ => evaluation != EvaluationKind::Perplexity,
        };
        if says_reading {
            settings.insert(READING_SETTING.into(), READING.into());
        }
        let header = RunHeader {
            format: FORMAT,
            evaluation,
            model: self.model.short_name(),
            fingerprint: self.model.model.fingerprint().to_string(),
            settings,
        };
        let folder = ResultsFolder::open(&path, &header).with_context(failed)?;
        if folder.was_cut() {
            notify("an unfinished result of an earlier run was taken away");
        }
        Ok(folder)
    }

    /// Refuses prompts that will not fit into context or memory, before the first one is read.
    pub(crate) fn check_length(&self, tokens: usize) -> Result<()> {
        self.methods.iter().try_for_each(|variant| {
            let plan = variant.method.plan_at_most(self.minference.plan.clone(), tokens);
            self.model.capacity(&self.requirements(variant, &plan, tokens))?;
            if variant.method == AttentionMethod::Static {
                self.check_fixed(&plan, tokens)?;
            }
            Ok(())
        })
    }

    /// As [`check_length`](Self::check_length), for texts of which all logits are wanted.
    pub(crate) fn check_texts(&self, tokens: usize) -> Result<()> {
        self.check_length(tokens)?;
        let config = self.model.model.decoder().config();
        self.methods.iter().try_for_each(|variant| {
            let plan = variant.method.plan_at_most(self.minference.plan.clone(), tokens);
            let forecast = self.model.forecast(&self.requirements(variant, &plan, tokens));
            let kept = (tokens * BYTES_PER_TOKEN) as u64;
            forecast.with_all_logits(config, KEPT_ROWS).with_more(kept).check().context(
                "this does not fit into memory; shorter --lengths or a --dtype of fewer bits need less",
            )
        })
    }

    /// As [`check_length`](Self::check_length), where a text of some tokens has several questions.
    pub(crate) fn check_questions(&self, tokens: usize, questions: usize, protocol: Protocol) -> Result<()> {
        self.check_length(tokens)?;
        if !protocol.copies_cache(questions) {
            return Ok(());
        }
        let compressed = self.methods.iter().filter(|variant| variant.compression.is_some());
        compressed.into_iter().try_for_each(|variant| {
            let plan = variant.method.plan_at_most(self.minference.plan.clone(), tokens);
            let forecast = self.model.forecast(&SessionRequirements { compression: None, ..self.requirements(variant, &plan, tokens) });
            let twice = MemoryForecast { cache: forecast.cache.saturating_mul(2), ..forecast };
            twice.check().context(
                "--compress prompt with several questions needs the whole cache twice, which does not fit into memory; --compress context, \
                 shorter --lengths or a --dtype of fewer bits need less",
            )
        })
    }

    /// A prompt with its answer.
    fn requirements<'a>(
        &'a self,
        variant: &Variant,
        plan: &'a AttentionPlan,
        tokens: usize,
    ) -> SessionRequirements<'a> {
        SessionRequirements {
            prompt: tokens.saturating_sub(1),
            known: 0,
            max_tokens: 1,
            chunk: variant.chunk,
            compression: variant.compression,
            plan,
            compute: &self.compute,
        }
    }

    /// Refuses prompts whose fixed indices don't fit into memory: those of all layers are kept.
    fn check_fixed(&self, plan: &AttentionPlan, tokens: usize) -> Result<()> {
        let config = self.model.model.decoder().config();
        let walk = PlannedWalk { prompts: &[tokens], cache: self.model.cache, compute: &self.compute };
        MemoryForecast::for_fixed_indices(config, self.model.weight_bytes, &walk, plan).check().context(
            "static does not fit into memory; shorter --lengths or a --dtype of fewer bits need less",
        )
    }

    /// Clears the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish();
    }
}
