//! The demo's embeddings: hashed words, scaled to length 1. Texts that share words are near each other, and that is
//! all they mean.

use crate::embed::{Embed, Embedded};

use super::{counted, remarks};

/// One vector for each text; `None` if they are more numbers than a server's answer may hold.
pub(super) fn of(embed: &Embed) -> Option<Embedded> {
    let dimensions = embed.dimensions.map_or(DIMENSIONS, |asked| asked as usize);
    let numbers = embed.input.len().checked_mul(dimensions)?;
    if numbers > NUMBERS_MAX {
        return None;
    }
    let words = |text: &String| text.split_whitespace().count() as u64;
    Some(Embedded {
        vectors: embed
            .input
            .iter()
            .map(|text| vector(text, dimensions))
            .collect(),
        usage: counted(embed.input.iter().map(words).sum()),
        remarks: remarks(),
        vendor_request_id: None,
    })
}

fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0_f32; dimensions];
    for word in text.split_whitespace() {
        let hash = fnv_1a(word.to_lowercase().as_bytes());
        let at = usize::try_from(hash >> 1).unwrap_or_default() % dimensions.max(1);
        if let Some(number) = vector.get_mut(at) {
            *number += if hash & 1 == 0 { 1.0 } else { -1.0 };
        }
    }
    let length = vector
        .iter()
        .map(|number| number * number)
        .sum::<f32>()
        .sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|number| *number /= length);
    }
    vector
}

/// FNV-1a, 64 bits (draft-eastlake-fnv).
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

const DIMENSIONS: usize = 64;

/// 4 MiB of them.
const NUMBERS_MAX: usize = 1 << 20;
