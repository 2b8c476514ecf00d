//! [`PublishedTemplate`]: the forms of prompts that RULER publishes for families of models.

use minference_model::text::chat_template::ChatTemplate;

/// A form that RULER publishes. Its results on a model are comparable only where the same form was
/// used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PublishedTemplate {
    /// The text alone, for models without instruction tuning.
    Base,
    /// `User:` and `Assistant:`.
    Instruction,
    /// NeMo's dialogue.
    Dialog,
    /// NeMo's SteerLM.
    SteerLm,
    /// Llama 2 and Mistral.
    MetaChat,
    /// Vicuna.
    VicunaChat,
    /// Large World Model.
    LwmChat,
    /// Command R.
    CommandRChat,
    /// ChatGLM.
    ChatGlmChat,
    /// RWKV.
    Rwkv,
}

/// A template, its published name, and what stands before and after the task.
type TemplateFrame = (PublishedTemplate, &'static str, &'static str, &'static str);

const TEMPLATES: [TemplateFrame; 10] = [
    (PublishedTemplate::Base, "base", "", ""),
    (PublishedTemplate::Instruction, "instruction", "User: ", "\n\nAssistant: "),
    (
        PublishedTemplate::Dialog,
        "dialog",
        "<extra_id_0>System\n\n<extra_id_1>User\n",
        "\n<extra_id_1>Assistant\n",
    ),
    (
        PublishedTemplate::SteerLm,
        "steerlm",
        "<extra_id_0>System\nA chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, \
         detailed, and polite answers to the user's questions.\n<extra_id_1>User\n",
        "\n<extra_id_1>Assistant\n<extra_id_2>quality:4,toxicity:0,humor:0,creativity:0,helpfulness:4,correctness:4,coherence:4,\
         complexity:4,verbosity:4\n",
    ),
    (PublishedTemplate::MetaChat, "meta-chat", "[INST] ", " [/INST]"),
    (
        PublishedTemplate::VicunaChat,
        "vicuna-chat",
        "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite \
         answers to the user's questions. USER: ",
        " ASSISTANT:",
    ),
    (PublishedTemplate::LwmChat, "lwm-chat", "You are a helpful assistant. USER: ", " ASSISTANT: "),
    (
        PublishedTemplate::CommandRChat,
        "command-r-chat",
        "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|USER_TOKEN|>",
        "<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
    ),
    (PublishedTemplate::ChatGlmChat, "chatglm-chat", "[gMASK]sop<|user|> \n ", "<|assistant|> \n "),
    (
        PublishedTemplate::Rwkv,
        "RWKV",
        "User: hi\n\nAssistant: Hi. I am your assistant and I will provide expert full response in full details. Please feel free to \
         ask any question and I will always answer it\n\nUser: ",
        "\n\nAssistant:",
    ),
];

impl PublishedTemplate {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        TEMPLATES.iter().map(|entry| entry.0)
    }

    /// As RULER spells it.
    pub fn name(self) -> &'static str {
        self.entry().1
    }

    /// What stands before and after the task.
    pub fn around(self) -> (&'static str, &'static str) {
        let (_, _, before, after) = self.entry();
        (before, after)
    }

    /// As a chat template, whose encoder knows which special tokens are the template's and which
    /// only look like them. An assistant's message is the text that goes on from the template's
    /// end.
    pub(super) fn chat_template(self) -> minference_model::Result<ChatTemplate> {
        let (before, after) = self.around();
        // Debug escapes are those of Jinja's strings for these characters
        ChatTemplate::new(&format!(
            "{{% for message in messages %}}{{{{ {before:?} ~ message.content ~ {after:?} if message.role == 'user' else message.content \
             }}}}{{% endfor %}}"
        ))
    }

    fn entry(self) -> &'static TemplateFrame {
        let mut entries = TEMPLATES.iter();
        entries.find(|entry| entry.0 == self).expect("the table has every template")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minference_model::text::chat_template::{Message, RenderOptions};

    #[test]
    fn templates_write_what_stands_around_a_task_as_it_is() {
        for template in PublishedTemplate::all() {
            let (before, after) = template.around();
            let messages = [Message::user("  {{ task }}\n "), Message::assistant(" Answer: ")];
            let text =
                template.chat_template().unwrap().render(&messages, &RenderOptions::default()).unwrap();
            assert_eq!(text, format!("{before}  {{{{ task }}}}\n {after} Answer: "), "{}", template.name());
        }
    }
}
