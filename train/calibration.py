"""From logits to scores that mean something: Platt scaling, and thresholds at a named false-positive rate."""

from dataclasses import dataclass

import numpy as np
import scipy.optimize
import scipy.special

import model

sigmoid = scipy.special.expit
# Thresholds are shipped in steps of the gateway's scores, rounded up.
STEPS = 10_000
# A score is the chance of an attack where one text in so many is one. Even odds would crowd the useful thresholds into
# the last few of the steps below 1.
BASE_RATE = 1 / 20


@dataclass
class Scale:
    """score = sigmoid(slope * logit + shift)"""

    slope: float
    shift: float

    def score(self, logits: np.ndarray) -> np.ndarray:
        return sigmoid(self.slope * logits + self.shift)

    def apply(self, fitted: model.Linear) -> model.Linear:
        """Folds the scale into the model."""
        return model.Linear((fitted.weights * self.slope).astype(np.float32), fitted.bias * self.slope + self.shift)


def fit(logits: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> Scale:
    """Platt scaling on weighted texts, then moved from even odds to `BASE_RATE`."""
    use = weight > 0
    z, y, w = logits[use], truth[use], weight[use] / weight[use].sum()

    def loss(point):
        margin = np.where(y == 1, 1, -1) * (point[0] * z + point[1])
        return float(w @ np.logaddexp(0, -margin))

    slope, shift = scipy.optimize.minimize(loss, [1.0, 0.0], method="Nelder-Mead").x
    return Scale(float(slope), float(shift + scipy.special.logit(BASE_RATE)))


@dataclass
class Threshold:
    """A score at or above `at` is a hit."""

    at: float
    # The rate it was set for (sources weigh as the root of their rows), and what it does on the plain pool of rows.
    aim: float
    hits: int
    rows: int


def thresholds(honest: list[np.ndarray]) -> list[Threshold]:
    """The thresholds at 1 % and 0.1 % false positives over some sources of honest scores."""
    scores = np.concatenate(honest)
    weight = np.concatenate([np.full(len(s), 1 / np.sqrt(len(s))) for s in honest])
    order = np.argsort(-scores)
    passed = np.cumsum(weight[order]) / weight.sum()
    found = []
    for aim in (0.01, 0.001):
        at = scores[order][np.searchsorted(passed, aim)]
        at = min(1.0, (np.floor(at * STEPS) + 1) / STEPS)
        found.append(Threshold(float(at), aim, int((scores >= at).sum()), len(scores)))
    return found


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """The 95 % Wilson interval of a rate."""
    z = 1.96
    middle = (hits + z * z / 2) / (rows + z * z)
    half = z / (rows + z * z) * np.sqrt(hits * (rows - hits) / rows + z * z / 4)
    return max(0.0, middle - half), min(1.0, middle + half)
