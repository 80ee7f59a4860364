//! Writes the features of texts for the training script, and times them.
//!
//! ```text
//! ngrams features WORDS OVERLAP DIR < texts.jsonl     each line a JSON string; DIR must exist
//! ngrams speed                                        mean time of one window of 600 characters
//! ```
//!
//! `features` cuts every text into windows of WORDS words that share OVERLAP words, and writes little-endian files into
//! DIR: per window `texts.u32` (the line it came from), `bounds.u32` (its first byte and its end in the text) and
//! `counts.u32` (its features); `ids.u32` and `values.f32` hold all windows' features, one after another.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use guardrails::ngrams;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["features", words, overlap, dir] => {
            write_features(words.parse()?, overlap.parse()?, Path::new(dir))
        }
        ["speed"] => speed(),
        _ => Err("usage: ngrams features WORDS OVERLAP DIR < texts.jsonl | ngrams speed".into()),
    }
}

fn write_features(words: usize, overlap: usize, dir: &Path) -> Result<(), Box<dyn Error>> {
    let create = |name| File::create(dir.join(name)).map(BufWriter::new);
    let (mut texts, mut bounds, mut counts) = (
        create("texts.u32")?,
        create("bounds.u32")?,
        create("counts.u32")?,
    );
    let (mut ids, mut values) = (create("ids.u32")?, create("values.f32")?);
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let text: String = serde_json::from_str(&line?)?;
        for window in ngrams::windows(&text, words, overlap) {
            let features = ngrams::features(text.get(window.clone()).unwrap_or_default());
            bounds.write_all(&u32::try_from(window.start)?.to_le_bytes())?;
            bounds.write_all(&u32::try_from(window.end)?.to_le_bytes())?;
            texts.write_all(&u32::try_from(number)?.to_le_bytes())?;
            counts.write_all(&u32::try_from(features.ids.len())?.to_le_bytes())?;
            for id in &features.ids {
                ids.write_all(&id.to_le_bytes())?;
            }
            for value in &features.values {
                values.write_all(&value.to_le_bytes())?;
            }
        }
    }
    for mut file in [texts, bounds, counts, ids, values] {
        file.flush()?;
    }
    Ok(())
}

fn speed() -> Result<(), Box<dyn Error>> {
    const ROUNDS: u32 = 20_000;
    let text = "Please summarise the attached inspection report for the regional office, list the three findings that \
                need a reply before the end of the month, and draft a short letter to the contractor that asks for the \
                missing certificates. The report was written in March 2024 by two inspectors; one section on water \
                damage is incomplete. Keep the tone polite and factual, avoid legal terms where plain words will do, \
                and mention that the next visit is planned for the second week of June. If a figure is uncertain, say \
                so and give the page number, so that a colleague can check it against the original tables later on.";
    let began = Instant::now();
    let total: usize = (0..ROUNDS)
        .map(|_| ngrams::features(std::hint::black_box(text)).ids.len())
        .sum();
    let mean = began.elapsed() / ROUNDS;
    writeln!(
        std::io::stdout(),
        "{} characters, {} features, mean {mean:?}",
        text.len(),
        total / ROUNDS as usize
    )?;
    Ok(())
}
