//! Which words lead to which script.

use super::*;

#[test]
fn a_trigger_is_a_whole_word() {
    assert_eq!(said("tell me about personal data"), PLAIN);
    assert_eq!(said("a Person, please"), PERSON);
}

#[test]
fn the_first_trigger_of_the_newest_user_message_decides() {
    assert_eq!(said("secret or person"), SECRET);
    let older = Message::text(Role::User, "secret");
    let newer = Message::text(Role::User, "person");
    assert_eq!(said_to(vec![older, newer]), PERSON);
}

#[test]
fn a_tool_result_ends_the_loop() {
    let asked = Message::text(Role::User, "weather");
    let result = Message::text(Role::Tool, "secret person leak");
    assert_eq!(said_to(vec![asked, result]), CLOSING);
}

#[test]
fn repeat_gives_back_what_arrived() {
    assert_eq!(said("repeat: [REDACTED]"), "repeat: [REDACTED]");
}

fn said(text: &str) -> String {
    said_to(vec![Message::text(Role::User, text)])
}

fn said_to(messages: Vec<Message>) -> String {
    let script = choose(&Chat::new("demo", messages));
    let pieces = script.tracks.into_iter().flat_map(|track| track.pieces);
    let text = |piece| match piece {
        Piece::Text(_, text) => Some(text),
        Piece::CallBegins { .. } | Piece::CallGoesOn(_) => None,
    };
    pieces.filter_map(text).collect()
}
