//! What all evaluations share: the model, the methods, and where results go.

use super::EvaluationBar;
use super::variants::VariantOptions;
use crate::bench::options::{Compute, Matmul};
use crate::interrupt::Interrupt;
use crate::run::{LoadedModel, ModelOptions, PatternFile, Room, TemplateOptions, preload};
use crate::usage::checked;
use anyhow::{Context, Result};
use clap::Args;
use minference_attention::pattern::config::FileFormat;
use minference_eval::evaluate::{Evaluation, Protocol};
use minference_eval::methods::{AttentionMethod, Methods, ModelPlan, Variant};
use minference_eval::perplexity::{BYTES_PER_TOKEN, KEPT_ROWS};
use minference_eval::prompt::{PromptEncoder, PromptTemplate};
use minference_eval::results::{EvaluationKind, FORMAT, READING, READING_SETTING, ResultsFolder, RunHeader};
use minference_model::AttentionPlan;
use minference_model::decoder::rope::RopeOverride;
use minference_model::files::Fingerprint;
use minference_model::memory::{MemoryForecast, PlannedWalk};
use minference_model::text::chat_template::{LocalTime, RenderOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Model, methods, results.
#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    #[command(flatten)]
    model: ModelOptions,
    /// Methods to compare, with commas between them; `minference eval --help` explains them
    /// [default: dense,minference]
    #[arg(long, value_name = "LIST", help_heading = "Evaluation")]
    methods: Option<Methods>,
    #[command(flatten)]
    variants: VariantOptions,
    /// Patterns for minference: a file of ours, or one as the paper's authors published them
    /// [default: the model's own]
    #[arg(long, value_name = "FILE", help_heading = "Evaluation")]
    patterns: Option<PathBuf>,
    /// Folder of results; a run that was interrupted goes on there [default: results/NAME, by the
    /// evaluation's name]
    #[arg(long, short, value_name = "FOLDER", help_heading = "Evaluation")]
    output: Option<PathBuf>,
    #[command(flatten)]
    matmul: Matmul,
    #[command(flatten)]
    compute: Compute,
}

/// A model that is loaded, and what it is to do.
pub(crate) struct Setup {
    pub(crate) model: LoadedModel,
    interrupt: Interrupt,
    compute: minference_model::Compute,
    methods: Methods,
    minference: ModelPlan,
    /// What changes results, of what all evaluations share.
    settings: BTreeMap<String, String>,
    output: Option<PathBuf>,
    bar: Arc<EvaluationBar>,
    /// What the model's chat template is told.
    render: RenderOptions,
}

/// Refuses what the model's chat template would be told where prompts have another form, before a
/// model is fetched.
pub(super) fn check_template(options: &TemplateOptions, template: PromptTemplate) -> Result<()> {
    match template {
        PromptTemplate::Model => options.check(),
        other => options.check_unused(&format!("--template {}", other.name())),
    }
}

impl RunOptions {
    /// Checks, and loads the model.
    pub(crate) fn setup(&self) -> Result<Setup> {
        self.setup_with(Self::default_methods()?)
    }

    /// Methods to compare where nobody lists any.
    pub(crate) fn default_methods() -> Result<Methods> {
        Ok(Methods::new(vec![Variant::DENSE, Variant::MINFERENCE])?)
    }

    /// Methods to compare, with those that shorthands add.
    ///
    /// - `default`: where the command line lists none
    pub(crate) fn methods(&self, default: Methods) -> Result<Methods> {
        let methods = self.methods.clone().unwrap_or(default);
        checked(self.variants.add_to(&methods))
    }

    /// As [`setup`](Self::setup).
    ///
    /// - `default`: methods to compare where the command line lists none
    pub(crate) fn setup_with(&self, default: Methods) -> Result<Setup> {
        checked(self.model.check())?;
        let methods = self.methods(default)?;
        let compute = self.compute.compute(self.matmul)?;
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
        let backend = compute.backend();
        let arithmetic = backend.arithmetic_for(model.cache.element_type());
        let settings = BTreeMap::from([
            ("patterns".to_string(), patterns),
            ("dtype".into(), model.cache.to_string()),
            ("matmul".into(), self.matmul.name()),
            ("rope".into(), rope),
            ("kernels".into(), format!("{arithmetic} with {}", backend.instruction_set())),
        ]);
        Ok(Setup {
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

impl Setup {
    /// With what the model's chat template is told, which is part of the settings then.
    ///
    /// - `template`: the form of prompts; only the model's own has variables and a date
    pub(crate) fn told(mut self, options: &TemplateOptions, template: PromptTemplate) -> Result<Self> {
        if template == PromptTemplate::Model {
            self.render = options.render_options(self.model.model.tokenizer(), LocalTime::FIXED)?;
            self.settings.extend(options.settings());
        }
        Ok(self)
    }

    /// Brings all weights into memory, so that the first method does not wait for the disk.
    pub(crate) fn preload(&self) -> Result<()> {
        preload(&self.model, &self.interrupt)
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
        // which one, its errors say
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
            crate::complain("an unfinished result of an earlier run was taken away");
        }
        Ok(folder)
    }

    /// Refuses prompts that will not fit into context or memory, before the first one is read.
    pub(crate) fn check_length(&self, tokens: usize) -> Result<()> {
        self.methods.iter().try_for_each(|variant| {
            let plan = variant.method.plan_at_most(self.minference.plan.clone(), tokens);
            self.model.capacity(&self.room(variant, &plan, tokens))?;
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
            let forecast = self.model.forecast(&self.room(variant, &plan, tokens));
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
            let forecast = self.model.forecast(&Room { compression: None, ..self.room(variant, &plan, tokens) });
            let twice = MemoryForecast { cache: forecast.cache.saturating_mul(2), ..forecast };
            twice.check().context(
                "--compress prompt with several questions needs the whole cache twice, which does not fit into memory; --compress context, \
                 shorter --lengths or a --dtype of fewer bits need less",
            )
        })
    }

    /// A prompt with its answer.
    fn room<'a>(&'a self, variant: &Variant, plan: &'a AttentionPlan, tokens: usize) -> Room<'a> {
        Room {
            prompt: tokens.saturating_sub(1),
            known: 0,
            max_tokens: 1,
            chunk: variant.chunk,
            compression: variant.compression,
            plan,
            compute: &self.compute,
        }
    }

    /// Refuses prompts whose indices can't be fixed: all layers' are there at once.
    fn check_fixed(&self, plan: &AttentionPlan, tokens: usize) -> Result<()> {
        let config = self.model.model.decoder().config();
        let walk = PlannedWalk { prompts: &[tokens], cache: self.model.cache, compute: &self.compute };
        MemoryForecast::for_fixed_indices(config, self.model.weight_bytes, &walk, plan).check().context(
            "static does not fit into memory; shorter --lengths or a --dtype of fewer bits need less",
        )
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish();
    }
}
