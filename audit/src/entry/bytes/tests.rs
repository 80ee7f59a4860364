use proptest::prelude::*;

use super::*;
use crate::entry::*;
use crate::fixtures::{check, intent, name, outcome, refusal, request, source, who};

fn body(dir: Direction) -> BodyRef {
    BodyRef {
        dir,
        epoch: Tag([0x90; 8]),
        commit: Digest([0x5c; 32]),
        ct: Digest([0x77; 32]),
        vol: u32::MAX,
        at: u64::MAX,
        len: u64::MAX,
        original: Some(Digest([0x42; 32])),
    }
}

fn stored(entry: Entry) -> StoredEntry {
    StoredEntry {
        ts: 1_790_000_000_000_000_000,
        boot: Tag([0x5b; 8]),
        n: 17,
        cut: 0,
        body: Vec::new(),
        omitted: Vec::new(),
        entry,
    }
}

fn one_of_each() -> Vec<Entry> {
    let digest = Digest([3; 32]);
    let undecided = Refusal {
        kind: RefusalKind::Undecided,
        who: None,
        ..refusal(2)
    };
    vec![
        Entry::Intent(intent(1)),
        Entry::Outcome(outcome(1)),
        Entry::Refusal(refusal(1)),
        Entry::Refusal(undecided),
        Entry::Served(Served {
            req: request(1),
            op: Op::Models,
            src: source(),
            who: who(),
            policy: digest,
            http: 200,
            n: 3,
            judged: None,
        }),
        Entry::Served(Served {
            req: request(2),
            op: Op::Moderations,
            src: source(),
            who: who(),
            policy: digest,
            http: 200,
            n: 1,
            judged: Some(Judged {
                model: name("moderation"),
                policy: intent(1).policy,
                label: name("U"),
                checks: intent(1).checks,
                dropped: 1,
            }),
        }),
        Entry::Event(Event::Start(Start {
            version: name("0.0.0"),
            config: digest,
        })),
        Entry::Event(Event::PolicyLoad(PolicyLoad {
            bundle: name("demo"),
            digest,
            rules: 12,
        })),
        Entry::Event(Event::PolicyRejected(PolicyRejected {
            kept: digest,
            problems: 2,
        })),
        Entry::Event(Event::GuardLoad(GuardLoad {
            detector: name("pii"),
            version: 1,
            digest,
        })),
        Entry::Event(Event::LibraryLoad(LibraryLoad {
            library: name("onnxruntime"),
            digest,
        })),
        Entry::Event(Event::ConnSummary(ConnSummary {
            listener: name("data"),
            reason: name("tls_handshake"),
            prefix: "2001:db8::".parse().expect("an address"),
            bits: 48,
            count: 9,
            seconds: 10,
        })),
        Entry::Event(Event::Review(Review {
            by: name("officer:reyes"),
            act: ReviewAct::Labelled,
            entry: EntryIndex(7),
            verdict: Some(name("false_positive")),
        })),
        Entry::Event(Event::Hold(Hold {
            by: name("officer:reyes"),
            with: Some(name("officer:okafor")),
            act: HoldAct::Released,
            hold: name("foia-2026-114"),
            from: EntryIndex(7),
            to: EntryIndex(9_000),
        })),
        Entry::Event(Event::Export(Export {
            by: name("officer:reyes"),
            from: EntryIndex(0),
            to: EntryIndex(9_000),
            entries: 31,
            bodies: 4,
            digest,
        })),
        Entry::Boot(Boot {
            origin: name("a/b"),
            format: 1,
            found: 0,
            clean: true,
            torn_bytes: 0,
            open: 0,
            previous: Some(Quote {
                origin: name("a/a"),
                size: 9,
                root: digest,
            }),
        }),
        Entry::Event(Event::ShardNext(ShardNext {
            origin: name("a/c"),
            key: digest,
        })),
        Entry::Event(Event::ShardClosed(Quote {
            origin: name("a/a"),
            size: 12,
            root: digest,
        })),
        Entry::Shutdown(Nothing {}),
        Entry::Epoch(Epoch {
            epoch: Tag([1; 8]),
            keyring: digest,
            recipients: vec![digest, digest],
        }),
        Entry::Rewrap(Rewrap {
            epoch: Tag([1; 8]),
            keyring: digest,
            recipients: vec![digest, digest],
        }),
        Entry::Degraded(Degraded {
            reason: Reason::Full,
        }),
        Entry::Restored(Restored {
            reason: Reason::Failed,
            since: 1,
            refused: 2,
            owed: 3,
        }),
        Entry::Late(Late {
            req: request(1),
            outcome: EntryIndex(4),
        }),
        Entry::Heartbeat(Nothing {}),
    ]
}

#[test]
fn every_entry_reads_back_from_its_bytes() {
    for entry in one_of_each() {
        let plain = stored(entry);
        let full = StoredEntry {
            cut: 2,
            body: vec![body(Direction::Request), body(Direction::Response)],
            omitted: vec![Omitted {
                dir: Direction::Response,
                bytes: 9,
            }],
            ..plain.clone()
        };
        for stored in [plain, full] {
            let leaf = stored.compose().expect("bytes");
            assert_eq!(
                parse(&leaf).as_ref(),
                Ok(&stored),
                "{}",
                String::from_utf8_lossy(&leaf)
            );
            let expected = match &stored.entry {
                Entry::Intent(intent) => Peek::Intent(intent.req),
                Entry::Outcome(outcome) => Peek::Outcome(outcome.intent),
                _ => Peek::Other,
            };
            assert_eq!(peek(&leaf), Some(expected));
        }
    }
}

/// A change here is a change of the format: `FORMAT.md` and other people's verifiers follow.
#[test]
fn an_entry_is_spelled_so() {
    let refused = StoredEntry {
        body: vec![BodyRef {
            vol: 0,
            at: 4096,
            len: 345,
            original: None,
            ..body(Direction::Request)
        }],
        ..stored(Entry::Refusal(refusal(1)))
    };
    let leaf = String::from_utf8(refused.compose().expect("bytes")).expect("text");
    let hex = |byte: &str, n: usize| byte.repeat(n);
    assert_eq!(
        leaf,
        [
            r#"{"type":"req.deny","ts":1790000000000000000,"boot":"5b5b5b5b5b5b5b5b","n":17,"#,
            &format!(r#""body":[{{"dir":"request","epoch":"{}","#, hex("90", 8)),
            &format!(r#""commit":"{}","ct":"{}","vol":0,"at":4096,"len":345}}],"#, hex("5c", 32), hex("77", 32)),
            r#""req":"01a0c450-6c00-7000-8000-000000000001","op":"chat_completions","#,
            r#""src":{"ip":"10.0.0.7","port":53211,"listener":"data"},"#,
            r#""who":{"principal":"svc:payroll","tenant":"agency/office/mission","credential":"api_key","#,
            r#""on_behalf_of":"oidc:alice@agency.example"},"#,
            r#""http":403,"code":"access_denied","stage":"authorize","reason":"rule","#,
            &format!(r#""policy":{{"digest":"{}","rule":"allow-payroll","file":"tenants/agency/rules.csv","#, hex("07", 32)),
            r#""line":12,"profile":"default","purpose":"payroll-assist"},"checks":[],"dropped":1}"#,
        ]
        .concat()
    );
}

#[test]
fn only_the_one_form_is_an_entry() {
    let leaf = String::from_utf8(stored(Entry::Outcome(outcome(1))).compose().expect("bytes"))
        .expect("text");
    let reject = |from: &str, to: &str, why| {
        assert!(leaf.contains(from), "{from} in {leaf}");
        assert_eq!(
            parse(leaf.replacen(from, to, 1).as_bytes()),
            Err(why),
            "{from} -> {to}"
        );
    };
    reject("req.outcome", "req.other", NotAnEntry::Type);
    reject("{\"type\"", "{ \"type\"", NotAnEntry::Envelope);
    reject("\"n\":17", "\"n\":017", NotAnEntry::Form);
    reject("\"http\":200", "\"http\": 200", NotAnEntry::Form);
    reject("\"http\":200", "\"http\":200.0", NotAnEntry::Fields);
    reject(
        "\"http\":200",
        "\"http\":200,\"http\":200",
        NotAnEntry::Fields,
    );
    reject(
        "\"http\":200",
        "\"http\":200,\"prompt\":\"hi\"",
        NotAnEntry::Fields,
    );
    reject(
        "\"finish\":[\"stop\"]",
        "\"finish\":[\"st\\u006fp\"]",
        NotAnEntry::Form,
    );
    reject(
        "\"finish\":[\"stop\"]",
        "\"finish\":[\"two words\"]",
        NotAnEntry::Fields,
    );
    reject("\"req\"", "\"cut\":0,\"req\"", NotAnEntry::Form);
    assert_eq!(
        parse(&leaf.as_bytes()[..leaf.len() - 1]),
        Err(NotAnEntry::Fields)
    );
    assert_eq!(
        parse(&[b' '; ENTRY_BYTES_MAX + 1]),
        Err(NotAnEntry::TooLong)
    );
}

#[test]
fn the_widest_envelope_and_references_have_their_room() {
    let widest = StoredEntry {
        ts: u64::MAX,
        n: u64::MAX,
        cut: u32::MAX,
        body: vec![body(Direction::Response); BODIES_MAX],
        omitted: vec![
            Omitted {
                dir: Direction::Response,
                bytes: u64::MAX
            };
            BODIES_MAX
        ],
        ..stored(Entry::Event(Event::PolicyRejected(PolicyRejected {
            kept: Digest([0; 32]),
            problems: 0,
        })))
    };
    let payload = Payload::fit(widest.entry.clone(), usize::MAX).expect("a payload");
    let leaf = widest.compose().expect("bytes");
    assert!(
        leaf.len() <= payload.bytes_with(BODIES_MAX, BODIES_MAX),
        "{}",
        leaf.len()
    );
}

#[test]
fn what_does_not_fit_is_cut_and_counted() {
    let full = |hits: usize, checks: usize| {
        Entry::Outcome(Outcome {
            checks: vec![check(hits); checks],
            ..outcome(1)
        })
    };
    let fitted = |entry, room| {
        let payload = Payload::fit(entry, room).expect("it fits");
        assert!(payload.json.len() <= room);
        let leaf = compose(
            &payload,
            &Envelope {
                ts: 1,
                boot: Tag([0; 8]),
                n: 0,
                body: &[],
                omitted: &[],
            },
        );
        let stored = parse(&leaf).expect("an entry");
        let Entry::Outcome(outcome) = stored.entry else {
            panic!("an outcome")
        };
        (stored.cut, outcome.checks)
    };
    let (cut, checks) = fitted(full(20, 1), usize::MAX);
    assert_eq!(
        (cut, checks[0].hits.len(), checks[0].more),
        (0, HITS_MAX, 4)
    );
    let (cut, checks) = fitted(full(16, 3), 2_000);
    assert_eq!(
        (cut, checks.len(), checks[0].hits.len(), checks[0].more),
        (0, 3, 0, 16)
    );
    let (cut, checks) = fitted(full(16, 50), 2_000);
    assert_eq!((cut, checks.len()), (50, 0));
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_fall_over(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = (parse(&bytes), peek(&bytes));
    }

    /// Whatever parses is exactly what would be written: no two leaves say the same.
    #[test]
    fn no_altered_byte_parses_to_the_same(at in 0usize..900, byte: u8) {
        let original = stored(Entry::Intent(intent(1)));
        let mut leaf = original.compose().expect("bytes");
        if let Some(old) = leaf.get_mut(at) && *old != byte {
            *old = byte;
            prop_assert_ne!(parse(&leaf), Ok(original));
        }
    }
}
