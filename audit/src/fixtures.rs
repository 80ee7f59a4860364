//! For tests: entries, small and complete, and a bench with a log on it.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::checkpoint::{Origin, Signer, VerifyKey};
use crate::clock::SystemClock;
use crate::document::{Body, Text};
use crate::entry::*;
use crate::log::Log;
use crate::publisher::CHECKPOINT;
use crate::recover::{OpenError, Recovery};
use crate::seal::{Opener, Recipients, Sealer};
use crate::settings::Settings;
use crate::storage::{DiskStorage, Faults, FaultyStorage, Storage};
use crate::tail::Damage;
use crate::verify::{Proof, VerifyOptions, verify};

pub(crate) fn origin() -> Origin {
    Origin::new("gw1.agency.example/audit").expect("an origin")
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

pub(crate) fn request(n: u64) -> RequestId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    RequestId::v7(1_790_000_000_000, random)
}

pub(crate) fn source() -> Source {
    Source {
        ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7)),
        port: 53211,
        listener: name("data"),
    }
}

pub(crate) fn who() -> Who {
    Who {
        principal: name("svc:payroll"),
        tenant: name("agency/office/mission"),
        credential: CredentialKind::ApiKey,
        on_behalf_of: Some(name("oidc:alice@agency.example")),
    }
}

pub(crate) fn policy() -> PolicyRef {
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

pub(crate) fn check(hits: usize) -> Check {
    let hit = Hit {
        path: FieldPath::new("messages[3].content[0].text").expect("a path"),
        label: name("us_ssn"),
        rule: Some(name("CS-10")),
        score: 9_900,
        threshold: 5_000,
        action: Action::Redact,
        would: None,
        n: 2,
    };
    Check {
        detectors: vec![name("pii@1")],
        stage: Stage::Prompt,
        strict: false,
        fields: vec![(
            FieldPattern::new("messages[].content").expect("a pattern"),
            3,
        )],
        bytes: 1_024,
        us: 18,
        verdict: Verdict::Flag,
        action: Action::Redact,
        hits: vec![hit; hits],
        more: 0,
        scores: Vec::new(),
    }
}

pub(crate) fn intent(n: u64) -> Intent {
    Intent {
        req: request(n),
        op: Op::ChatCompletions,
        stream: true,
        src: source(),
        who: who(),
        model: name("llama-3.3-70b"),
        backend: name("vllm-a"),
        policy: policy(),
        label: name("CUI"),
        checks: vec![check(1)],
        dropped: 0,
    }
}

pub(crate) fn outcome(n: u64) -> Outcome {
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
        ..Outcome::bare(request(n), EntryIndex(0), OutcomeStatus::Completed)
    }
}

pub(crate) fn refusal(n: u64) -> Refusal {
    Refusal {
        kind: RefusalKind::Deny,
        req: request(n),
        op: Op::ChatCompletions,
        src: source(),
        who: Some(who()),
        model: None,
        http: 403,
        code: name("access_denied"),
        stage: name("authorize"),
        reason: Some(name("rule")),
        policy: Some(policy()),
        purpose: None,
        label: None,
        authority: None,
        checks: Vec::new(),
        dropped: 1,
    }
}

/// The throw-away recipients of `vectors/keys`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Holder {
    /// P-384.
    Recovery,
    P256,
    Rsa,
}

pub(crate) const HOLDERS: [Holder; 3] = [Holder::Recovery, Holder::P256, Holder::Rsa];

impl Holder {
    /// The files of private key and certificate.
    pub(crate) fn files(self) -> [PathBuf; 2] {
        let name = match self {
            Holder::Recovery => "recovery",
            Holder::P256 => "officer-p256",
            Holder::Rsa => "officer-rsa",
        };
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/keys");
        [
            folder.join(format!("{name}.key")),
            folder.join(format!("{name}.pem")),
        ]
    }
}

pub(crate) fn opener(holder: Holder) -> Opener {
    let [key, certificate] = holder
        .files()
        .map(|file| std::fs::read_to_string(file).expect("a file"));
    Opener::from_pem(&key, &certificate).expect("a key and its certificate")
}

/// All of them; the recovery recipient first.
pub(crate) fn recipients() -> Recipients {
    let [recovery, officers @ ..] = HOLDERS.map(|holder| opener(holder).recipient());
    Recipients::new(recovery, officers).expect("different ones")
}

/// A folder, the keys, and whatever is needed to open a log there again and again.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
    pub(crate) signer: Signer,
    pub(crate) opener: Opener,
    pub(crate) settings: Settings,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let settings = Settings {
            queue_max: 64,
            segment_bytes: 256 * 1024,
            checkpoint_every: Duration::from_millis(20),
            commit_timeout: Duration::from_millis(300),
            ..Settings::new(folder.path().join("audit"), origin())
        };
        Bench {
            folder,
            signer: Signer::generate(origin()).expect("a key"),
            opener: opener(Holder::Recovery),
            settings,
        }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.settings.dir.clone()
    }

    /// Another folder beside the log's.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn open(&self) -> Log {
        self.try_open(self.disk()).expect("the log opens").0
    }

    /// Opens the log with other recipients than all of them.
    pub(crate) fn open_to(&self, recipients: Recipients) -> Log {
        let opened = self.open_with(self.disk(), Sealer::new(recipients));
        opened.expect("the log opens").0
    }

    pub(crate) fn open_faulty(&self) -> (Log, Faults) {
        let (storage, faults) = FaultyStorage::new(self.disk());
        (
            self.try_open(Arc::new(storage)).expect("the log opens").0,
            faults,
        )
    }

    pub(crate) fn disk(&self) -> Arc<dyn Storage> {
        Arc::new(DiskStorage::new(&self.dir()).expect("a folder"))
    }

    pub(crate) fn try_open(&self, storage: Arc<dyn Storage>) -> Result<(Log, Recovery), OpenError> {
        self.open_with(storage, Sealer::new(recipients()))
    }

    fn open_with(
        &self,
        storage: Arc<dyn Storage>,
        sealer: Sealer,
    ) -> Result<(Log, Recovery), OpenError> {
        Log::open(
            self.settings.clone(),
            storage,
            self.signer.clone(),
            sealer,
            Arc::new(SystemClock),
        )
    }

    /// The log's key, once something is signed: asked for it, a log without a checkpoint is none.
    pub(crate) fn vkey(&self) -> Option<VerifyKey> {
        signed_by(
            &DiskStorage::existing(&self.dir()).ok()?,
            &self.dir(),
            &self.signer,
        )
    }

    pub(crate) fn try_verify(&self) -> Result<Proof, Damage> {
        let options = VerifyOptions {
            vkey: self.vkey(),
            ..VerifyOptions::default()
        };
        verify(&self.dir(), options)
    }

    pub(crate) fn verify(&self) -> Proof {
        self.try_verify()
            .unwrap_or_else(|damage| panic!("{damage}"))
    }

    /// The entries, parsed.
    pub(crate) fn entries(&self) -> Vec<StoredEntry> {
        let entries = crate::entries(&self.dir()).expect("a log");
        entries
            .map(|entry| parse(&entry.expect("an entry").1).expect("an entry"))
            .collect()
    }

    /// How often each type of entry occurs.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.entries()
            .iter()
            .filter(|stored| stored.entry.kind() == kind)
            .count()
    }
}

/// The key to hold a log against, if anything in it is signed yet.
pub(crate) fn signed_by(storage: &dyn Storage, dir: &Path, signer: &Signer) -> Option<VerifyKey> {
    let signed = storage.open(&dir.join(CHECKPOINT)).is_ok();
    signed.then(|| signer.verify_key())
}

/// A body of some bytes that hardly compress, and that shares nothing with others.
pub(crate) fn body(direction: Direction, bytes: usize) -> Vec<Body<'static>> {
    vec![Body::new(
        direction,
        vec![text("messages[0].content", &noise(bytes))],
    )]
}

pub(crate) fn text(at: &str, text: &str) -> Text<'static> {
    Text {
        at: at.to_owned().into(),
        text: text.to_owned().into(),
    }
}

pub(crate) fn noise(bytes: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'#' + (state % 64) as u8)
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

/// Waits, without a fixed time, until something holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "waited in vain until {what}"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
