//! `[answers]`: what the reader of an answer sees where a content rule ends it.
//!
//! ```toml
//! [answers]
//! on_block = "notice"                # or "finish", the default: it just ends, with `content_filter`
//! notice = "The rest of this answer was withheld under the rules of the agency."
//! [answers.routes]
//! messages = "finish"
//! ```

use uuid::Uuid;

use super::section::Section;

/// What is shown where an answer is blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswersConfig {
    /// Where no route says otherwise.
    on_block: OnBlock,
    /// What the routes say.
    routes: Vec<(audit::Op, OnBlock)>,
    notice: String,
}

/// How a blocked answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnBlock {
    /// Without a word.
    Finish,
    /// With a sentence.
    Notice,
}

impl AnswersConfig {
    /// The sentence with which a blocked answer of a route ends, if it does. It names the request, for whoever is asked
    /// about it.
    pub fn notice(&self, op: audit::Op, id: Uuid) -> Option<String> {
        let own = self.routes.iter().find(|(of, _)| *of == op);
        let on_block = own.map_or(self.on_block, |(_, on_block)| *on_block);
        (on_block == OnBlock::Notice).then(|| format!("{} (request {id})", self.notice))
    }
}

/// The routes on which a model answers in words.
const ROUTES: [(&str, audit::Op); 4] = [
    ("chat_completions", audit::Op::ChatCompletions),
    ("completions", audit::Op::Completions),
    ("responses", audit::Op::Responses),
    ("messages", audit::Op::Messages),
];

const NOTICE: &str = "The rest of this answer was withheld: a content rule blocks it.";
/// Longer is no sentence.
const NOTICE_CHARS_MAX: usize = 500;

pub(super) fn answers(mut s: Section<'_>) -> AnswersConfig {
    let on_block = on_block(&mut s, "on_block", OnBlock::Finish);
    let notice = s.string("notice");
    if let Some(notice) = &notice {
        let text = notice.value.trim();
        if text.is_empty() || text.chars().count() > NOTICE_CHARS_MAX {
            let message = format!("a notice has 1 to {NOTICE_CHARS_MAX} characters");
            s.source().report(notice.span.clone(), message, None);
        }
    }
    let mut of_routes = s.section("routes");
    let routes = ROUTES.map(|(route, op)| (op, self::on_block(&mut of_routes, route, on_block)));
    of_routes.finish();
    s.finish();
    AnswersConfig {
        on_block,
        routes: routes.to_vec(),
        notice: notice.map_or_else(|| NOTICE.to_owned(), |notice| notice.value),
    }
}

fn on_block(s: &mut Section<'_>, key: &'static str, default: OnBlock) -> OnBlock {
    let words = [("finish", OnBlock::Finish), ("notice", OnBlock::Notice)];
    s.choice_or(key, &words, default)
}
