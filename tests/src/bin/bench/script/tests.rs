use super::*;

#[test]
fn prompt_and_answer_are_about_a_kilobyte() {
    for text in [PROMPT, ANSWER] {
        assert!((900..=1100).contains(&text.len()), "{} bytes", text.len());
    }
}

#[test]
fn the_deltas_say_what_the_document_says() {
    for chunks in [1, 2, 16, 160] {
        let events = events(chunks);
        let texts = events.iter().filter_map(|event| {
            let data: Value =
                serde_json::from_str(event.strip_prefix("data: ")?.trim_end()).ok()?;
            Some(data["choices"][0]["delta"]["content"].as_str()?.to_owned())
        });
        assert_eq!(texts.collect::<String>(), ANSWER, "{chunks} chunks");
        assert!(
            events.len() <= chunks + 3,
            "{} events of {chunks} chunks",
            events.len()
        );
    }
}
