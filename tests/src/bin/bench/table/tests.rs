use super::*;

fn table() -> Table {
    let mut table = Table::new(1, &["variant", "µs"]);
    table.row(vec!["off".to_owned(), "9".to_owned()]);
    table.row(vec!["on".to_owned(), "123".to_owned()]);
    table
}

#[test]
fn words_stand_left_and_numbers_right() {
    assert_eq!(
        table().aligned(),
        "variant   µs\noff        9\non       123\n"
    );
}

#[test]
fn markdown_says_the_same() {
    assert_eq!(
        table().markdown(),
        "| variant | µs |\n|---|--:|\n| off | 9 |\n| on | 123 |\n"
    );
}
