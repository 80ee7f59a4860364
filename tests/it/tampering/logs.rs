//! Real logs to tamper with, written through the crate's public face: several tiles, sealed bodies, three lives, a crash
//! in between, and one that ended in a crash with a tail that nobody signed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use audit::{
    Body, Check, Clock as _, CredentialKind, Digest, Direction, DiskStorage, FieldPattern, Intent,
    Log, Name, Op, Origin, Outcome, OutcomeStatus, Pending, PolicyRef, Recipient, Recipients,
    Refusal, RefusalKind, RequestId, Sealer, Settings, Signer, Source, Stage, SystemClock, Text,
    Tokens, Verdict, Who,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use tests::until;
use tokio::task::JoinSet;

use super::forge;

pub(super) const ORIGIN: &str = "gw1.agency.example/audit";
pub(super) const OTHER: &str = "gw2.agency.example/audit";

/// How a log was left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Image {
    /// Closed in order after its first life.
    Older,
    /// The same log, two lives later (one of them crashed), closed in order.
    Closed,
    /// From `Older`, another second life than the one that `Closed` has: a fork.
    Forked,
    /// From `Closed`, another life, ended by a crash: several segments that nobody signed, and intents that are open.
    Crashed,
}

/// One key, and what it signed.
pub(super) struct Logs {
    folder: tempfile::TempDir,
    /// Every half of the key, in the spelling of signed notes.
    pub(super) vkey: String,
    pub(super) secret: String,
    recipients: Recipients,
}

impl Logs {
    pub(super) async fn write() -> Logs {
        let folder = tempfile::tempdir().unwrap();
        let origin = Origin::new(ORIGIN).unwrap();
        let signer = Signer::create(origin, &folder.path().join("key")).unwrap();
        let vkey = signer.verify_key().to_string();
        let secret = secret(ORIGIN, &vkey, &folder.path().join("key"));
        let logs = Logs {
            recipients: recipients(folder.path()),
            folder,
            vkey,
            secret,
        };

        let log = logs.open("log", Duration::from_millis(20));
        let _none = live(&log, 0..40, 100, 0).await;
        log.close().await;
        logs.keep("log", Image::Older);

        let log = logs.open("log", Duration::from_millis(20));
        let open = live(&log, 1000..1200, 100, 3).await;
        until("everything to be signed", || {
            log.status().checkpoint_size == log.status().tree_size
        })
        .await;
        copy(&logs.path("log"), &logs.path("survivor")); // the machine stops here
        drop(open);
        log.close().await;

        let log = logs.open("survivor", Duration::from_millis(20));
        let _none = live(&log, 2000..2200, 100, 0).await;
        log.close().await;
        logs.keep("survivor", Image::Closed);

        copy(&logs.image(Image::Older), &logs.path("fork"));
        let log = logs.open("fork", Duration::from_millis(20));
        let _none = live(&log, 3000..3020, 100, 0).await;
        log.close().await;
        logs.keep("fork", Image::Forked);

        // It signs when a third segment is begun, and otherwise not for an hour: here, after the first two. The copy
        // counts if nothing was signed meanwhile.
        let log = logs.open("survivor", Duration::from_secs(3600));
        let image = logs.image(Image::Crashed);
        let tail = |dir: &Path| {
            forge::segments(dir)
                .get(1)
                .map_or(0, forge::Segment::commits)
        };
        let signed = || log.status().checkpoint_size;
        let (first, mut next) = (signed(), 4000);
        let open = loop {
            assert!(next < 8000, "the log signs sooner than it did");
            let open = live(&log, next..next + 6, 6000, 2).await;
            next += 6;
            if signed() == first || tail(&logs.path("survivor")) < 3 {
                continue;
            }
            let before = signed();
            logs.keep("survivor", Image::Crashed);
            if tail(&image) >= 3 && signed() == before {
                break open;
            }
            std::fs::remove_dir_all(&image).unwrap();
        };
        drop(open);
        log.close().await;
        logs
    }

    pub(super) fn image(&self, image: Image) -> PathBuf {
        self.path(&format!("{image:?}"))
    }

    /// The image's checkpoint, as somebody keeps it elsewhere.
    pub(super) fn kept(&self, image: Image) -> PathBuf {
        self.image(image).join("checkpoint")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn keep(&self, name: &str, image: Image) {
        copy(&self.path(name), &self.image(image));
    }

    fn open(&self, name: &str, checkpoint_every: Duration) -> Log {
        let origin = Origin::new(ORIGIN).unwrap();
        let dir = self.path(name);
        let settings = Settings {
            queue_max: 64,
            segment_bytes: 256 * 1024,
            commit_timeout: Duration::from_secs(30),
            checkpoint_every,
            ..Settings::new(dir.clone(), origin.clone())
        };
        let signer = Signer::load(origin, &self.path("key")).unwrap();
        let storage = Arc::new(DiskStorage::new(&dir).unwrap());
        let sealer = Sealer::new(self.recipients.clone());
        Log::open(settings, storage, signer, sealer, Arc::new(SystemClock))
            .unwrap()
            .0
    }
}

/// The signing key in the spelling of signed notes, for this name: the last 32 bytes of its file are the seed.
fn secret(name: &str, vkey: &str, file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let digits: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let der = BASE64.decode(digits).unwrap();
    let seed = [&[1], &der[16..48]].concat();
    let id = vkey.split('+').nth(1).unwrap();
    format!("PRIVATE+KEY+{name}+{id}+{}", BASE64.encode(seed))
}

/// Both halves of the same key under another name.
pub(super) fn renamed(name: &str, vkey: &str, secret: &str) -> (String, String) {
    let public = vkey.splitn(3, '+').nth(2).unwrap();
    let id = signed_note::key_id(name, &BASE64.decode(public).unwrap());
    let seed = secret.splitn(5, '+').nth(4).unwrap();
    (
        format!("{name}+{id:08x}+{public}"),
        format!("PRIVATE+KEY+{name}+{id:08x}+{seed}"),
    )
}

/// Copies a folder. What goes away meanwhile, as spare segments do, was not needed.
pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from)
        .into_iter()
        .flatten()
        .map(Result::unwrap)
    {
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => match std::fs::copy(entry.path(), to.join(entry.file_name())) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                copied => drop(copied.unwrap()),
            },
        }
    }
}

/// Requests, four at a time (the segments are small), each with two bodies; every fourth is refused. The last `open` have
/// no outcome yet.
async fn live(
    log: &Log,
    requests: std::ops::Range<u64>,
    body_bytes: usize,
    open: u64,
) -> Vec<Pending> {
    let mut pending = Vec::new();
    let mut tasks = JoinSet::new();
    let done = requests.end - open;
    for n in requests.clone() {
        if tasks.len() == 4 {
            tasks.join_next().await.unwrap().unwrap();
        }
        let log = log.clone();
        if n < done {
            tasks.spawn(async move { request(&log, n, body_bytes).await });
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    for n in done..requests.end {
        let reserved = log.reserve().await.unwrap();
        pending.push(
            reserved
                .intent(intent(n), bodies(Direction::Request, body_bytes))
                .await
                .unwrap()
                .1,
        );
    }
    pending
}

async fn request(log: &Log, n: u64, body_bytes: usize) {
    let reserved = log.reserve().await.unwrap();
    if n.is_multiple_of(4) {
        let _receipt = reserved.refuse(refusal(n), Vec::new()).await.unwrap();
        return;
    }
    let (_receipt, duty) = reserved
        .intent(intent(n), bodies(Direction::Request, body_bytes))
        .await
        .unwrap();
    let _receipt = duty
        .outcome(outcome(n), bodies(Direction::Response, body_bytes))
        .await
        .unwrap();
}

/// Digits hardly compress, as far as the count of bytes goes.
fn bodies(direction: Direction, bytes: usize) -> Vec<Body<'static>> {
    let digits = (0_u64..).map(|n| (n * n * 2_654_435_761 % 1_000_003).to_string());
    let text = Text {
        at: "messages[0].content".into(),
        text: digits
            .flat_map(String::into_bytes)
            .map(char::from)
            .take(bytes)
            .collect(),
    };
    vec![Body::new(direction, vec![text])]
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn req(n: u64) -> RequestId {
    let [.., a, b] = n.to_be_bytes();
    RequestId::v7(1_790_000_000_000 + n, [0, 0, 0, 0, 0, 0, 0, 0, a, b])
}

/// Throw-away certificates to seal to.
fn recipients(folder: &Path) -> Recipients {
    let certs = folder.join("certs");
    gateway::certs::dev(&certs, &[]).unwrap();
    let now = SystemClock.now();
    let load = |name: &str| Recipient::load(&certs.join(name), now).unwrap();
    Recipients::new(load("recovery.pem"), [load("officer.pem")]).unwrap()
}

fn source() -> Source {
    Source {
        ip: "10.0.0.7".parse().unwrap(),
        port: 53211,
        listener: name("data"),
    }
}

fn who() -> Who {
    Who {
        principal: name("svc:payroll"),
        tenant: name("agency/office/mission"),
        credential: CredentialKind::ApiKey,
        on_behalf_of: Some(name("oidc:alice@agency.example")),
    }
}

fn policy() -> PolicyRef {
    PolicyRef {
        digest: Digest([7; 32]),
        rule: name("allow-payroll"),
        file: name("tenants/agency/rules.csv"),
        line: 12,
        profile: name("default"),
        purpose: Some(name("payroll-assist")),
        authority: None,
        nearest: false,
    }
}

fn check() -> Check {
    Check {
        detectors: vec![name("pii@1")],
        stage: Stage::Prompt,
        strict: false,
        fields: vec![(FieldPattern::new("messages[].content").unwrap(), 3)],
        bytes: 1_024,
        us: 18,
        verdict: Verdict::Pass,
        action: audit::Action::Allow,
        hits: Vec::new(),
        more: 0,
        scores: Vec::new(),
    }
}

fn intent(n: u64) -> Intent {
    Intent {
        req: req(n),
        op: Op::ChatCompletions,
        stream: true,
        src: source(),
        who: who(),
        model: name("llama-3.3-70b"),
        backend: name("vllm-a"),
        policy: policy(),
        label: name("CUI"),
        checks: vec![check()],
        dropped: 0,
    }
}

fn outcome(n: u64) -> Outcome {
    Outcome {
        http: 200,
        finish: vec![name("stop")],
        tokens: Some(Tokens {
            input: 120,
            output: 300,
            estimated: false,
        }),
        ms_total: 812,
        ms_first_byte: Some(90),
        released_bytes: 1_300,
        ..Outcome::bare(req(n), audit::EntryIndex(0), OutcomeStatus::Completed)
    }
}

fn refusal(n: u64) -> Refusal {
    Refusal {
        kind: RefusalKind::Deny,
        req: req(n),
        op: Op::ChatCompletions,
        src: source(),
        who: Some(who()),
        model: None,
        http: 403,
        code: name("access_denied"),
        stage: name("authorize"),
        reason: None,
        policy: Some(policy()),
        purpose: None,
        label: None,
        authority: None,
        checks: Vec::new(),
        dropped: 1,
    }
}
