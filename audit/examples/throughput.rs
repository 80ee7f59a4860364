//! How many durable entries a second, and how long each takes.
//!
//! ```text
//! cargo run --release -p audit --example throughput -- DIR [SECONDS] [BODY_BYTES] [IN_FLIGHT…]
//! ```
//!
//! Closed loop on one thread: as many callers as asked for, each records an intent, then its
//! outcome, then the next. DIR must not hold a log yet; each line makes one below it and verifies
//! it at the end. Flushes are counted and timed by the log itself (fdatasync alone).

use std::error::Error;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit::{
    Action, Body, Check, CredentialKind, Digest, Direction, DiskStorage, EntryIndex, FieldPattern,
    Intent, Log, Name, Op, Opener, Origin, Outcome, OutcomeStatus, PolicyRef, RequestId, Sealer,
    Settings, Signer, Source, Stage, SystemClock, Tokens, Verdict, VerifyOptions, Who,
};
use tokio::task::JoinSet;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(
        arguments
            .next()
            .ok_or("usage: throughput DIR [SECONDS] [BODY_BYTES] [IN_FLIGHT…]")?,
    );
    let seconds = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let body_bytes = arguments.next().map_or(Ok(0), |text| text.parse())?;
    let mut in_flight = arguments
        .map(|text| text.parse())
        .collect::<std::result::Result<Vec<usize>, _>>()?;
    if in_flight.is_empty() {
        in_flight = vec![1, 64, 256];
    }
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "in flight  entries/s   p50 ms   p99 ms  flushes  per entry  mean flush ms  flushes of wait p50   CPU µs/entry"
    )?;
    for callers in in_flight {
        let run = run(
            &dir.join(callers.to_string()),
            callers,
            Duration::from_secs(seconds),
            body_bytes,
        )?;
        writeln!(out, "{run}")?;
    }
    Ok(())
}

fn run(dir: &Path, callers: usize, duration: Duration, body_bytes: usize) -> Result<String> {
    let origin = Origin::new("gw1.agency.example/audit").ok_or("origin")?;
    let (signer, opener) = (Signer::generate(origin.clone())?, Opener::generate()?);
    let key = signer.verify_key();
    let settings = Settings::new(dir.to_owned(), origin);
    let storage = Arc::new(DiskStorage::new(dir)?);
    let (log, _) = Log::open(
        settings,
        storage,
        signer,
        Sealer::new(opener.recipient()),
        Arc::new(SystemClock),
    )?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let (begun, cpu, before) = (Instant::now(), cpu_time()?, log.status());
    let mut waits = runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for caller in 0..callers {
            tasks.spawn(call(
                log.clone(),
                caller as u64,
                begun + duration,
                body_bytes,
            ));
        }
        let mut waits = Vec::new();
        while let Some(task) = tasks.join_next().await {
            waits.extend(task??);
        }
        Ok::<_, Box<dyn Error + Send + Sync>>(waits)
    })?;
    let (elapsed, cpu, status) = (begun.elapsed(), cpu_time()? - cpu, log.status());
    log.close_blocking();
    let verifying = Instant::now();
    let proof = audit::verify(
        dir,
        VerifyOptions {
            vkey: Some(key),
            ..VerifyOptions::default()
        },
    )?;
    let verified = proof.size as f64 / verifying.elapsed().as_secs_f64();
    waits.sort_unstable();
    let at = |share: f64| {
        waits
            .get((waits.len() as f64 * share) as usize)
            .map_or(0.0, |wait| wait.as_secs_f64() * 1e3)
    };
    let (entries, flushes) = (waits.len() as f64, status.flushes - before.flushes);
    let mean = status.mean_flush.as_secs_f64() * 1e3;
    Ok(format!(
        "{callers:9}  {:9.0}  {:7.2}  {:7.2}  {flushes:7}  {:9.4}  {mean:13.2}  {:19.2}  {:13.1}   verified at {verified:.0}/s",
        entries / elapsed.as_secs_f64(),
        at(0.5),
        at(0.99),
        flushes as f64 / entries,
        at(0.5) / mean,
        cpu.as_secs_f64() * 1e6 / entries,
    ))
}

/// One caller: how long each of its entries took to become durable.
async fn call(log: Log, caller: u64, until: Instant, body_bytes: usize) -> Result<Vec<Duration>> {
    let mut waits = Vec::new();
    while Instant::now() < until {
        let req = request(caller, waits.len() as u64);
        let begun = Instant::now();
        let (_receipt, pending) = log
            .reserve()
            .await?
            .intent(intent(req)?, body(Direction::Request, body_bytes))
            .await?;
        waits.push(begun.elapsed());
        let begun = Instant::now();
        let _receipt = pending
            .outcome(outcome(req)?, body(Direction::Response, body_bytes))
            .await?;
        waits.push(begun.elapsed());
    }
    Ok(waits)
}

fn body(direction: Direction, bytes: usize) -> Vec<Body> {
    match bytes {
        0 => Vec::new(),
        _ => vec![Body {
            direction,
            plaintext: vec![b'x'; bytes],
        }],
    }
}

fn request(caller: u64, n: u64) -> RequestId {
    let mut random = [0; 10];
    random
        .iter_mut()
        .zip(
            [caller.to_be_bytes(), n.to_be_bytes()]
                .concat()
                .into_iter()
                .skip(6),
        )
        .for_each(|(to, from)| *to = from);
    RequestId::v7(1_790_000_000_000 + n, random)
}

fn name(text: &str) -> Result<Name> {
    Name::new(text).ok_or_else(|| format!("{text} is not a name").into())
}

/// What the gateway writes for an ordinary request: four detectors, nothing found.
fn checks(stage: Stage) -> Result<Vec<Check>> {
    let field = FieldPattern::new("messages[].content").ok_or("pattern")?;
    ["pii", "secret", "unicode", "prompt-attack"]
        .into_iter()
        .map(|detector| {
            Ok(Check {
                detector: name(detector)?,
                version: 1,
                digest: Some(Digest([9; 32]).short()),
                stage,
                fields: vec![(field.clone(), 3)],
                bytes: 1_024,
                us: 18,
                verdict: Verdict::Pass,
                action: Action::Allow,
                hits: Vec::new(),
                more: 0,
            })
        })
        .collect()
}

fn intent(req: RequestId) -> Result<Intent> {
    Ok(Intent {
        req,
        op: Op::ChatCompletions,
        stream: true,
        src: Source {
            ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7)),
            port: 53_211,
            listener: name("data")?,
        },
        who: Who {
            principal: name("svc:payroll")?,
            tenant: name("agency/office/mission")?,
            credential: CredentialKind::ApiKey,
            on_behalf_of: None,
        },
        model: name("llama-3.3-70b")?,
        backend: name("vllm-a")?,
        policy: PolicyRef {
            digest: Digest([7; 32]),
            rule: name("allow-payroll")?,
            file: name("tenants/agency/rules.csv")?,
            line: 12,
            profile: name("default")?,
            purpose: None,
        },
        label: name("CUI")?,
        checks: checks(Stage::Prompt)?,
        dropped: 0,
    })
}

fn outcome(req: RequestId) -> Result<Outcome> {
    Ok(Outcome {
        http: 200,
        finish: vec![name("stop")?],
        tokens: Some(Tokens {
            input: 120,
            output: 300,
            estimated: false,
        }),
        checks: checks(Stage::Answer)?,
        ms_total: 812,
        ms_first_byte: Some(90),
        released_bytes: 1_300,
        ..Outcome::bare(req, EntryIndex(0), OutcomeStatus::Completed)
    })
}

/// User and system time of this process, from `/proc/self/stat` (hundredths of a second).
fn cpu_time() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks: u64 = fields
        .iter()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().unwrap_or(0))
        .sum();
    Ok(Duration::from_millis(ticks * 10))
}
