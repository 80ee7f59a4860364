//! Labels and banners from anywhere: no panic, what parses prints back, joins dominate.

#![no_main]

use libfuzzer_sys::fuzz_target;
use policy::Label;

fuzz_target!(|text: &str| {
    let parsed = [Label::parse(text), Label::from_banner(text)];
    for label in parsed.iter().flatten() {
        assert_eq!(Label::parse(&label.to_string()).as_ref(), Ok(label));
    }
    if let [Ok(a), Ok(b)] = &parsed {
        assert!(a.join(b).dominates(a) && a.join(b).dominates(b));
    }
});
