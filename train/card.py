"""The manifest that the gateway reads and the card that people read; figures only, never a line of data."""

import datetime
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

import calibration
import corpus

# Honest prompts of sources that no training source resembles; documents count from all validation sources.
EVERYDAY = ("Arena-Hard", "MT-Bench")
PROSE = Path(__file__).parent / "card.md"


@dataclass
class Figures:
    """What the thresholds do to one source."""

    name: str
    kind: str
    attacks: int
    caught: list[float]
    auc: float | None
    honest: int
    hits: list[int]


@dataclass
class Judged:
    """All figures of one label."""

    label: str
    thresholds: dict[str, list[calibration.Threshold]]
    left_out: list[Figures]
    validation: list[Figures]


@dataclass
class Facts:
    """Everything the two files state."""

    digest: str
    date: datetime.date
    seconds: float
    words: int
    overlap: int
    judged: list[Judged]


def figures(source: corpus.Source, truth: np.ndarray, scores: np.ndarray, thresholds, honest: list[np.ndarray]) -> Figures:
    """Recall and false positives at both thresholds; the AUC is against honest texts of the same kind, sources weighed
    by the root of their rows."""
    bad, good = scores[truth == 1], scores[truth == 0]
    auc = None
    if len(bad):
        pool = np.concatenate([bad, *honest])
        weight = np.concatenate([np.ones(len(bad)), *[np.full(len(h), 1 / np.sqrt(len(h))) for h in honest]])
        auc = float(roc_auc_score(np.arange(len(pool)) < len(bad), pool, sample_weight=weight))
    caught = [float((bad >= t.at).mean()) if len(bad) else 0.0 for t in thresholds]
    return Figures(source.name, source.kind, len(bad), caught, auc, len(good), [int((good >= t.at).sum()) for t in thresholds])


def write_manifest(path: Path, facts: Facts, training: list[corpus.Source]) -> None:
    """What the gateway needs to load the model."""
    lines = [
        "# Written by train/train.py; do not edit. The card beside it says what the numbers mean.",
        'name = "fast-guard"',
        "version = 1",
        'features = "ngrams@1"',
        f"labels = [{', '.join(quoted(judged.label) for judged in facts.judged)}]",
        'model = "model.onnx"',
        f'sha256 = "{facts.digest}"',
        f'trained = "{facts.date.isoformat()}"',
        "",
        "# A text's score is the highest of its windows.",
        "[window]",
        f"words = {facts.words}",
        f"overlap = {facts.overlap}",
        "",
        "# Scores at or above which a text counts, set on honest texts of sources left out of training:",
        "# `prompt` for what users type, `document` for tool results, e-mails, pages and code.",
    ]
    for judged in facts.judged:
        for kind, (one, tenth) in judged.thresholds.items():
            lines += [
                f"[thresholds.{judged.label}.{kind}]",
                f"fpr_1_percent = {one.at:.4f}",
                f"fpr_0_1_percent = {tenth.at:.4f}",
                f'set = "leave-one-source-out, honest {kind}s"',
                f"rows = {one.rows}",
                f"hits = [{one.hits}, {tenth.hits}]",
                "",
            ]
    for source in training:
        lines += ["[[data]]", f"name = {quoted(source.name)}", f"texts = {len(source.texts)}", ""]
    path.write_text("\n".join(lines[:-1]) + "\n")


def write_card(path: Path, facts: Facts, training: list[corpus.Source]) -> None:
    """The prose of card.md with the tables put in."""
    tables = {"facts": facts_table(facts), "words": str(facts.words), "sources": sources_table(training)}
    for judged in facts.judged:
        tables[f"{judged.label} thresholds"] = thresholds_table(judged)
        tables[f"{judged.label} left out"] = figures_table(judged.left_out)
        tables[f"{judged.label} validation"] = figures_table(judged.validation)
    text = PROSE.read_text()
    for name, table in tables.items():
        text = text.replace(f"{{{name}}}", table)
    path.write_text(text)


def facts_table(facts: Facts) -> str:
    rows = [
        ("model.onnx", f"SHA-256 `{facts.digest}`"),
        ("features", "`ngrams@1`, 2^18 buckets"),
        ("windows", f"{facts.words} words, {facts.overlap} shared with the next; a text's score is that of its worst window"),
        ("trained", f"{facts.date.isoformat()}, {facts.seconds / 60:.1f} minutes of one core"),
    ]
    return table(("what", "value"), rows)


def sources_table(training: list[corpus.Source]) -> str:
    count = lambda source, attribute, value: sum(getattr(text, attribute) == value for text in source.texts)
    rows = []
    for source in training:
        counts = [count(source, "attack", 1), count(source, "attack", 0), count(source, "harm", 1), count(source, "harm", 0)]
        rows.append((source.name, source.family, source.kind, *counts, source.trust))
    return table(("source", "family", "kind", "attack", "no attack", "harmful", "not harmful", "trust"), rows)


def thresholds_table(judged: Judged) -> str:
    rows = []
    for kind, levels in judged.thresholds.items():
        for level in levels:
            rows.append((kind, f"{level.aim:.1%}", f"{level.at:.4f}", rate(level.hits, level.rows)))
    return table(("kind", "aimed at", "threshold", "false positives over the plain pool of rows"), rows)


def figures_table(rows: list[Figures]) -> str:
    cells = []
    for row in rows:
        bad = (row.attacks, f"{row.auc:.3f}", *(f"{c:.0%}" for c in row.caught)) if row.attacks else ("", "", "", "")
        good = tuple(rate(hits, row.honest) for hits in row.hits) if row.honest else ("", "")
        cells.append((row.name, row.kind, *bad, *good))
    header = ("source", "kind", "positives", "AUC", "caught at 1 %", "caught at 0.1 %", "false at 1 %", "false at 0.1 %")
    return table(header, cells)


def rate(hits: int, rows: int) -> str:
    low, high = calibration.wilson(hits, rows)
    return f"{hits} of {rows} ({low:.1%} to {high:.1%})"


def table(header, rows) -> str:
    line = lambda cells: "| " + " | ".join(str(cell) for cell in cells) + " |"
    return "\n".join([line(header), line(["---"] * len(header)), *map(line, rows)])


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
