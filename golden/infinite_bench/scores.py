"""Scores of answers, as InfiniteBench's compute_scores.py of MInference's experiments gives them.

Usage: python scores.py experiments/infinite_bench/compute_scores.py > scores.json
Needs rouge_score. README.md describes the result.
"""

import importlib.util
import json
import random
import sys
from types import ModuleType

from rouge_score.rouge_scorer import RougeScorer

UUID = "6ab6ea3e-f288-4f33-ba46-7f42bb75b03f"
LIGHTHOUSE = ["The lighthouse", "B"]
HEADER = ["read_header", "C"]
STORY = (
    "Ishmael goes to sea with Captain Ahab.\nAhab hunts the white whale, which took his leg.\n"
    "The whale sinks the ship; only Ishmael lives."
)
OTHER_STORY = "A sailor joins a whaler. Its captain hunts a whale and dies."

# task -> labels -> answers
CASES = {
    "passkey": [
        ("71432", ["71432", " 71432.", "The key is 71432, not 5.", "5, no: 71432", "714325", "", "７１４３２"]),
        ("00123", ["00123", "123", "key 00123 00123"]),
    ],
    "number_string": [("1122334455", ["1122334455", "11 22334455", "It's 1122334455!", "none", ""])],
    "kv_retrieval": [
        (UUID, [UUID, f' "{UUID}".', f'{{"key": "{UUID}"}}', f"{UUID}</s>The", f"The{UUID}", UUID[1:], f"`{UUID}`", ""]),
    ],
    "longdialogue_qa_eng": [
        (["JACK"], ["Jack", "It's JACK.", "Jacky", "jack: yes", "", "“Jack”"]),
        (["ÉLODIE", "JACK"], ["élodie", "Jack", "{Élodie}"]),
        (["DR. SMITH"], ["Dr. Smith", "SMITH"]),
    ],
    "math_find": [
        (97, ["97", "It is 97.", "97.8", " 7, 97", "", "ninety-seven", "答案是97。", "-97"]),
        (49.5, ["49.5", "49", "49.", "49.50", "49.5.1", "a49.5b"]),
        (50.0, ["50", "50.0", "50.5"]),
        ([3], ["3", "03", "3.0", "30"]),
    ],
    "longbook_choice_eng": [
        (LIGHTHOUSE, [
            "B", " B. The lighthouse", "\nB\n", "A", "C, or B", "", "  ", "After all, B", "Because", "The lighthouse",
            "the lighthouse", "I think the answer is: B.", "the answer is The lighthouse", 'Right option is "B"',
            "The answer is C, not B", "The answer is", "The answer is:", "The answer is: ", "The letter is B, not C",
            "Is it AB or B?", "none of these", "是 B 。", "是B", "the answer is\nB", "answer:  B", "the option is 'B'",
            "the answer is: The answer: B",
        ]),
    ],
    "code_debug": [
        (HEADER, [
            "C. read_header", " C: read_header", "C.", "C", "", "read_header", "A. C.", "The answer is: **C**",
            "The correct option is: C", "answer: `read_header`", "The answer is: A", "The answer is:", "answer is:C",
            "the answer is: Option C", "答案：C", "is: A answer: C", "answer: A is: C", "**C.** x", "It is:   C",
        ]),
    ],
    "longbook_qa_eng": [
        (["a lighthouse"], ["The Lighthouse.", "lighthouse", "light house", "", "the", "an old lighthouse, a lighthouse"]),
        (["Mr Fox", "the old fox"], ["old Mr. Fox", "fox fox fox", "The “old” fox", "Fox—the old one", "Mr_Fox"]),
        (["théâtre de l'île"], ["Théâtre de lile", "THÉÂTRE DE L’ÎLE", "the a an théâtre"]),
        (["“the”"], ["“ ”", "the", "“a”"]),
    ],
    "longbook_qa_chn": [
        (["白马"], ["白马。", "“白马”", "白 色 的 马", "", "马白白", "《白马》", "黑"]),
        (["ABC公司", "甲乙"], ["abc 公司", "甲、乙", "公司：ABC……", "ＡＢＣ公司"]),
    ],
    "longbook_sum_eng": [
        ([STORY], [
            STORY, STORY.lower(), "", "Nothing in common here", STORY.replace("\n", " "),
            "Ahab hunts a whale.\nThe whale sinks his ship.", "Captain Ahab hunts the whale, the whale, the whale.",
            "only Ishmael lives\n\n\nIshmael goes to sea\nthe leg took Ahab", "ahab's leg-took 1 2 3", "whales hunting captains",
        ]),
        ([STORY, OTHER_STORY], ["A captain hunts a whale and dies.", "The sailor\njoins a whaler", "白马", "İshmael goes"]),
    ],
}


def texts_with_ties(seed: int) -> tuple[list[str], list[str]]:
    """A reference and answers of so few words that subsequences are often as long as others."""
    draw = random.Random(seed)

    def text() -> str:
        return "".join(draw.choice("abcde") + draw.choice("   \n") for _ in range(draw.randrange(4, 24)))

    return [text()], [text() for _ in range(4)]


CASES["longbook_sum_eng"] += [texts_with_ties(seed) for seed in range(12)]


class Rouge:
    """What `evaluate.load("rouge")` computes, which fetches its code from elsewhere."""

    def compute(self, predictions, references, use_aggregator):
        scorer = RougeScorer(["rougeLsum"], use_stemmer=False)
        assert not use_aggregator
        return {"rougeLsum": [scorer.score_multi(r, p)["rougeLsum"].fmeasure for p, r in zip(predictions, references)]}


def compute_scores(path: str) -> ModuleType:
    """The module, with what it imports and the scores don't need left out."""
    modules = {name: ModuleType(name) for name in ("args", "evaluate", "tqdm")}
    modules["evaluate"].load = lambda _: Rouge()
    modules["args"].parse_args = modules["tqdm"].tqdm = None
    sys.modules.update(modules)
    spec = importlib.util.spec_from_file_location("compute_scores", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    score = compute_scores(sys.argv[1]).get_score_one
    cases = []
    for task, groups in CASES.items():
        for label, answers in groups:
            references = [str(text) for text in (label if isinstance(label, list) else [label])]
            scores = [score(answer, label, task, "") for answer in answers]
            cases.append({"task": task, "references": references, "answers": dict(zip(answers, scores))})
    print(json.dumps(cases, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
