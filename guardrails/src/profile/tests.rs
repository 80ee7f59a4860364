use std::path::PathBuf;

use super::ladder::Rung;
use super::*;
use crate::testing::Keyword;
use crate::{Engine, ProfileFile, Settings};

fn load(text: &str) -> Result<Engine, Vec<crate::Problem>> {
    Engine::load(Settings {
        profiles: vec![ProfileFile {
            path: PathBuf::from("g.toml"),
            text: text.to_owned(),
        }],
        classifiers: vec![Arc::new(Keyword::named("fake", &["attack", "harm"]))],
        threads: 1,
        ..Settings::default()
    })
}

/// Every problem as `line:column: message (hint)`.
fn problems(text: &str) -> Vec<String> {
    let found = match load(text) {
        Ok(_) => Vec::new(),
        Err(found) => found,
    };
    found
        .iter()
        .map(|problem| problem.to_string().trim_start_matches("g.toml:").to_owned())
        .collect()
}

/// A profile with one rule of these fields.
fn rule(fields: &str) -> String {
    format!(
        "[profile.p]\nrule = [\n{{ {fields} }},\n]\nunread = [\"tool-result\", \"response\", \"tool-arguments\"]\n"
    )
}

/// A mistake in the fields of a rule, which stands in line 3, column 1.
fn check(fields: &str, expected: &str) {
    let found = problems(&rule(fields));
    assert!(
        found.iter().any(|problem| problem.starts_with(expected)),
        "{expected}\nnot in {found:#?}"
    );
}

const GOOD: &str =
    r#"id = "A-1", detector = "pii@1", on = ["prompt"], do = "redact", why = "because""#;

fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replace(from, to)
}

#[test]
fn a_good_rule_loads_and_a_gap_has_to_be_named() {
    let engine = load(&rule(GOOD)).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(engine.warnings(), []);
    let gap = |word: &str| {
        format!(
            "1:10: no rule of profile `p` reads texts of kind `{word}`: all of them would pass \
             (add it to a rule's `on`, or say so: `unread = [\"{word}\"]`)"
        )
    };
    let silent = format!("[profile.p]\nrule = [{{ {GOOD} }}]\n");
    let gaps = ["tool-result", "response", "tool-arguments"].map(gap);
    assert_eq!(problems(&silent), gaps);
    let one = silent.clone() + "unread = [\"response\", \"tool-arguments\"]\n";
    assert_eq!(problems(&one), [gap("tool-result")]);
    let unknown = silent + "unread = [\"responses\"]\n";
    assert!(problems(&unknown)[0].starts_with("3:11: unknown kind of text `responses`"));
    let read = load(&rule(&with("\"prompt\"", "\"prompt\", \"response\"")));
    let warned = read.unwrap_or_else(|problems| panic!("{problems:?}"));
    let warned: Vec<String> = warned.warnings().iter().map(ToString::to_string).collect();
    assert!(warned[0].contains("reads texts of kind `response`, which `unread` names"));
}

#[test]
fn a_prompt_is_instructions_and_conversation() {
    let of = |on: &str, unread: &str| {
        let rule = with("\"prompt\"", on);
        let text = format!(
            "[profile.p]\nrule = [{{ {rule} }}]\nunread = [{unread} \"tool-result\", \"response\", \"tool-arguments\"]\n"
        );
        let found = problems(&text);
        match &found[..] {
            [] => warnings_of(&text),
            _ => found,
        }
    };
    let gap = |word: &str| {
        format!(
            "1:10: no rule of profile `p` reads texts of kind `{word}`: all of them would pass (add"
        )
    };
    let read = |word: &str| {
        format!(
            "1:10: a rule of profile `p` reads texts of kind `{word}`, which `unread` names (take"
        )
    };
    for (on, unread, told) in [
        (r#""prompt""#, "", None),
        (r#""instructions", "conversation""#, "", None),
        (r#""conversation""#, r#""instructions","#, None),
        (r#""conversation""#, "", Some(gap("instructions"))),
        (r#""instructions""#, "", Some(gap("conversation"))),
        (r#""tool-result""#, "", Some(gap("prompt"))),
        (r#""conversation""#, r#""prompt","#, Some(read("prompt"))),
        (
            r#""prompt""#,
            r#""instructions","#,
            Some(read("instructions")),
        ),
    ] {
        let found: Vec<String> = of(on, unread)
            .into_iter()
            .filter(|found| !found.contains("`tool-result`"))
            .collect();
        match told {
            None => assert_eq!(found, [""; 0], "{on} {unread}"),
            Some(told) => {
                assert!(
                    found.iter().any(|found| found.starts_with(&told)),
                    "{told}\n{found:#?}"
                );
                assert!(found.len() <= 2, "{found:#?}");
            }
        }
    }
}

#[test]
fn each_mistake_in_a_rule_is_found_where_it_is() {
    check(
        &with("pii@1", "pij@1"),
        "3:26: unknown detector `pij@1` (did you mean `pii@1`?)",
    );
    check(
        &with("pii@1", "pii@2"),
        "3:26: there is no version `2` of detector `pii` (write `pii@1`)",
    );
    check(
        &with("pii@1", "pii"),
        "3:26: there is no version `` of detector `pii` (write `pii@1`)",
    );
    check(
        &with("\"prompt\"", "\"promt\""),
        "3:41: unknown kind of text `promt` (did you mean `prompt`?)",
    );
    check(&with("[\"prompt\"]", "[]"), "3:40: `on` is empty");
    check(
        &with("[\"prompt\"]", "\"prompt\""),
        "3:40: `on` is a list of strings",
    );
    check(
        &with("redact", "redakt"),
        "3:57: unknown value of `do` `redakt` (did you mean `redact`?)",
    );
    check(&with(", do = \"redact\"", ""), "3:1: `do` is missing");
    check(&with(", why = \"because\"", ""), "3:1: `why` is missing");
    check(&with("because", " "), "3:73: `why` is empty");
    check(
        &with("A-1", "A 1"),
        "3:8: a name has at most 64 letters, digits, `-` and `_`",
    );
    check(
        &with("id =", "idd ="),
        "3:3: unknown field `idd` (did you mean `id`?)",
    );
    check(&with("\"A-1\"", "7"), "3:8: `id` is a string, not integer");
    check(
        &format!("{GOOD}, labels = [\"us_snn\"]"),
        "3:94: unknown label of `pii@1` `us_snn` (did you mean `us_ssn`?)",
    );
    check(
        &format!("{GOOD}, at = 1.5"),
        "3:89: a threshold is from 0 to 1",
    );
    check(
        &format!("{GOOD}, at = \"high\""),
        "3:89: `at` is a plain decimal number",
    );
    check(
        &format!("{GOOD}, rung = \"enforced\""),
        "3:91: unknown value of `rung` `enforced` (did you mean `enforce`?)",
    );
    check(
        &format!("{GOOD}, covers = \"RU-34\""),
        "3:93: `covers` is a clause from RU-01 to RU-33",
    );
    check(
        &with("pii@1", "fake@1"),
        "3:1: `at` is missing: a classifier needs a threshold",
    );
    let redacting = format!("{}, at = 0.5", with("pii@1", "fake@1"));
    check(
        &redacting,
        "3:58: a classifier judges whole windows, and cannot say which words to redact",
    );
}

#[test]
fn each_mistake_outside_of_rules_is_found_too() {
    for (text, expected) in [
        (
            "[profle.p]\nrule = []\n",
            "1:2: unknown section `profle` (did you mean `profile`?)",
        ),
        (
            "profile = 3\n",
            "1:11: `profile` is a table of tables: [profile.NAME]",
        ),
        ("[profile.p]\n", "1:1: `rule` is missing"),
        ("[profile.p]\nrule = []\n", "2:8: `rule` is empty"),
        (
            "[profile.p]\nrule = [3]\n",
            "2:9: each `rule` is a table, not integer",
        ),
        (
            "[profile.p]\nrules = []\n",
            "2:1: unknown field `rules` (did you mean `rule`?)",
        ),
        (
            "[profile.\"a b\"]\nrule = []\n",
            "1:10: a name has at most 64 letters",
        ),
        ("[profile.p\n", "1:11: not TOML: "),
        (
            "[pattern.x]\nentry = [{ id = \"a\", regex = 'a(' }]\n",
            "2:30: bad pattern: unclosed group",
        ),
        (
            "[pattern.x]\nentry = [{ id = \"a\", regex = 'a*' }]\n",
            "2:30: bad pattern: the pattern can match nothing at all",
        ),
        (
            "[pattern.x]\nentry = [{ id = \"a\", regex = '(?:a|\\w{1,90}b){1,40}' }]\n",
            "2:30: bad pattern: the pattern needs an automaton of more",
        ),
        (
            "[pattern.x]\nentry = [{ id = \"a\", regex = '(?=a)b' }]\n",
            "2:30: bad pattern: look-around",
        ),
        (
            "[pattern.x]\nentry = [{ id = \"a\", regex = 'a', max_span = 0 }]\n",
            "2:46: `max_span` is a whole number of bytes from 1 to 4096",
        ),
        (
            "[pattern.x]\nentry = [{ id = \"a\", regex = 'a', keywords = [\"\"] }]\n",
            "2:47: a keyword is empty",
        ),
        (
            "[pattern.x]\nentry = [{ id = \"a\", regex = 'a' }, { id = \"a\", regex = 'b' }]\n",
            "2:44: a second pattern of this list has the id `a`",
        ),
    ] {
        let found = problems(text);
        assert!(
            found.iter().any(|problem| problem.starts_with(expected)),
            "{expected}\nnot in {found:#?}"
        );
    }
    let twice = format!("{}{}", rule(&format!("{GOOD} }}, {{ {GOOD}")), "");
    assert!(problems(&twice)[0].contains("a second rule of this profile has the id `A-1`"));
}

#[test]
fn all_problems_of_all_files_come_at_once() {
    let text = format!(
        "{}[pattern.x]\nentry = [{{ id = \"a\", regex = '(' }}]\n",
        rule(&with("pii@1", "pij@1").replace("redact", "eat"))
    );
    assert_eq!(problems(&text).len(), 3, "{:#?}", problems(&text));
}

#[test]
fn texts_are_selected_by_stage_and_origin() {
    use crate::{Origin, Stage};
    let selecting = |stage, origin| -> Vec<&str> {
        On::ALL
            .iter()
            .filter(|(_, on)| on.selects(stage, origin))
            .map(|(word, _)| *word)
            .collect()
    };
    for said in [Origin::User, Origin::Assistant, Origin::Other] {
        let kinds = selecting(Stage::Prompt, said);
        assert_eq!(kinds, ["prompt", "conversation"]);
    }
    for told in [Origin::System, Origin::ToolDefinition] {
        let kinds = selecting(Stage::Prompt, told);
        assert_eq!(kinds, ["prompt", "instructions"]);
    }
    assert_eq!(
        selecting(Stage::Prompt, Origin::ToolResult),
        ["tool-result"]
    );
    assert_eq!(
        selecting(Stage::Prompt, Origin::ToolArguments),
        ["prompt", "conversation", "tool-arguments"]
    );
    assert_eq!(
        selecting(Stage::Answer, Origin::ToolArguments),
        ["response", "tool-arguments"]
    );
    assert_eq!(selecting(Stage::Answer, Origin::Reasoning), ["response"]);
}

#[test]
fn the_rung_caps_the_action() {
    assert_eq!(Rung::Observe.cap(Action::Block), Action::Allow);
    assert_eq!(Rung::Warn.cap(Action::Block), Action::Flag);
    assert_eq!(Rung::Warn.cap(Action::Allow), Action::Allow);
    assert_eq!(Rung::Enforce.cap(Action::Redact), Action::Redact);
}

/// The warnings of a text that loads.
fn warnings_of(text: &str) -> Vec<String> {
    let engine = load(text).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let warnings = engine.warnings().iter().map(ToString::to_string);
    warnings
        .map(|warning| warning.trim_start_matches("g.toml:").to_owned())
        .collect()
}

/// The same, but for those of kinds of text that nothing reads.
fn warnings(text: &str) -> Vec<String> {
    let mut warnings = warnings_of(text);
    warnings.retain(|warning| !warning.contains("reads texts of kind"));
    warnings
}

#[test]
fn what_can_check_nothing_is_refused() {
    for fields in [GOOD.to_owned(), with("pii@1", "fake@1") + ", at = 0.5"] {
        let expected = format!(
            "3:{}: `labels` is empty (name one, or leave `labels` out if it may be)",
            fields.len() + 14
        );
        check(&format!("{fields}, labels = []"), &expected);
    }
    check(
        &with("pii@1", "pattern@1"),
        "3:26: `pattern@1` finds nothing: no file has a pattern list (write a section [pattern.NAME])",
    );
}

#[test]
fn what_changes_nothing_is_warned_of() {
    for (fields, expected) in [
        (
            format!("{GOOD}, at = 0.5"),
            "3:89: `at` changes nothing: `pii@1` is certain of what it finds (leave it out)",
        ),
        (
            with("pii@1", "fake@1").replace("redact", "flag") + ", at = 0.00001",
            "3:88: every text reaches a threshold of 0 (see the model card)",
        ),
        (
            with("[\"prompt\"]", "[\"prompt\", \"prompt\"]"),
            "3:51: `on` names `prompt` twice (once is enough)",
        ),
        (
            format!("{GOOD}, labels = [\"us_ssn\", \"us_ssn\"]"),
            "3:104: `labels` names `us_ssn` twice (once is enough)",
        ),
    ] {
        assert_eq!(warnings(&rule(&fields)), [expected]);
    }
    let unread = "[pattern.x]\nentry = [{ id = \"a\", regex = 'a' }]\n";
    assert_eq!(
        warnings(&(rule(GOOD) + unread)),
        ["6:10: no rule names the pattern list `x` (a rule about `pattern@1` looks for it)"]
    );
    let read = with("pii@1", "pattern@1") + ", labels = [\"x.a\"]";
    assert_eq!(
        warnings(&(rule(&read) + &unread.replace("'a'", "'a{3}', max_span = 9"))),
        ["7:49: `max_span` changes nothing: no match is longer than 3 bytes (leave it out)"]
    );
    assert_eq!(warnings(&(rule(&read) + unread)), [""; 0]);
}

#[test]
fn a_rule_that_others_always_outrank_is_warned_of() {
    let two = |first: &str, second: &str| {
        let second = second.replace("A-1", "A-2");
        warnings(&format!(
            "[profile.p]\nrule = [{{ {first} }},\n{{ {second} }}]\nunread = [\"tool-result\", \"response\", \"tool-arguments\"]\n"
        ))
    };
    let never = |rule: &str, by: &str| {
        format!("rule `{rule}` never decides: `{by}` does at least as much about the same")
    };
    let (block, ssn) = (
        with("redact", "block"),
        format!("{GOOD}, labels = [\"us_ssn\"]"),
    );
    let answers = with("prompt", "response");
    for (first, second, expected) in [
        (GOOD, GOOD, Some(never("A-2", "A-1"))),
        (GOOD, &block, Some(never("A-1", "A-2"))),
        (&block, &ssn, Some(never("A-2", "A-1"))),
        (&ssn, &block, Some(never("A-1", "A-2"))),
        (GOOD, &answers, None),
        (&block.replace("redact", "block"), &answers, None),
        (&ssn.replace("redact", "block"), GOOD, None),
        // The rung counts: what is only observed outranks nothing.
        (
            &format!("{block}, rung = \"observe\", owner = \"t\", review = 2099-01-01"),
            GOOD,
            Some(never("A-1", "A-2")),
        ),
        (GOOD, &with("redact", "allow"), Some(never("A-2", "A-1"))),
    ] {
        let found = two(first, second);
        match expected {
            None => assert_eq!(found, [""; 0], "{first}\n{second}"),
            Some(expected) => assert!(
                found.len() == 1 && found[0].contains(&expected),
                "{expected} of\n{first}\n{second}\nnot in {found:?}"
            ),
        }
    }
    let trained = |at: &str, action: &str| {
        let ladder = "rung = \"enforce\", owner = \"t\", review = 2099-01-01, budget = 1";
        with("pii@1", "fake@1").replace("redact", action) + &format!(", {ladder}, at = {at}")
    };
    assert_eq!(
        two(&trained("0.9", "block"), &trained("0.5", "flag")),
        [""; 0]
    );
    assert_eq!(
        two(&trained("0.9", "flag"), &trained("0.5", "block")).len(),
        1
    );
    assert_eq!(
        two(&trained("0.5", "flag"), &trained("0.5", "flag")).len(),
        1
    );
}

/// A classifier's rule that blocks, with these fields besides.
fn blocks(fields: &str) -> String {
    with("pii@1", "fake@1").replace("redact", "block") + ", at = 0.7, " + fields
}

const LADDER: &str = r#"owner = "t", review = 2099-01-01, budget = 0.02"#;

#[test]
fn a_rule_on_its_way_up_says_who_when_and_how_much() {
    let alone = |what: &str, no: &str| format!("3:1: {what}, and says no {no} (`owner");
    let waits = "the rule does not yet do what it says";
    let observed = format!("{GOOD}, rung = \"observe\"");
    check(&observed, &alone(waits, "`owner`, no `review`"));
    check(
        &format!("{observed}, owner = \"CIO\""),
        &alone(waits, "`review`"),
    );
    check(
        &blocks("rung = \"warn\""),
        &alone(waits, "`owner`, no `review`, no `budget`"),
    );
    check(
        &blocks("rung = \"enforce\", owner = \"t\", review = 2099-01-01"),
        &alone("a classifier blocks by this rule", "`budget`"),
    );
    // What only flags does what it says from the first day.
    let flags = with("pii@1", "fake@1").replace("redact", "flag") + ", at = 0.7";
    assert_eq!(problems(&rule(&flags)), [""; 0]);
    assert_eq!(problems(&rule(&blocks(LADDER))), [""; 0]);
}

#[test]
fn the_fields_of_the_ladder_are_checked() {
    let day = |review: &str, column: u32| {
        let fields = LADDER.replace("2099-01-01", review);
        let expected = format!("3:{column}: `review` is a day, like 2027-06-30, without quotes");
        check(&blocks(&fields), &expected);
    };
    for review in ["\"2099-01-01\"", "2099-01-01T00:00:00", "00:00:00", "7"] {
        day(review, 116);
    }
    for budget in ["0", "0.00001", "1.1", "-0.5"] {
        let fields = LADDER.replace("0.02", budget);
        let expected = "3:137: a budget is a share of honest texts, from 0.0001 to 1";
        check(&blocks(&fields), expected);
    }
    check(
        &blocks(&LADDER.replace("\"t\"", "\" \"")),
        "3:102: `owner` is empty",
    );
}

#[test]
fn what_enforces_keeps_to_its_budget() {
    // Of honest prompts 1 % score 0.35 for `attack`, and 0.1 % score 0.8.
    let at = |at: &str, budget: &str, rung: &str| {
        let labels = r#"labels = ["attack"]"#;
        let ladder = LADDER.replace("0.02", budget);
        let fields = blocks(&format!("{ladder}, {labels}, rung = \"{rung}\""));
        problems(&rule(&fields.replace("at = 0.7", &format!("at = {at}"))))
    };
    for (threshold, budget) in [
        ("0.8", "0.001"),
        ("0.35", "0.01"),
        ("0.1", "1"),
        ("0.7", "0.5"),
    ] {
        assert_eq!(at(threshold, budget, "enforce"), [""; 0]);
    }
    let exceeds = |threshold: &str, budget: &str, expected: &str| {
        assert_eq!(at(threshold, budget, "enforce"), [expected]);
        assert_eq!(at(threshold, budget, "warn"), [""; 0]);
    };
    exceeds(
        "0.7",
        "0.001",
        "3:89: `budget` is 0.1 %, and by the model's manifest 1 % of honest texts of kind `prompt` score 0.7000 or more \
         for `attack` (`at = 0.8000` keeps to it; so does `rung = \"warn\"`)",
    );
    exceeds(
        "0.3",
        "0.01",
        "3:89: `budget` is 1 %, and by the model's manifest more than was measured of honest texts of kind `prompt` score \
         0.3000 or more for `attack` (`at = 0.3500` keeps to it; so does `rung = \"warn\"`)",
    );
    exceeds(
        "0.8",
        "0.0005",
        "3:89: `budget` is 0.05 %, and by the model's manifest 0.1 % of honest texts of kind `prompt` score 0.8000 or more \
         for `attack` (no threshold was measured to keep to it: `rung = \"warn\"` does)",
    );
    let answers = blocks(&format!("{LADDER}, rung = \"enforce\""));
    let answers = answers.replace("\"prompt\"", "\"response\", \"prompt\"");
    assert_eq!(
        warnings(&rule(&answers)),
        [
            "3:149: nobody has measured how often this stops honest texts of kind `response` (the model's manifest has no \
          threshold for them: observe before it enforces)"
        ]
    );
}

#[test]
fn a_look_at_a_rule_is_called_for_in_time() {
    let engine = load(&rule(&blocks(LADDER))).unwrap_or_else(|problems| panic!("{problems:?}"));
    let said = |year, month, day| {
        let warnings = engine.warnings_at(jiff::civil::date(year, month, day));
        let said = warnings.iter().map(ToString::to_string);
        said.collect::<Vec<_>>()
    };
    assert_eq!(said(2098, 12, 1), [""; 0]);
    let expected = |when: &str| {
        format!(
            "g.toml:3:116: a look at rule `A-1` by t {when} on 2099-01-01 (decide on its `rung` from what it found, and \
             set the next day)"
        )
    };
    assert_eq!(said(2098, 12, 2), [expected("is due")]);
    assert_eq!(said(2099, 1, 1), [expected("is due")]);
    assert_eq!(said(2099, 1, 2), [expected("was due")]);
    assert_eq!(said(2120, 1, 2), [expected("was due")]);
}

#[test]
fn how_to_redact_is_for_rules_that_do() {
    let named = format!("{GOOD}, mask = \"keyed-hash\"");
    check(
        &named,
        "3:91: there is no key to hash with (name a file of 32 random bytes",
    );
    check(
        &(with("redact", "block") + ", mask = \"label\""),
        "3:90: `mask` says how to redact, and this rule does not: `do = \"block\"` (leave it out)",
    );
    check(
        &format!("{GOOD}, mask = \"hash\""),
        "3:91: unknown value of `mask` `hash`",
    );
}

#[test]
fn only_what_blocks_answers_holds_them() {
    let holds = |from: &str, to: &str| with(from, to) + ", hold = true";
    check(
        &holds("prompt", "response"),
        "3:93: `hold` keeps an answer back for a rule that may block it, and this one does not: `do = \"redact\"`",
    );
    check(
        &holds("redact", "block"),
        "3:90: `hold` keeps answers back, and this rule reads none (add `response` to its `on`)",
    );
    check(
        &(with("redact", "block") + ", hold = \"yes\""),
        "3:90: `hold` is true or false, without quotes",
    );
    let good = holds("\"prompt\"", "\"prompt\", \"response\"").replace("redact", "block");
    assert_eq!(problems(&rule(&good)), [""; 0]);
}
