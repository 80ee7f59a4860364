"""A linear classifier over windows, fitted by L-BFGS, that learns which windows of a long attack are the attack."""

from dataclasses import dataclass

import numpy as np
import scipy.optimize
import scipy.sparse
import scipy.special


@dataclass
class Linear:
    """Logit of a window = rows @ weights + bias."""

    weights: np.ndarray
    bias: float

    def logits(self, rows: scipy.sparse.csr_matrix) -> np.ndarray:
        return rows @ self.weights + self.bias


def fit(rows, truth: np.ndarray, weight: np.ndarray, l2: float, start: Linear | None = None, steps: int = 80) -> Linear:
    """Weighted logistic regression; the weights add up to 1. Deterministic."""
    turned = rows.T.tocsr()
    sign = np.where(truth, 1.0, -1.0).astype(np.float32)
    weight = (weight / weight.sum()).astype(np.float32)

    def loss(point):
        weights, bias = point[:-1].astype(np.float32), np.float32(point[-1])
        margin = sign * (rows @ weights + bias)
        slope = -sign * weight * scipy.special.expit(-margin)
        value = float(weight @ np.logaddexp(0, -margin)) + 0.5 * l2 * float(point[:-1] @ point[:-1])
        gradient = np.empty_like(point)
        gradient[:-1] = turned @ slope + l2 * point[:-1]
        gradient[-1] = slope.sum()
        return value, gradient

    point = np.zeros(rows.shape[1] + 1)
    if start is not None:
        point[:-1], point[-1] = start.weights, start.bias
    found = scipy.optimize.minimize(loss, point, jac=True, method="L-BFGS-B", options={"maxiter": steps, "maxcor": 8, "ftol": 1e-7})
    return Linear(found.x[:-1].astype(np.float32), float(found.x[-1]))
