//! Sending without a permit, a clearance and a receipt does not compile.

#[test]
fn an_unchecked_path_does_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("it/proofs/*.rs");
}
