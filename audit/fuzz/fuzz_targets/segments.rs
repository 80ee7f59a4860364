//! Recovery's reading of a write-ahead log: never panics, and what it accepts is dense. The first
//! byte of the input says whether the checksums are set right first (else the fuzzer would hardly
//! get past them); the next two say where the first segment ends and the second begins.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&[repair, high, low], bytes)) = input.split_first_chunk() else {
        return;
    };
    let cut = usize::from(u16::from_be_bytes([high, low])).min(bytes.len());
    let (first, second) = bytes.split_at(cut);
    let mut segments = [first.to_vec(), second.to_vec()];
    if repair % 2 == 1 {
        segments.iter_mut().for_each(|segment| audit::fuzzing::set_checksums(segment));
    }
    audit::fuzzing::replay(&segments);
});
