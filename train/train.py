"""Trains the fast classifier and writes the model, its manifest and its card. The same inputs give the same model.

1. Gather the labelled texts (corpus.py); drop training texts that nearly copy a validation text.
2. Cut them into windows and compute features with the gateway's own code (features.py).
3. Leave one source out: every family of sources is scored by models that saw neither it nor a near copy of it.
   Those scores, and no others, calibrate the model and set its thresholds.
4. Fit the final model on all training sources; judge it on the validation sets, which set nothing.
"""

import argparse
import datetime
import os
import time
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import calibration
import card
import corpus
import features
import model
import near_duplicates
import onnx_file

SEED = 20240501
LABELS = {"prompt_attack": "attack", "harmful_request": "harm"}
# A planted instruction of up to 16 words lies whole in some window. Windows of 24 to 64 words differ little.
WINDOW_WORDS = 32
WINDOW_OVERLAP = 16
FOLDS = 8
# A larger source brings more variety but little more with each row; beyond this many rows it only costs time.
SOURCE_ROWS_MAX = 6000
# Chosen on the leave-one-source-out figures between 1e-5 and 2e-6, which differ little.
L2 = 5e-6
# A window of a long attack stays positive while its logit is this close to the attack's best window.
BEST_MARGIN = 1.0


def main() -> None:
    began = time.process_time()
    arguments = parse()
    data = read(arguments.data, arguments.ngrams)
    heads, judged = [], []
    for label, attribute in LABELS.items():
        truth = data.truth(attribute)
        left_out = leave_one_source_out(data, truth)
        scale = calibration.fit(left_out, truth, data.balance(truth, data.trusted & ~np.isnan(left_out)))
        final = scale.apply(fit(data, truth, data.trainable))
        heads.append(final)
        judged.append(judge(data, label, truth, scale.score(left_out), final))
        print(f"{label}: {time.process_time() - began:.0f} s of CPU so far", flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    digest = onnx_file.write(arguments.out / "model.onnx", heads)
    onnx_file.check(arguments.out / "model.onnx", heads, data.windows.rows[:: max(1, data.windows.rows.shape[0] // 500)])
    facts = card.Facts(digest, datetime.date.today(), time.process_time() - began, WINDOW_WORDS, WINDOW_OVERLAP, judged)
    card.write_manifest(arguments.out / "manifest.toml", facts, data.training)
    card.write_card(arguments.out / "README.md", facts, data.training)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of labelled data")
    parser.add_argument("--ngrams", type=Path, required=True, help="the built `ngrams` example of the guardrails crate")
    parser.add_argument("--out", type=Path, required=True, help="where model.onnx, manifest.toml and README.md go")
    return parser.parse_args()


@dataclass
class Data:
    """All texts, training sources first, with one row per text in every array."""

    training: list[corpus.Source]
    validation: list[corpus.Source]
    texts: list[corpus.Text]
    source: np.ndarray
    group: np.ndarray
    windows: features.Windows
    # Training texts that are no near copy of a validation text.
    trainable: np.ndarray
    trusted: np.ndarray

    @property
    def sources(self) -> list[corpus.Source]:
        return self.training + self.validation

    def truth(self, attribute: str) -> np.ndarray:
        """1, 0 or NaN (unknown) per text."""
        values = (getattr(text, attribute) for text in self.texts)
        return np.array([np.nan if value is None else value for value in values], dtype=float)

    def of_source(self, source: corpus.Source) -> np.ndarray:
        return self.source == next(n for n, one in enumerate(self.sources) if one is source)

    def honest(self, truth: np.ndarray, scores: np.ndarray, kind: str, sources: list[corpus.Source]) -> list[np.ndarray]:
        """The scores of the honest texts of some sources, source by source; weakly labelled sources do not count."""
        wanted = [source for source in sources if source.kind == kind and source.trust == 1.0]
        found = [scores[self.of_source(source) & (truth == 0) & ~np.isnan(scores)] for source in wanted]
        return [one for one in found if len(one)]

    def balance(self, truth: np.ndarray, use: np.ndarray) -> np.ndarray:
        """A weight per text: both classes weigh the same, a source in a class as its trust times the root of its rows."""
        weight = np.zeros(len(self.texts))
        for source in self.training:
            for side in (0, 1):
                rows = use & self.of_source(source) & (truth == side)
                if rows.any():
                    weight[rows] = source.trust / np.sqrt(rows.sum())
        for side in (0, 1):
            rows = use & (truth == side)
            if rows.any():
                weight[rows] /= weight[rows].sum()
        return weight

    def planted_windows(self) -> tuple[np.ndarray, np.ndarray]:
        """Per text: is its attack planted at a known place? Per window: does it hold at least half of that place?"""
        known = np.array([text.planted is not None for text in self.texts])
        place = np.array([text.planted or (0, 0) for text in self.texts], dtype=np.int64)[self.windows.text]
        bounds = self.windows.bounds.astype(np.int64)
        shared = np.minimum(bounds[:, 1], place[:, 1]) - np.maximum(bounds[:, 0], place[:, 0])
        return known, shared * 2 >= place[:, 1] - place[:, 0]


def read(folder: Path, ngrams: Path) -> Data:
    """Gathers, thins, groups and windows the texts."""
    training, validation = corpus.training(folder, SEED), corpus.validation(folder, SEED)
    for source in training:
        source.texts = source.texts[:: len(source.texts) // SOURCE_ROWS_MAX + 1]
    sources = training + validation
    texts = [text for source in sources for text in source.texts]
    number = np.repeat(np.arange(len(sources)), [len(source.texts) for source in sources])
    group = np.array(near_duplicates.groups([text.text for text in texts]))
    windows = features.compute(ngrams, [text.text for text in texts], WINDOW_WORDS, WINDOW_OVERLAP)
    known = number < len(training)
    trainable = known & ~np.isin(group, group[~known])
    trusted = np.array([source.trust == 1.0 for source in sources])[number]
    print(f"{known.sum()} training texts, {(known & ~trainable).sum()} dropped as near copies of validation texts")
    print(f"{windows.rows.shape[0]} windows, {windows.rows.nnz / 1e6:.1f} M features", flush=True)
    return Data(training, validation, texts, number, group, windows, trainable, trusted)


def fit(data: Data, truth: np.ndarray, use: np.ndarray) -> model.Linear:
    """Two rounds: the first takes all windows of an attack as attacks, the second only those near its best one."""
    balance = data.balance(truth, use)
    chosen = np.flatnonzero(balance[data.windows.text] > 0)
    of_text, rows = data.windows.text[chosen], data.windows.rows[chosen]
    known, holds_attack = data.planted_windows()
    positive = (truth[of_text] == 1) & (~known[of_text] | holds_attack[chosen])
    share = lambda kept: kept / np.maximum(np.bincount(of_text, kept, len(data.texts)), 1)[of_text]

    first = model.fit(rows, positive, balance[of_text] * share(np.ones(len(chosen))), L2)
    logits = first.logits(rows)
    best = np.full(len(data.texts), -np.inf)
    np.maximum.at(best, of_text, logits)
    kept = ~positive | known[of_text] | (logits >= best[of_text] - BEST_MARGIN)
    return model.fit(rows, positive, balance[of_text] * share(kept.astype(float)), L2, start=first, steps=40)


def leave_one_source_out(data: Data, truth: np.ndarray) -> np.ndarray:
    """The logit of every training text from a model that saw neither its family nor a near copy; NaN without a label."""
    families = list(dict.fromkeys(source.family for source in data.training))
    fold_of = np.array([families.index(s.family) % FOLDS if n < len(data.training) else -1 for n, s in enumerate(data.sources)])
    fold = fold_of[data.source]
    logits = np.full(len(data.texts), np.nan)
    for number in range(FOLDS):
        held_out = (fold == number) & data.trainable
        use = data.trainable & ~held_out & ~np.isin(data.group, data.group[held_out])
        fitted = fit(data, truth, use)
        logits[held_out] = text_logits(data, fitted)[held_out]
    logits[np.isnan(truth)] = np.nan
    return logits


def text_logits(data: Data, fitted: model.Linear) -> np.ndarray:
    """A text is as suspect as its most suspect window; a text without words is not suspect at all."""
    best = data.windows.best(fitted.logits(data.windows.rows), len(data.texts))
    return np.maximum(best, -30.0)


def judge(data: Data, label: str, truth: np.ndarray, left_out: np.ndarray, final: model.Linear) -> card.Judged:
    """Thresholds from the left-out scores; then figures per source, left out or validation."""
    scores = calibration.sigmoid(text_logits(data, final))
    thresholds, left_out_rows, validation_rows = {}, [], []
    for kind in ("prompt", "document"):
        honest = data.honest(truth, left_out, kind, data.training)
        thresholds[kind] = calibration.thresholds(honest)
        left_out_rows += figures(data, truth, left_out, data.training, kind, thresholds[kind], honest)
        everyday = [s for s in data.validation if s.kind == "document" or s.name in card.EVERYDAY]
        honest = data.honest(truth, scores, kind, everyday)
        validation_rows += figures(data, truth, scores, data.validation, kind, thresholds[kind], honest)
    return card.Judged(label, thresholds, left_out_rows, validation_rows)


def figures(data: Data, truth, scores, sources, kind: str, thresholds, honest) -> list[card.Figures]:
    """One row of figures for every source of a kind that has the label."""
    rows = []
    for source in sources:
        here = data.of_source(source) & ~np.isnan(truth) & ~np.isnan(scores)
        if source.kind == kind and here.any():
            rows.append(card.figures(source, truth[here], scores[here], thresholds, honest))
    return rows


if __name__ == "__main__":
    main()
