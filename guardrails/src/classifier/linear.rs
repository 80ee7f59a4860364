//! A model that is a table of weights, read out of its ONNX file and summed here.
//!
//! For such a model the runtime's part is small change against the fixed cost of calling it and against its `Gather`,
//! which it does anew for every window although neighbours share half their n-grams. Here a window's sum is that of the
//! window before, less what it no longer holds, plus what is new.
//!
//! ```text
//! ids, values -> Gather(table) -> Cast -> MatMul(values) -> Mul(step) -> Add(bias) -> Sigmoid -> scores
//! ```
//!
//! A graph that is anything but this one is left to the runtime. So is one whose scores differ from the runtime's on the
//! probes that [`super::onnx`] asks at load: the file means what the runtime says it means.
//!
//! Bounds: 512 KiB of counts per thread that scores, and [`WINDOW_NGRAMS_MAX`] n-grams in a window (of longer ones each
//! is summed by itself).

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::Features;
use crate::ngrams::{self, BUCKETS, Occurrences, Window};

mod protobuf;

use protobuf::Message;

#[cfg(test)]
mod tests;

/// The table and what makes scores of its sums.
pub(super) struct Linear {
    /// `[BUCKETS, labels]`.
    table: Vec<i8>,
    /// Per label.
    step: Vec<f32>,
    bias: Vec<f32>,
    /// How often each bucket is in the window at hand: all zero between calls. Those not in use.
    counts: Mutex<Vec<Vec<u16>>>,
}

/// So many fit into the counts.
const WINDOW_NGRAMS_MAX: usize = u16::MAX as usize;

impl Linear {
    /// Reads a model; `None` if it is another kind of graph.
    pub(super) fn read(model: &[u8], labels: usize) -> Option<Linear> {
        let graph = Message(model).one(GRAPH)?;
        let nodes: Option<Vec<Node<'_>>> = graph.all(NODE).map(Node::read).collect();
        if nodes? != NODES.map(Node::written) {
            return None;
        }
        let constant = |name: &str, kind: u64, dims: &[u64]| -> Option<&[u8]> {
            let mut tensors = graph.all(INITIALIZER);
            let tensor = tensors.find(|tensor| tensor.one_text(TENSOR_NAME) == Some(name))?;
            let same = tensor.number(TENSOR_TYPE)? == kind && tensor.numbers(TENSOR_DIMS)? == dims;
            same.then(|| tensor.one(TENSOR_RAW))?.map(|raw| raw.0)
        };
        let count = u64::try_from(labels).ok()?;
        let table = constant("table", INT8, &[u64::from(BUCKETS), count])?;
        let linear = Linear {
            table: table.iter().map(|byte| byte.cast_signed()).collect(),
            step: floats(constant("step", FLOAT, &[count])?),
            bias: floats(constant("bias", FLOAT, &[count])?),
            counts: Mutex::default(),
        };
        let row = constant("row", INT64, &[1])? == 1_i64.to_le_bytes();
        let whole = linear.table.len() == BUCKETS as usize * labels
            && [linear.step.len(), linear.bias.len()] == [labels, labels];
        (row && whole).then_some(linear)
    }

    /// Scores features, as the runtime would.
    pub(super) fn score(&self, features: &Features) -> Vec<f32> {
        let mut sums = vec![0.0; self.step.len()];
        for (id, value) in features.ids.iter().zip(&features.values) {
            self.add(&mut sums, *id, f64::from(*value));
        }
        self.scores(&sums, 1.0)
    }

    /// Scores windows of a canonical text: `[windows, labels]`.
    pub(super) fn score_windows(&self, text: &str, windows: &[Range<usize>]) -> Vec<Vec<f32>> {
        let occurrences = Occurrences::of(text, windows);
        let longest = occurrences.windows.iter().map(|window| window.ids.len());
        if longest.max().unwrap_or(0) > WINDOW_NGRAMS_MAX {
            let features = ngrams::window_features(text, windows);
            return features.iter().map(|of| self.score(of)).collect();
        }
        let mut sum = RunningSum {
            linear: self,
            counts: self.free_counts(),
            sums: vec![0.0; self.step.len()],
            holds: 0..0,
        };
        let scores = occurrences.windows.iter();
        let scores = scores
            .map(|window| sum.score(&occurrences, window))
            .collect();
        sum.move_to(&occurrences, 0..0);
        self.keep_counts(sum.counts);
        scores
    }

    #[inline]
    fn add(&self, sums: &mut [f64], id: u32, value: f64) {
        let labels = sums.len();
        let at = id as usize * labels;
        let weights = self.table.get(at..at + labels).unwrap_or_default();
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum += value * f64::from(*weight);
        }
    }

    /// What the runtime makes of sums, after a division.
    fn scores(&self, sums: &[f64], by: f64) -> Vec<f32> {
        let of = |((sum, step), bias): ((&f64, &f32), &f32)| {
            let logit = sum / by * f64::from(*step) + f64::from(*bias);
            #[expect(clippy::cast_possible_truncation, reason = "a ratio")]
            let score = (1.0 / (1.0 + (-logit).exp())) as f32;
            score
        };
        sums.iter()
            .zip(&self.step)
            .zip(&self.bias)
            .map(of)
            .collect()
    }

    fn free_counts(&self) -> Vec<u16> {
        let mut free = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        free.pop().unwrap_or_else(|| vec![0; BUCKETS as usize])
    }

    fn keep_counts(&self, counts: Vec<u16>) {
        let mut free = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(counts);
    }
}

/// The weighted sum over one window after the other.
struct RunningSum<'l> {
    linear: &'l Linear,
    counts: Vec<u16>,
    /// Over the buckets, `sqrt(count) * weight`.
    sums: Vec<f64>,
    /// The n-grams that are counted.
    holds: Range<usize>,
}

impl RunningSum<'_> {
    fn score(&mut self, occurrences: &Occurrences, window: &Window) -> Vec<f32> {
        self.move_to(occurrences, window.ids.clone());
        // As in a count of a bucket over the total; nothing at all has the sum 0.
        let total = window.ids.len().max(1) as f64;
        let before = self.sums.clone();
        let first = window.first.as_ref().and_then(|first| {
            let there = occurrences.ids(first.at..first.at + 1).first()?;
            Some((*there, first.alone))
        });
        if let Some((there, alone)) = first {
            self.remove(there);
            self.add(alone);
        }
        let scores = self.linear.scores(&self.sums, total.sqrt());
        if let Some((there, alone)) = first {
            self.remove(alone);
            self.add(there);
        }
        self.sums = before;
        scores
    }

    /// Counts these n-grams instead of those counted now.
    fn move_to(&mut self, occurrences: &Occurrences, next: Range<usize>) {
        let kept = self.holds.start.max(next.start)..self.holds.end.min(next.end);
        let old = self.holds.clone();
        if kept.is_empty() {
            self.each(occurrences.ids(old), Self::remove);
            self.sums.fill(0.0);
            self.each(occurrences.ids(next.clone()), Self::add);
        } else {
            self.each(occurrences.ids(old.start..kept.start), Self::remove);
            self.each(occurrences.ids(kept.end..old.end), Self::remove);
            self.each(occurrences.ids(next.start..kept.start), Self::add);
            self.each(occurrences.ids(kept.end..next.end), Self::add);
        }
        self.holds = next;
    }

    fn each(&mut self, ids: &[u32], change: impl Fn(&mut Self, u32)) {
        ids.iter().for_each(|id| change(self, *id));
    }

    #[inline]
    fn add(&mut self, id: u32) {
        if let Some(count) = self.counts.get_mut(id as usize) {
            *count += 1;
            let more = root_step(*count);
            self.linear.add(&mut self.sums, id, more);
        }
    }

    #[inline]
    fn remove(&mut self, id: u32) {
        if let Some(count) = self.counts.get_mut(id as usize) {
            let less = root_step(*count);
            *count -= 1;
            self.linear.add(&mut self.sums, id, -less);
        }
    }
}

/// `sqrt(count) - sqrt(count - 1)`.
#[inline]
fn root_step(count: u16) -> f64 {
    match count {
        0 => 0.0,
        1 => 1.0,
        count => f64::from(count).sqrt() - f64::from(count - 1).sqrt(),
    }
}

/// One operation of the graph.
#[derive(Debug, PartialEq)]
struct Node<'m> {
    operation: &'m str,
    inputs: Vec<&'m str>,
    output: &'m str,
    /// `axis` of a `Gather`, `to` of a `Cast`; else 0.
    attribute: u64,
}

impl<'m> Node<'m> {
    fn read(node: Message<'m>) -> Option<Node<'m>> {
        let attributes: Vec<Message<'m>> = node.all(NODE_ATTRIBUTE).collect();
        let attribute = match attributes.as_slice() {
            [] => 0,
            [one] if matches!(one.one_text(ATTRIBUTE_NAME)?, "axis" | "to") => {
                one.number(ATTRIBUTE_INTEGER).unwrap_or(0)
            }
            _ => return None,
        };
        Some(Node {
            operation: node.one_text(NODE_OPERATION)?,
            inputs: node.texts(NODE_INPUT)?,
            output: node.one_text(NODE_OUTPUT)?,
            attribute,
        })
    }

    fn written(node: (&'m str, &'m [&'m str], &'m str, u64)) -> Node<'m> {
        let (operation, inputs, output, attribute) = node;
        Node {
            operation,
            inputs: inputs.to_vec(),
            output,
            attribute,
        }
    }
}

/// As `train/onnx_file.py` writes it.
#[rustfmt::skip]
const NODES: [(&str, &[&str], &str, u64); 8] = [
    ("Gather", &["table", "ids"], "looked_up", 0),
    ("Cast", &["looked_up"], "weights", FLOAT),
    ("Unsqueeze", &["values", "row"], "rows", 0),
    ("MatMul", &["rows", "weights"], "products", 0),
    ("Squeeze", &["products", "row"], "sums", 0),
    ("Mul", &["sums", "step"], "scaled", 0),
    ("Add", &["scaled", "bias"], "logits", 0),
    ("Sigmoid", &["logits"], "scores", 0),
];

// Field numbers and types of onnx.proto3.
const GRAPH: u64 = 7;
const NODE: u64 = 1;
const NODE_INPUT: u64 = 1;
const NODE_OUTPUT: u64 = 2;
const NODE_OPERATION: u64 = 4;
const NODE_ATTRIBUTE: u64 = 5;
const ATTRIBUTE_NAME: u64 = 1;
const ATTRIBUTE_INTEGER: u64 = 3;
const INITIALIZER: u64 = 5;
const TENSOR_DIMS: u64 = 1;
const TENSOR_TYPE: u64 = 2;
const TENSOR_NAME: u64 = 8;
const TENSOR_RAW: u64 = 9;
const FLOAT: u64 = 1;
const INT8: u64 = 3;
const INT64: u64 = 7;

fn floats(raw: &[u8]) -> Vec<f32> {
    let (floats, _) = raw.as_chunks::<4>();
    floats
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect()
}
