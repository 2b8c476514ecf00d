//! Conversations over documents, as scripts lead them.

use super::tiny_model::TinyModel;
use super::{ERROR, Outcome, WRONG_OPTIONS, Workplace, contains, long_text, outcome};

/// Every key, so that what is read in parts is what is read at once.
const DENSE: [&str; 2] = ["--attention", "dense"];

impl Workplace {
    /// `minference chat` with these lines as standard input.
    fn chat(&self, arguments: &[&str], lines: &[&str]) -> Outcome {
        let fixed = ["chat", "--model", "model.gguf", "--threads", "2", "--max-tokens", "8"];
        let script: String = lines.iter().map(|line| format!("{line}\n")).collect();
        outcome(self.minference(&[&fixed, arguments].concat()).write_stdin(script))
    }

    fn dense_chat(&self, arguments: &[&str], lines: &[&str]) -> Outcome {
        self.chat(&[&DENSE, arguments].concat(), lines)
    }

    /// What is answered to this text as it stands.
    fn goes_on(&self, text: &str) -> String {
        self.write("prompt.txt", text);
        let outcome = self.run(&[&DENSE[..], &["--raw", "--prompt-file", "prompt.txt"]].concat()).succeeds();
        outcome.stdout.trim_end().to_string()
    }
}

impl Outcome {
    /// The answers: a line each, for the tiny model.
    fn answers(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    /// What was told after a line was read.
    fn told_after(&self, line: &str) -> &str {
        let (_, after) = self.stderr.split_once(&format!("> {line}\n")).unwrap();
        after.split("\n> ").next().unwrap()
    }
}

fn with_book(bytes: usize) -> (Workplace, String) {
    let (workplace, text) = (Workplace::new(), long_text(bytes));
    workplace.write("book.txt", &text);
    (workplace, text)
}

#[test]
fn answers_are_those_to_the_whole_conversation() {
    let (workplace, book) = with_book(1500);
    let arguments = ["--document", "book.txt", "--system", "Be brief."];
    let chat = workplace.dense_chat(&arguments, &["Who?", "Why?"]).succeeds();
    let first = format!("[system]Be brief.[user]{book}\n\nWho?[assistant]");
    let who = workplace.goes_on(&first);
    let why = workplace.goes_on(&format!("{first}{who}[user]Why?[assistant]"));
    assert_eq!(chat.answers(), [who, why]);
    // what was asked stands beside what is told, not in the answers
    contains(&chat.stderr, &["> Who?\n", "> Why?\n", "tokens read in", "cut after 8 tokens"]);
}

#[test]
fn documents_are_read_before_the_first_question_and_only_once() {
    let (workplace, book) = with_book(2000);
    let chat =
        workplace.chat(&["-d", "book.txt"], &["/stats", "Who?", "/stats", "Why?", "/stats"]).succeeds();
    let before = "[user]".len() + book.len() + "\n\n".len();
    let told = chat.told_after("/stats");
    contains(
        told,
        &["2,008 of 4,096 tokens, room for 2,088", "0 turns, 1 document", "minference: vertical-slash"],
    );
    contains(told, &["2,008 tokens read in", ", 0 reused", "cache         251 KiB of keys and values"]);
    assert!(before == 2008 && !told.contains("last answer"));
    let question = "Who?[assistant]".len();
    contains(&chat.stderr, &[&format!("{question} tokens read in"), "2,008 reused", "first token after"]);
    // the answer's last token was chosen, but not read
    let again = "[user]Why?[assistant]".len() + 1;
    contains(&chat.stderr, &[&format!("{again} tokens read in"), &format!("{} reused", "2,030"), "2 turns"]);
}

#[test]
fn turns_are_taken_back() {
    let (workplace, _) = with_book(600);
    let lines =
        ["Who?", "Why?", "/undo", "/stats", "Why?", "How?", "/clear", "/stats", "Who?", "/undo", "Why?"];
    let chat = workplace.dense_chat(&["-d", "book.txt"], &lines).succeeds();
    let answers = chat.answers();
    let [who, why, why_again, _, who_again, why_alone] = answers[..] else { panic!("{answers:?}") };
    assert_eq!((why, who), (why_again, who_again));
    let alone = workplace.dense_chat(&["-d", "book.txt"], &["Why?"]).succeeds();
    assert_eq!(alone.answers(), [why_alone]);
    let stats: Vec<&str> = chat.stderr.lines().filter(|line| line.starts_with("conversation")).collect();
    assert_eq!(stats, ["conversation  1 turn, 1 document", "conversation  0 turns, 1 document"]);
}

#[test]
fn documents_are_added_before_the_next_question() {
    let (workplace, book) = with_book(300);
    workplace.write("other.txt", "something else");
    let lines = ["Who?", "/document other.txt", "Why?", "/undo", "Why?"];
    let chat = workplace.dense_chat(&["-d", "book.txt"], &lines).succeeds();
    let first = format!("[user]{book}\n\nWho?[assistant]");
    let who = workplace.goes_on(&first);
    let why = workplace.goes_on(&format!("{first}{who}[user]something else\n\nWhy?[assistant]"));
    assert_eq!(chat.answers(), [&who, &why, &why]);
    contains(chat.told_after("/document other.txt"), &["tokens read in", "reused"]);
}

/// Nobody knows how long a conversation gets: dynamic NTK changes nothing before it is longer than
/// the model was made for.
#[test]
fn positions_are_made_for_what_was_read_and_not_for_the_room() {
    let (workplace, _) = with_book(1500);
    let lines = ["Who?", "Why?"];
    let plain = workplace.dense_chat(&["-d", "book.txt"], &lines).succeeds();
    let dynamic = ["-d", "book.txt", "--context", "32768", "--rope-scaling", "dynamic"];
    let stretched = workplace.dense_chat(&dynamic, &lines).succeeds();
    assert_eq!(stretched.answers(), plain.answers());
}

#[test]
fn attention_changes_for_what_is_read_from_then_on() {
    let (workplace, _) = with_book(3000);
    let sparse = ["--attention", "a-shape", "--sink", "16", "--local", "64", "-d", "book.txt"];
    let lines = ["/attention", "/attention dense", "/attention", "Who?", "/stats"];
    let chat = workplace.chat(&sparse, &lines).succeeds();
    contains(&chat.stderr, &["> /attention\na-shape: ", "> /attention\ndense: every key\n"]);
    contains(chat.told_after("/stats"), &["attention     dense", "100.0 % of attention computed"]);
    let document = chat.stderr.lines().find(|line| line.contains("tokens read in")).unwrap();
    assert!(!document.contains("100.0 %"), "{document}");
}

#[test]
fn a_line_that_goes_on_is_one_question() {
    let workplace = Workplace::new();
    let chat = workplace.dense_chat(&[], &["Who\\", "or what?", "", "  ", " /etc is what?"]).succeeds();
    let first = "[user]Who\nor what?[assistant]";
    let who = workplace.goes_on(first);
    let what = workplace.goes_on(&format!("{first}{who}[user]/etc is what?[assistant]"));
    assert_eq!(chat.answers(), [who, what]);
}

#[test]
fn lines_that_fail_are_told_and_the_next_ones_answered() {
    let (workplace, _) = with_book(200);
    workplace.write("blank.txt", " \n\t\n");
    workplace.write("empty.txt", "");
    workplace.write("latin.txt", b"caf\xe9");
    let lines = [
        "/document missing.txt",
        "/document blank.txt",
        "/document empty.txt",
        "/document latin.txt",
        "/undo",
        "/hlep",
        "/attention sparse",
        "/load missing.chat",
        "/save missing/book.chat",
        "/save book.txt",
        "Who?",
        "/quit",
        "Why?",
    ];
    let chat = workplace.dense_chat(&["-d", "book.txt"], &lines);
    assert_eq!((chat.code, chat.answers().len()), (Some(ERROR), 1), "{}", chat.stderr);
    for (line, parts) in [
        (lines[0], ["can't read the document missing.txt", "No such file"]),
        (lines[1], ["blank.txt", "found white space only"]),
        (lines[2], ["empty.txt", "found nothing"]),
        (lines[3], ["latin.txt", "expected text in UTF-8"]),
        (lines[4], ["expected a turn", "found none"]),
        (lines[5], ["expected one of /document, /undo", "found /hlep"]),
        (lines[6], ["expected one of dense, a-shape", "found sparse"]),
        (lines[7], ["missing.chat", "No such file"]),
        (lines[8], ["can't save this conversation", "a folder that exists, found missing/book.chat"]),
        (lines[9], ["can't save this conversation", "book.txt: expected a new file, or a context"]),
    ] {
        contains(chat.told_after(line), &[&["error: "], &parts[..]].concat());
    }
    assert!(chat.stderr.ends_with("error: 10 lines failed\n"), "{}", chat.stderr);
    // which also needs the document to be what it was
    let alone = workplace.dense_chat(&["-d", "book.txt"], &["Who?"]).succeeds();
    assert_eq!(alone.stdout, chat.stdout);
}

#[test]
fn a_full_context_is_told_and_nothing_lost() {
    let workplace = Workplace::with(&TinyModel { context: 96, ..TinyModel::default() });
    workplace.write("long.txt", long_text(90));
    let question = "q".repeat(50);
    let lines = ["Who?", &question, "/document long.txt", "/stats", "/undo", &question, "/stats"];
    let chat = workplace.dense_chat(&[], &lines);
    assert_eq!((chat.code, chat.answers().len()), (Some(ERROR), 2), "{}", chat.stderr);
    // [user]Who?[assistant] and the answer, [user], the question and [assistant]
    let tokens = 6 + 4 + 11 + 8 + 6 + 50 + 11;
    let told = chat.told_after(&question);
    contains(told, &["/undo", "/clear", "--context", "less than 96", &format!("found {tokens}: 1 too many")]);
    contains(chat.told_after(lines[2]), &["the context is full"]);
    contains(chat.told_after("/stats"), &["1 turn, 0 documents"]);
    contains(&chat.stderr, &["2 lines failed"]);
}

#[test]
fn an_answer_that_fills_the_context_is_cut() {
    let workplace = Workplace::with(&TinyModel { context: 24, ..TinyModel::default() });
    let chat = workplace.dense_chat(&[], &["Who?"]).succeeds();
    // [user]Who?[assistant] are 21 tokens; the last one that is chosen need not be read
    assert_eq!(chat.stdout.trim_end().len(), 4);
    contains(&chat.stderr, &["the context was full"]);
}

#[test]
fn what_is_wrong_is_told_before_anything_is_read() {
    let (workplace, _) = with_book(5000);
    workplace.write("empty.txt", "");
    workplace.chat(&["-d", "missing.txt"], &["Who?"]).is_refused(ERROR, &["document missing.txt"]);
    workplace.chat(&["-d", "empty.txt"], &["Who?"]).is_refused(ERROR, &["empty.txt", "found nothing"]);
    let too_long = ["documents are too long", "less than 4,096", "found 5,008: 913 too many", "--context"];
    workplace.chat(&["-d", "book.txt"], &["Who?"]).is_refused(ERROR, &too_long);
    workplace.chat(&["--sink", "3"], &["Who?"]).is_refused(WRONG_OPTIONS, &["--sink", "a-shape"]);
    let raw = Workplace::with(&TinyModel { chat_template: None, ..TinyModel::default() });
    raw.chat(&[], &["Who?"]).is_refused(ERROR, &["chat template"]);
}

#[test]
fn a_line_that_is_no_text_is_a_line_that_failed() {
    let workplace = Workplace::new();
    let script = b"caf\xe9?\nWho?\n".to_vec();
    let chat = ["chat", "--model", "model.gguf", "--max-tokens", "8"];
    let chat = outcome(workplace.minference(&[&chat[..], &DENSE].concat()).write_stdin(script));
    assert_eq!(
        (chat.code, chat.answers()),
        (Some(ERROR), vec![&*workplace.goes_on("[user]Who?[assistant]")])
    );
    contains(&chat.stderr, &["UTF-8, found other bytes at 3\n", "> Who?\n", "error: a line failed"]);
}

#[test]
fn what_helps_is_said_once_and_where_it_would() {
    let (workplace, _) = with_book(500);
    let advice = "`minference search --model model.gguf`";
    let chat = workplace.chat(&[], &["Who?", "/document book.txt", "Why?", "Where?"]).succeeds();
    assert_eq!(chat.stderr.matches(advice).count(), 1, "{}", chat.stderr);
    contains(chat.told_after("/document book.txt"), &[advice]);
    let none = "--kv has no effect until a document is added";
    let kv = ["--kv", "snapkv", "--kv-capacity", "64"];
    let chat = workplace.chat(&kv, &["Who?", "/stats", "/document book.txt", "/stats"]).succeeds();
    assert!(chat.stderr.starts_with(none), "{}", chat.stderr);
    let caches: Vec<&str> = chat.stderr.lines().filter(|line| line.starts_with("cache")).collect();
    assert!(!caches[0].contains(" of 3") && caches[1].contains("8.00 KiB of "), "{caches:?}");
    let with_document = workplace.chat(&[&kv[..], &["-d", "book.txt"]].concat(), &["Who?"]).succeeds();
    assert!(!with_document.stderr.contains(none));
}

#[test]
fn a_saved_conversation_goes_on_elsewhere_without_reading() {
    let (workplace, _) = with_book(1200);
    let lines = ["Who?", "/save book.chat", "Why?", "/undo", "Why?"];
    let chat = workplace.dense_chat(&["-d", "book.txt"], &lines).succeeds();
    let [_, why, why_again] = chat.answers()[..] else { panic!("{}", chat.stdout) };
    assert_eq!(why, why_again);
    contains(chat.told_after(lines[1]), &["saved to book.chat"]);
    // neither document nor system text is given again
    let later =
        workplace.dense_chat(&[], &["/load book.chat", "Why?", "/stats", "/clear", "Who?"]).succeeds();
    assert_eq!(later.answers(), [why, chat.answers()[0]]);
    assert_eq!(later.told_after("/load book.chat"), "1 turn, 1 document");
    let again = "[user]Why?[assistant]".len() + 1;
    contains(later.told_after("/stats"), &[&format!("{again} tokens read in"), "1,230 reused", "2 turns"]);
}

#[test]
fn a_file_that_does_not_fit_leaves_the_conversation_as_it_is() {
    let (workplace, _) = with_book(300);
    workplace.dense_chat(&["-d", "book.txt"], &["Who?", "/save book.chat"]).succeeds();
    let damaged = std::fs::read(workplace.path().join("book.chat")).unwrap();
    workplace.write("cut.chat", &damaged[..damaged.len() - 100]);
    let lines = ["Who?", "/load cut.chat", "/load book.txt", "/load book.chat", "Why?"];
    let chat = workplace.dense_chat(&["--dtype", "f32"], &lines);
    let undisturbed = workplace.dense_chat(&["--dtype", "f32"], &["Who?", "Why?"]).succeeds();
    assert_eq!((chat.code, &chat.stdout), (Some(ERROR), &undisturbed.stdout), "{}", chat.stderr);
    contains(chat.told_after(lines[1]), &["can't load this conversation", "cut.chat"]);
    contains(chat.told_after(lines[2]), &["can't load this conversation", "book.txt"]);
    contains(chat.told_after(lines[3]), &["can't load this conversation", "f16", "f32"]);
    let small = workplace.dense_chat(&["--context", "100"], &["/load book.chat"]);
    contains(&small.stderr, &["does not fit", "less than 100", "--context"]);
}

#[test]
fn documents_are_compressed_once_and_turns_are_whole() {
    let (workplace, _) = with_book(2000);
    workplace.write("other.txt", long_text(500));
    let kv = ["--kv", "snapkv", "--kv-capacity", "64", "-d", "book.txt"];
    let lines = ["/stats", "Who?", "/stats", "/undo", "Who?", "/clear", "/document other.txt", "/stats"];
    let chat = workplace.dense_chat(&kv, &lines).succeeds();
    let caches: Vec<&str> = chat.stderr.lines().filter(|line| line.starts_with("cache")).collect();
    // 128 bytes a token: 64 of the document; then also the question, and the answer but for its
    // last token; then 64 of both documents
    let expected = ["8.00 KiB of 251 KiB", "10.8 KiB of 254 KiB", "8.00 KiB of 314 KiB"]
        .map(|of| format!("cache         {} of keys and values", of));
    assert_eq!(caches, expected);
    let [first, second] = chat.answers()[..] else { panic!("{}", chat.stdout) };
    assert_eq!(first, second);
    workplace.chat(&["--kv-capacity", "64"], &["Who?"]).is_refused(WRONG_OPTIONS, &["--kv", "snapkv"]);
}
