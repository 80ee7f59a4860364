"""Windows and features, computed by the gateway's own code (the `ngrams` example binary)."""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse

BUCKETS = 1 << 18


@dataclass
class Windows:
    """All windows of some texts, in the order of the texts."""

    # Which text each window is from, and its byte range there.
    text: np.ndarray
    bounds: np.ndarray
    # [windows, BUCKETS], rows of length 1.
    rows: scipy.sparse.csr_matrix

    def of(self, texts: np.ndarray) -> np.ndarray:
        """The windows of the texts marked in a boolean array."""
        return np.flatnonzero(texts[self.text])

    def best(self, scores: np.ndarray, texts: int) -> np.ndarray:
        """The highest window score of every text; minus infinity for a text without words."""
        best = np.full(texts, -np.inf)
        np.maximum.at(best, self.text, scores)
        return best


def compute(binary: Path, texts: list[str], words: int, overlap: int) -> Windows:
    """Runs the binary over the texts."""
    with tempfile.TemporaryDirectory() as folder:
        lines = "\n".join(json.dumps(text, ensure_ascii=True) for text in texts)
        clean = lines.encode("ascii")
        subprocess.run([binary, "features", str(words), str(overlap), folder], input=clean, check=True)
        read = lambda name, kind: np.fromfile(Path(folder) / name, dtype=kind)
        starts = np.concatenate([[0], np.cumsum(read("counts.u32", "<u4"), dtype=np.int64)])
        shape = (len(starts) - 1, BUCKETS)
        rows = scipy.sparse.csr_matrix((read("values.f32", "<f4"), read("ids.u32", "<u4").astype(np.int32), starts), shape=shape)
        return Windows(read("texts.u32", "<u4").astype(np.int64), read("bounds.u32", "<u4").reshape(-1, 2), rows)
