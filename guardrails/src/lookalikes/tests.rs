use proptest::prelude::*;

use super::*;
use crate::canon::tests::tricky;

fn read(text: &str) -> String {
    let mut read = String::new();
    for c in text.chars() {
        match fold(c) {
            Fold::Keep => read.push(c),
            Fold::Drop => {}
            Fold::To(one) => read.push(one),
            Fold::Two(one, two) => read.extend([one, two]),
        }
    }
    read
}

#[test]
fn letters_are_read_as_what_they_look_like() {
    // Cyrillic, Greek, Cherokee, Lisu, Armenian.
    assert_eq!(read("АВЕІКМНОРЅТХ аеорсухі"), "ABEIKMHOPSTX aeopcyxi");
    assert_eq!(read("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"), "ABEZHIKMNOPTYX");
    assert_eq!(read("ᎪᏴᏟ ꓐꓑꓓ օ"), "ABC BPD o");
    assert_eq!(
        read("𝐀𝑏𝒞𝔡𝔼𝖋𝗚𝘩𝙄𝚓 ⒶⓑⒸ ⒜ 🄰🅐🅰 🇦🇧 ᴬ ℌ ﬁ Ⅷ"),
        "AbCdEfGhIj AbC a AAA AB A H fi Ⅷ"
    );
    assert_eq!(read("É ñ ü ễ Ž e\u{301}"), "E n u e Z e");
    assert_eq!(read("①② ² ₃ ⑴"), "12 2 3 1");
    assert_eq!(read("АКІА"), "AKIA");
}

#[test]
fn what_looks_like_nothing_in_ascii_stays() {
    assert_eq!(read("日本 жщ 😀 ß"), "日本 жщ 😀 ß");
}

#[test]
fn only_words_that_mix_or_pretend_are_disguised() {
    for plain in [
        "Привет, мир",
        "рука оса",
        "café naïve Žižek",
        "5 m² и 3 кг",
        "ﬁne ①",
        "日本語",
        "π r²",
        "plain",
    ] {
        assert!(!disguises(plain), "{plain}");
    }
    for disguised in ["іgnоrе", "p\u{430}ypal", "𝐢𝐠𝐧𝐨𝐫𝐞", "🅘🅖🅝🅞🅡🅔", "Ⓘgnore"]
    {
        assert!(disguises(disguised), "{disguised}");
    }
}

#[test]
fn ascii_stays_as_it_is() {
    for code in 0..0x80_u8 {
        assert_eq!(fold(char::from(code)), Fold::Keep);
    }
}

#[test]
fn the_table_says_what_is_computed_and_nothing_grows() {
    for c in (0..=0x2_0000)
        .chain(0xE0000..0xE0200)
        .filter_map(char::from_u32)
    {
        let folded = fold(c);
        assert_eq!(folded, computed(c), "{c:?}");
        let length = match folded {
            Fold::Keep => c.len_utf8(),
            Fold::Drop => 0,
            Fold::To(_) => 1,
            Fold::Two(..) => 2,
        };
        assert!(folded == Fold::Keep || length < c.len_utf8(), "{c:?}");
    }
}

proptest! {
    #[test]
    fn folding_is_idempotent(text in tricky()) {
        let once = read(&text);
        prop_assert_eq!(read(&once), once);
    }
}
