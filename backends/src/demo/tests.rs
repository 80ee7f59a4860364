//! The demo keeps the contract of a real server.

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::answer::TextField;
use crate::chat::{Message, Role};

#[tokio::test(start_paused = true)]
async fn the_plain_answer_says_that_it_is_a_script() {
    let events = play(asking("good morning")).await;
    assert!(content(&events, 0).contains("a script, not a model"));
    assert!(events.len() > 10, "several chunks");
}

#[tokio::test]
async fn texts_that_share_words_are_near_each_other() {
    let embed = Embed {
        model: "demo".to_owned(),
        input: [
            "the office opens",
            "when the office opens",
            "sheep graze",
            "",
        ]
        .map(str::to_owned)
        .to_vec(),
        dimensions: Some(128),
    };
    let demo = Demo::new("demo");
    let embedded = demo.embed(embed, Instant::now()).await.unwrap();
    let [one, two, other, none] = &embedded.vectors[..] else {
        panic!("one for each: {embedded:?}");
    };
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    assert_eq!((one.len(), none.iter().sum::<f32>()), (128, 0.0));
    assert!((dot(one, one) - 1.0).abs() < 1e-5);
    assert!(dot(one, two) > 0.5 && dot(one, other) < 0.5);
    assert_eq!(embedded.usage.input, 9);
}

#[tokio::test]
async fn its_tokens_are_words() {
    let demo = Demo::new("demo");
    let counted = demo.count(asking("good morning"), Instant::now());
    let expected = Usage {
        input: 2,
        output: 0,
        estimated: false,
    };
    assert_eq!(counted.await, Ok(expected));
}

#[tokio::test(start_paused = true)]
async fn plain_and_streamed_answers_are_the_same() {
    for word in ["hello", "weather", "leak", "unicode", "nothing"] {
        let streamed = Chat {
            stream: true,
            ..asking(word)
        };
        assert_eq!(play(asking(word)).await, play(streamed).await, "{word}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_choice_finishes_and_usage_comes_last() {
    let mut chat = asking("person");
    chat.sampling.n = 3;
    let events = play(chat).await;
    let finishes = events
        .iter()
        .filter(|event| matches!(event, Event::Finish { .. }));
    assert_eq!(finishes.count(), 3);
    assert!(matches!(
        events.last(),
        Some(Event::Usage(Usage {
            estimated: false,
            ..
        }))
    ));
}

#[tokio::test(start_paused = true)]
async fn the_second_choice_leaks_when_there_are_two() {
    let mut chat = asking("please leak");
    chat.sampling.n = 2;
    let events = play(chat).await;
    assert!(!content(&events, 0).contains("AKIA"));
    assert!(content(&events, 1).contains("AKIAIOSFODNN7EXAMPLE"));
}

#[tokio::test(start_paused = true)]
async fn the_key_can_leak_in_the_reasoning_the_refusal_and_the_arguments() {
    let reasoning = play(asking("leak it in your reasoning")).await;
    assert!(joined(&reasoning, 0, TextField::Reasoning).contains("AKIAIOSFODNN7EXAMPLE"));
    let refusal = play(asking("leak it in a refusal")).await;
    assert!(joined(&refusal, 0, TextField::Refusal).contains("AKIAIOSFODNN7EXAMPLE"));
    let arguments = play(asking("leak it in the arguments")).await;
    assert!(arguments_of(&arguments).contains("AKIAIOSFODNN7EXAMPLE"));
}

#[tokio::test(start_paused = true)]
async fn erase_calls_run_sql_in_fragments() {
    let events = play(asking("erase it all")).await;
    assert_eq!(
        arguments_of(&events),
        r#"{"query":"DROP TABLE benefits; --"}"#
    );
    assert!(events.iter().any(|event| matches!(
        event,
        Event::ToolCall { name: Some(name), .. } if name == "run_sql"
    )));
    assert!(events.contains(&Event::Finish {
        choice: 0,
        reason: FinishReason::ToolCalls
    }));
}

#[tokio::test(start_paused = true)]
async fn a_token_limit_ends_with_length() {
    let mut chat = asking("forever");
    chat.sampling.max_tokens = Some(5);
    let events = play(chat).await;
    assert_eq!(events.len(), 5 + 2);
    assert!(events.contains(&Event::Finish {
        choice: 0,
        reason: FinishReason::Length
    }));
}

#[tokio::test(start_paused = true)]
async fn forever_ends_at_the_deadline() {
    let deadline = Instant::now() + Duration::from_secs(3);
    let mut answer = Demo::new("demo")
        .send(asking("forever"), deadline)
        .await
        .unwrap();
    let failure = loop {
        match answer.next().await.expect("no proof of an end") {
            Ok(_) => {}
            Err(error) => break error.failure().clone(),
        }
    };
    assert_eq!(failure, Failure::Timeout(Clock::Whole));
    assert_eq!(Instant::now(), deadline);
}

#[tokio::test(start_paused = true)]
async fn faults_on_demand() {
    let deadline = Instant::now() + Duration::from_secs(600);
    let demo = Demo::new("demo");
    let down = demo.send(asking("upstream-down"), deadline).await;
    assert!(matches!(
        down.unwrap_err().failure(),
        Failure::Status { status: 503, .. }
    ));
    let silent = demo.send(asking("upstream-silent"), deadline).await;
    assert_eq!(
        silent.unwrap_err().failure(),
        &Failure::Timeout(Clock::FirstByte)
    );
    let mut cut = demo.send(asking("upstream-cut"), deadline).await.unwrap();
    let failure = loop {
        match cut.next().await.expect("no proof of an end") {
            Ok(_) => {}
            Err(error) => break error.failure().clone(),
        }
    };
    assert_eq!(failure, Failure::Incomplete);
}

fn asking(text: &str) -> Chat {
    Chat::new("demo", vec![Message::text(Role::User, text)])
}

async fn play(chat: Chat) -> Vec<Event> {
    let deadline = Instant::now() + Duration::from_secs(600);
    let mut answer = Demo::new("demo").send(chat, deadline).await.unwrap();
    let mut events = Vec::new();
    while let Some(event) = answer.next().await {
        events.push(event.unwrap());
    }
    events
}

fn content(events: &[Event], choice: u32) -> String {
    joined(events, choice, TextField::Content)
}

fn joined(events: &[Event], wanted: u32, wanted_field: TextField) -> String {
    let text = |event: &Event| match event {
        Event::Text {
            choice,
            field,
            text,
        } if *choice == wanted && *field == wanted_field => Some(text.clone()),
        _ => None,
    };
    events.iter().filter_map(text).collect()
}

fn arguments_of(events: &[Event]) -> String {
    let piece = |event: &Event| match event {
        Event::ToolCall { arguments, .. } => Some(arguments.clone()),
        _ => None,
    };
    events.iter().filter_map(piece).collect()
}
