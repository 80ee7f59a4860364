//! The public conformance suite, case by case, on a gateway that it knows only by its URL; and on no gateway at all, where
//! every case must find its gap.

use std::net::SocketAddr;
use std::sync::Arc;

use conformance::{Case, How, Model, Outcome, Ran, Suite, Target, Trouble};
use tests::{TestGateway, TestGatewayBuilder, repository};

use crate::guard_fails::{self, Switch};

const ME: &str = "svc:benefits-app";
const MODEL: &str = "llama-3.3-70b";
/// The key of the AWS documentation: the demo policies mask it both ways.
const FORBIDDEN: &str = "AKIAIOSFODNN7EXAMPLE";

macro_rules! cases {
    ($($name:ident,)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                holds(stringify!($name)).await;
            }
        )*

        #[test]
        fn every_case_of_the_catalogue_is_a_test() {
            let tested = [$(stringify!($name)),*].map(|name| name.replace('_', "-"));
            let cases: Vec<_> = conformance::all().iter().map(|case| case.name).collect();
            assert_eq!(tested.to_vec(), cases);
        }
    };
}

cases! {
    streaming_skips_the_guard,
    earlier_messages,
    tool_results,
    tool_calls_in_history,
    reasoning_in_history,
    tool_definitions,
    output_formats,
    strings_of_the_caller,
    unlisted_fields,
    nothing_to_scan,
    pictures_sound_and_files,
    split_across_parts,
    windows_of_a_prompt,
    tail_of_a_long_prompt,
    lookalikes,
    hidden_characters,
    encodings,
    escapes,
    names_that_are_there_twice,
    bodies_that_are_not_utf_8,
    other_paths,
    switches_of_the_caller,
    asked_again,
    refusals_that_echo,
    a_guard_that_fails,
    answers_unscanned,
    split_across_deltas,
    windows_of_an_answer,
    tail_of_a_long_answer,
    reasoning,
    refusals,
    tool_call_arguments,
    tool_call_names,
    other_choices,
    texts_that_take_turns,
    log_probabilities,
    fields_nobody_scans,
    lookalikes_in_answers,
    hidden_characters_in_answers,
    encodings_in_answers,
    error_bodies,
    errors_within_a_stream,
    headers_and_trailers,
    lines_that_are_no_data,
    after_the_end,
    answers_that_are_not_utf_8,
    names_that_are_there_twice_in_answers,
    answers_of_another_kind,
    answered_again,
}

/// Tries a case on a gateway of this repository, and looks at the log afterwards.
async fn holds(name: &str) {
    let case = case(&name.replace('_', "-"));
    let model = listening().await;
    let switch = Switch::default();
    let gateway = gateway(&model);
    let gateway = match case.breaks_the_guard {
        true => switch.on(gateway),
        false => gateway,
    };
    let gateway = gateway.start().await;
    let url = format!("https://localhost:{}/v1", gateway.address().port());
    let target = Target::new(&url, Some(&gateway.certs().join("ca.pem"))).unwrap();
    let target = target
        .asking(gateway.key(ME), MODEL)
        .forbidding(FORBIDDEN)
        .breaking_by(trouble(switch));
    let suite = Suite::begin(target, model).await.unwrap();
    let ran = suite.run(&case, |_| {}).await;
    let bad: Vec<_> = ran
        .iter()
        .filter(|ran| !matches!(ran.outcome, Outcome::Held(_)))
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(!ran.is_empty());
    let offered = |ran: &Ran| ran.outcome != Outcome::Held(How::NotOffered);
    assert!(ran.iter().all(offered), "an endpoint is gone");
    let log = gateway.stop().await;
    log.check();
    assert!(!log.raw_text().contains(FORBIDDEN), "it stands in the log");
}

/// A client that talks to the model server itself has no guard: a case that finds nothing there would find nothing anywhere.
#[tokio::test]
async fn every_case_finds_its_gap_where_nothing_guards() {
    let model = listening().await;
    let target = Target::new(&model.base_url(), None).unwrap();
    let nothing: Trouble = Arc::new(|_| Ok(()));
    let target = target
        .asking("", MODEL)
        .forbidding(FORBIDDEN)
        .breaking_by(nothing);
    let suite = Suite::begin(target, model).await.unwrap();
    for case in conformance::all() {
        let ran = suite.run(&case, |_| {}).await;
        let leaks = ran
            .iter()
            .filter(|ran| matches!(ran.outcome, Outcome::Leaked(_)));
        assert!(leaks.count() > 0, "{} finds nothing", case.name);
        for one in ran {
            // Text completions have no tools, Messages no refusals: there is nothing to leak.
            let leaked = matches!(
                one.outcome,
                Outcome::Leaked(_) | Outcome::Held(How::NoSuchField)
            );
            assert!(leaked, "{}: {one:?}", case.name);
        }
    }
}

#[tokio::test]
async fn a_gateway_with_another_model_behind_it_is_not_tested() {
    let model = listening().await;
    let gateway = TestGateway::new().start().await;
    let url = format!("https://localhost:{}/v1", gateway.address().port());
    let target = Target::new(&url, Some(&gateway.certs().join("ca.pem"))).unwrap();
    let target = target.asking(gateway.key(ME), MODEL).forbidding(FORBIDDEN);
    let error = Suite::begin(target, model)
        .await
        .err()
        .expect("the demo answers");
    assert!(
        error
            .to_string()
            .contains("something that the model has not said"),
        "{error}"
    );
}

#[test]
fn the_documentation_lists_the_catalogue() {
    let path = repository().join("docs/conformance.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("<!-- catalogue -->\n").expect("a marker");
    let (_, after) = rest
        .split_once("\n<!-- end of the catalogue -->")
        .expect("a marker");
    let table = conformance::catalogue_table(&conformance::all());
    let written =
        format!("{before}<!-- catalogue -->\n{table}\n<!-- end of the catalogue -->{after}");
    if std::env::var_os("PORTCULLIS_WRITE_TABLE").is_some() {
        std::fs::write(&path, &written).unwrap();
    }
    assert_eq!(text, written, "PORTCULLIS_WRITE_TABLE=1 writes the table");
}

fn case(name: &str) -> Case {
    let mut cases = conformance::all().into_iter();
    cases.find(|case| case.name == name).expect("a case")
}

async fn listening() -> Model {
    Model::listen(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap()
}

fn gateway(model: &Model) -> TestGatewayBuilder {
    TestGateway::new().backend_at(&model.base_url())
}

/// Breaks the classifier.
fn trouble(switch: Switch) -> Trouble {
    Arc::new(move |broken| {
        switch.set(broken.then_some(guard_fails::Trouble::Fails));
        Ok(())
    })
}
