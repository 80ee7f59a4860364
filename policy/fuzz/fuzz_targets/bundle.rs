//! One file of a bundle with any bytes in some place: no panic, every problem lies within its file, and whatever
//! loads decides every principal's requests without a fault: casbin and the typed rows agree, and an explanation tells
//! what is decided.

#![no_main]

use libfuzzer_sys::fuzz_target;
use policy::{Action, Ask, Label, Object, Policy, Refused, UnixTime};

// The first byte picks a file, the next four a stretch of it, and the rest stands in its place.
fuzz_target!(|data: &[u8]| {
    let Some(([which, from, from_low, length, length_low], put)) = data.split_first_chunk() else {
        return;
    };
    let mut files = policy_fuzz::files();
    let nth = usize::from(*which) % files.len();
    let file = &mut files[nth].1;
    let start = usize::from(u16::from_be_bytes([*from, *from_low])) % (file.len() + 1);
    let end = (start + usize::from(u16::from_be_bytes([*length, *length_low]))).min(file.len());
    file.splice(start..end, put.iter().copied());
    let sizes: Vec<usize> = files.iter().map(|(_, bytes)| bytes.len()).collect();
    let loaded = match Policy::from_files(files) {
        Err(problems) => {
            let longest = sizes.into_iter().max().unwrap_or_default();
            for problem in problems {
                assert!(problem.line > 0 && problem.column > 0 && !problem.message.is_empty());
                // Bytes that are no UTF-8 are shown as three.
                assert!(problem.span.start <= 3 * longest && problem.span.end <= 3 * longest + 1);
            }
            return;
        }
        Ok(loaded) => loaded,
    };
    let policy = loaded.policy;
    let data = Label::unclassified();
    for subject in policy.everybody(AT) {
        for object in policy.objects() {
            for zone in policy.zones() {
                let ask = Ask {
                    object,
                    action: match object {
                        Object::Model(_) => Action::Chat,
                        Object::Tool(_) => Action::Tool,
                    },
                    purpose: None,
                    data: &data,
                    zone,
                    at: AT,
                };
                let answer = policy.authorize(&subject, &ask);
                assert!(!matches!(answer, Err(Refused::Undecided(_))), "{answer:?}");
                assert_eq!(policy.explain(&subject, &ask).answer, answer);
            }
        }
    }
    drop(policy.run_cases());
});

/// 2026-11-23 15:00 UTC.
const AT: UnixTime = UnixTime(1_795_446_000);
