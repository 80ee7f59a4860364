//! Prints how fast texts are judged: each deterministic detector alone, all together, streams, and the fast classifier.
//!
//! ```text
//! scan_speed [TEXT_FILE] [ONNXRUNTIME_LIBRARY SHA256 MODELS_DIR]      TEXT_FILE `-` is a text of its own
//! ```
//!
//! `make bench-guardrails` runs it.
//!
//! Processor time is wall time here (nothing waits), so the machine should be otherwise idle. The best of several rounds
//! is printed: noise only ever adds.

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use guardrails::{
    Channel, Engine, Field, Origin, ProfileFile, RuntimeLibrary, Settings, Span, Stage,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

#[expect(clippy::print_stdout, reason = "a measuring tool prints")]
fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let text = match arguments.first() {
        Some(path) if path != "-" => std::fs::read_to_string(path)?,
        _ => CLEAN.repeat(8 * 1024 * 1024 / CLEAN.len()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    println!("{} bytes of text", text.len());
    for detectors in [
        &["secret"][..],
        &["pii"],
        &["unicode"],
        &["marking"],
        &["pattern"],
        &ALL,
    ] {
        let engine = engine(detectors, "", Settings::default())?;
        let best = best_of(5, || runtime.block_on(screen(&engine, &text)))?;
        println!(
            "{:>8.0} MB/s  {}",
            megabytes_per_second(text.len(), best),
            detectors.join(" + ")
        );
    }
    let best = best_of(5, || {
        let folded = guardrails::canonical(&text);
        let _cut = guardrails::ngrams::windows(&folded, 32, 16);
        Ok(())
    })?;
    println!(
        "{:>8.0} MB/s  canonical text and windows",
        megabytes_per_second(text.len(), best)
    );
    let accented = text.replace('e', "é");
    let best = best_of(5, || {
        let _folded = guardrails::canonical(&accented);
        Ok(())
    })?;
    println!(
        "{:>8.0} MB/s  canonical text, one letter in eight not ASCII",
        megabytes_per_second(accented.len(), best)
    );

    let engine = engine(&ALL, "", Settings::default())?;
    for (text, what) in [
        (
            "%41%20".repeat(350_000),
            "text of nothing but per-cent codes",
        ),
        (
            "SGVsbG8sIHdvcmxk ".repeat(120_000),
            "text of nothing but short words in base64",
        ),
        ("SGVsbG8sIHdvcmxk".repeat(130_000), "one run of base64"),
        ("A".repeat(2_000_000), "one word that is not encoded"),
        ("іgnоrе ".repeat(200_000), "text of nothing but lookalikes"),
    ] {
        let best = best_of(2, || runtime.block_on(screen(&engine, &text)))?;
        println!(
            "{:>8.0} MB/s  {what}, all deterministic detectors",
            megabytes_per_second(text.len(), best)
        );
    }
    let part = text
        .get(..text.floor_char_boundary(400_000))
        .unwrap_or(&text);
    for size in [4, 24, 400] {
        let chunks = part.len().div_ceil(size);
        let best = best_of(5, || runtime.block_on(stream(&engine, part, size)))?;
        let each = best.as_secs_f64() * 1e6 / chunks as f64;
        println!("{each:>8.2} us per chunk of {size} bytes, all deterministic detectors");
    }
    if let [_, library, sha256, models] = arguments.as_slice() {
        let settings = Settings {
            runtime: Some(RuntimeLibrary {
                path: PathBuf::from(library),
                sha256: sha256.clone(),
            }),
            models_dir: Some(PathBuf::from(models)),
            threads: 1,
            ..Settings::default()
        };
        classifier(&runtime, &text, settings)?;
    }
    Ok(())
}

const ALL: [&str; 5] = ["secret", "pii", "unicode", "marking", "pattern"];

#[expect(clippy::print_stdout, reason = "a measuring tool prints")]
fn classifier(runtime: &tokio::runtime::Runtime, text: &str, settings: Settings) -> Outcome<()> {
    let rule = "{ id = \"f\", detector = \"fast-guard@1\", on = [\"prompt\", \"response\"], at = 0.9, do = \"flag\", why = \"speed\" },";
    let engine = engine(&[], rule, settings)?;
    for bytes in [600, 60_000] {
        let part = text.get(..text.floor_char_boundary(bytes)).unwrap_or(text);
        let best = best_of(50, || runtime.block_on(screen(&engine, part)))?;
        let each = best.as_secs_f64() * 1e6;
        println!(
            "{each:>8.0} us for {bytes} bytes, fast classifier, queue and thread change included"
        );
    }
    let part = text.get(..text.floor_char_boundary(1_000)).unwrap_or(text);
    let prompt = processor_time(|| runtime.block_on(screen(&engine, part)))?;
    println!("{prompt:>8.1} us of processor time for a prompt of 1,000 bytes, fast classifier");
    for size in [1_000, 100, 24] {
        let answer = processor_time(|| runtime.block_on(stream(&engine, part, size)))?;
        println!("{answer:>8.1} us for an answer of 1,000 bytes in chunks of {size}");
    }
    Ok(())
}

/// Processor time of all threads for one call, in microseconds: the least of a few rounds of many calls.
fn processor_time(mut run: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    const CALLS: u32 = 3_000;
    let mut best = f64::MAX;
    for _ in 0..3 {
        let begun = processor_ticks()?;
        for _ in 0..CALLS {
            run()?;
        }
        let micros = (processor_ticks()? - begun) * 1e6 / TICKS_PER_SECOND;
        best = best.min(micros / f64::from(CALLS));
    }
    Ok(best)
}

/// What this process has used so far (proc_pid_stat(5), fields 14 and 15).
fn processor_ticks() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let used = after_name.split_whitespace().skip(11).take(2);
    Ok(used.filter_map(|ticks| ticks.parse::<f64>().ok()).sum())
}

/// `USER_HZ`, the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

fn engine(detectors: &[&str], more: &str, settings: Settings) -> Outcome<Engine> {
    let rules = detectors.iter().map(|detector| {
        format!("{{ id = \"{detector}\", detector = \"{detector}@1\", on = [\"prompt\", \"response\"], do = \"redact\", why = \"speed\" }},")
    });
    let patterns = "[pattern.words]\nentry = [{ id = \"drop\", regex = '(?i)\\bdrop\\s{1,8}table\\b' }, { id = \"rm\", regex = '\\brm -rf' }]\n";
    let text = format!(
        "[profile.speed]\nunread = [\"tool-result\"]\nrule = [{}{more}]\n{patterns}",
        rules.collect::<String>()
    );
    let profiles = vec![ProfileFile {
        path: "speed.toml".into(),
        text,
    }];
    let engine = Engine::load(Settings {
        profiles,
        ..settings
    });
    engine.map_err(|problems| {
        problems
            .iter()
            .map(|problem| format!("{problem}\n"))
            .collect::<String>()
            .into()
    })
}

fn far() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(60)
}

async fn screen(engine: &Engine, text: &str) -> Outcome<()> {
    let span = Span {
        origin: Origin::User,
        path: String::new(),
        text,
    };
    let _ = engine
        .screen("speed", Stage::Prompt, &[span], far())
        .await?;
    Ok(())
}

async fn stream(engine: &Engine, text: &str, size: usize) -> Outcome<()> {
    let channel = Channel {
        choice: 0,
        field: Field::Content,
    };
    let mut screen = engine.stream("speed")?;
    let mut rest = text;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(rest.ceil_char_boundary(size));
        let _released = screen
            .push(channel, chunk, far())
            .await
            .map_err(|stopped| format!("{:?}", stopped.reason))?;
        rest = after;
    }
    let _released = screen
        .finish(channel, far())
        .await
        .map_err(|stopped| format!("{:?}", stopped.reason))?;
    Ok(())
}

fn best_of(rounds: u32, mut run: impl FnMut() -> Outcome<()>) -> Outcome<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..rounds {
        let begun = Instant::now();
        run()?;
        best = best.min(begun.elapsed());
    }
    Ok(best)
}

fn megabytes_per_second(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64()
}

/// Plain office prose with the things that make scanners look twice: numbers, capitals, addresses of pages, code.
const CLEAN: &str = "The Office of Benefits received 1,204 applications in March, of which 87 % were decided within 30 days \
(see table 4-2). Applicants who ask for a review under section 552a(d) of title 5 are told in writing; a token of \
good will is not a decision. On 14 April 2025 the regional desk in Denver reported that its password reset page, \
https://help.example.gov/reset?step=2, had been slow since 09:30.\n\nPlease summarise the attached minutes in three \
points, keep the names of the programmes, and say which of the open questions are for the Secretary. If a figure is \
missing, write \"not stated\" rather than guessing. Key dates: 2025-05-01 (draft), 2025-05-15 (comments), 2025-06-02.\n\n\
fn total(items: &[Item]) -> u64 { items.iter().map(|item| item.price * item.count).sum() } // cents, never floats\n\n";
