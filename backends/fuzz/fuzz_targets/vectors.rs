//! The reader of embeddings: never panics, and what it accepts is what was asked for. The first byte of the input is how
//! many texts there were (and one more), the second how many numbers were asked for (0: any).

#![no_main]

use backends::{Embed, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [texts, dimensions, document @ ..] = input else {
        return;
    };
    let embed = Embed {
        model: String::new(),
        input: vec!["x".to_owned(); 1 + usize::from(texts % 8)],
        dimensions: (*dimensions > 0).then_some(u32::from(*dimensions)),
    };
    let Ok(embedded) = decode::embedded(document, &embed) else {
        return;
    };
    assert_eq!(embedded.vectors.len(), embed.input.len());
    let length = embedded.vectors.first().map_or(0, Vec::len);
    for vector in &embedded.vectors {
        assert!(vector.len() == length && vector.iter().all(|number| number.is_finite()));
    }
    if let Some(asked) = embed.dimensions {
        assert_eq!(length, asked as usize);
    }
});
