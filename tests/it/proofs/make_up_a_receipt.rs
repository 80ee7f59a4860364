fn invent() -> audit::Receipt {
    audit::Receipt { index: audit::EntryIndex(7), leaf: [0; 32] }
}

fn main() {}
