//! Trying the cases on a gateway.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::answer::{Answer, FINE};
use crate::asked::Asked;
use crate::catalogue::{Case, HARMLESS, Law, Probe};
use crate::endpoint::{Endpoint, Way};
use crate::judge::{How, Outcome, arrived, leaked};
use crate::model::Model;
use crate::target::{Reply, Target, TargetError};

/// A gateway, and the model server behind it.
pub struct Suite {
    target: Target,
    model: Model,
    /// What became of a plain question at each endpoint.
    offered: BTreeMap<Endpoint, Offered>,
}

enum Offered {
    Yes,
    No,
    /// It fails.
    Broken(String),
}

/// What became of one probe of a case.
#[derive(Debug, Clone)]
pub struct Ran {
    /// How it was asked.
    pub way: Way,
    /// Which of the case's places or spellings.
    pub place: String,
    /// What came of it.
    pub outcome: Outcome,
}

impl Suite {
    /// Asks one plain question at every endpoint, to learn which there are.
    ///
    /// # Errors
    /// If the gateway cannot be reached, if no endpoint answers, or if an answer is not what the model said: then this
    /// model server is not the one behind it.
    pub async fn begin(target: Target, model: Model) -> Result<Suite, TargetError> {
        let mut suite = Suite {
            target,
            model,
            offered: BTreeMap::new(),
        };
        for endpoint in Endpoint::ALL {
            let offered = suite.is_offered(endpoint).await?;
            suite.offered.insert(endpoint, offered);
        }
        let any = suite
            .offered
            .iter()
            .any(|(endpoint, offered)| endpoint.answers() && matches!(offered, Offered::Yes));
        if any {
            return Ok(suite);
        }
        let why = suite.offered.values().find_map(|offered| match offered {
            Offered::Broken(why) => Some(why.as_str()),
            _ => None,
        });
        Err(TargetError(format!(
            "no endpoint answers a plain question: {}",
            why.unwrap_or("none is there")
        )))
    }

    /// The endpoints that answer a plain question.
    pub fn endpoints(&self) -> impl Iterator<Item = Endpoint> {
        let offered = self.offered.iter();
        offered
            .filter_map(|(&endpoint, offered)| matches!(offered, Offered::Yes).then_some(endpoint))
    }

    async fn is_offered(&self, endpoint: Endpoint) -> Result<Offered, TargetError> {
        self.model.answers(Answer::default());
        let way = Way {
            endpoint,
            streamed: false,
        };
        let asked = Asked::new(way, &self.target.model, endpoint.question("Hello"));
        let reply = self.target.send(&asked).await?;
        let said = String::from_utf8_lossy(&reply.body).into_owned();
        Ok(match reply.status {
            404 | 405 => Offered::No,
            200 if endpoint.answers() && !said.contains(FINE) => Offered::Broken(format!(
                "POST /v1{} answers something that the model has not said: {}",
                endpoint.path(),
                beginning(&said)
            )),
            200 => Offered::Yes,
            status => Offered::Broken(format!(
                "POST /v1{} answers a plain question with status {status}: {}",
                endpoint.path(),
                beginning(&said)
            )),
        })
    }

    /// Tries one case in all its places; `progress` hears of each.
    pub async fn run(&self, case: &Case, mut progress: impl FnMut(&Ran)) -> Vec<Ran> {
        let mut all = Vec::new();
        for probe in (case.probes)(&self.target) {
            let outcome = match self.offered.get(&probe.way.endpoint) {
                // What is beside the known paths is tried whether or not they are there.
                _ if probe.asked.path != probe.way.endpoint.path() => self.tried(&probe).await,
                Some(Offered::No) | None => Outcome::Held(How::NotOffered),
                Some(Offered::Broken(why)) => Outcome::Untested(why.clone()),
                Some(Offered::Yes) if case.breaks_the_guard => self.tried_broken(&probe).await,
                Some(Offered::Yes) => self.tried(&probe).await,
            };
            let ran = Ran {
                way: probe.way,
                place: probe.place,
                outcome,
            };
            progress(&ran);
            all.push(ran);
        }
        all
    }

    async fn tried_broken(&self, probe: &Probe) -> Outcome {
        let Some(trouble) = &self.target.trouble else {
            return Outcome::Untested("it is not said how to break the guard".to_owned());
        };
        if let Err(error) = trouble(true) {
            return Outcome::Untested(format!("the guard cannot be broken: {error}"));
        }
        let outcome = self.tried(probe).await;
        match trouble(false) {
            Ok(()) => outcome,
            Err(error) => Outcome::Untested(format!("the guard cannot be mended: {error}")),
        }
    }

    async fn tried(&self, probe: &Probe) -> Outcome {
        self.model.answers(probe.answer.clone());
        let reply = match self.target.send(&probe.asked).await {
            Ok(reply) => reply,
            // A gateway may close the connection on what it does not take.
            Err(_) if self.model.received().is_empty() => return Outcome::Held(How::NotAccepted),
            Err(error) => return Outcome::Untested(error.to_string()),
        };
        match &probe.law {
            Law::KeptFromModel(texts) => self.kept_from_model(probe, texts, &reply).await,
            Law::KeptFromClient(text) => self.kept_from_client(text, &reply),
            Law::NothingPasses => self.nothing_passes(&reply),
        }
    }

    async fn kept_from_model(&self, probe: &Probe, texts: &[String], reply: &Reply) -> Outcome {
        if arrived(&self.model.received(), texts) {
            return Outcome::Leaked("it arrived at the model".to_owned());
        }
        let refused = reply.status >= 400;
        let Some(twin) = &probe.twin else {
            return Outcome::Held(if refused { How::Refused } else { How::KeptBack });
        };
        self.model.answers(Answer::default());
        let Ok(twins) = self.target.send(twin).await else {
            return Outcome::Held(How::NotAccepted);
        };
        let harmless = arrived(&self.model.received(), &[HARMLESS.to_owned()]);
        Outcome::Held(match (refused, twins.status >= 400) {
            (_, true) => How::NotAccepted,
            (true, false) => How::Refused,
            (false, false) if harmless => How::Masked,
            (false, false) => How::NotForwarded,
        })
    }

    fn kept_from_client(&self, text: &str, reply: &Reply) -> Outcome {
        if let Some(place) = leaked(reply, text) {
            return Outcome::Leaked(format!("it came back: {place}"));
        }
        if self.model.has_answered() {
            return Outcome::Held(How::KeptBack);
        }
        match self.model.received().is_empty() {
            // An echo that is refused before the model was asked.
            true if reply.status >= 400 => Outcome::Held(How::Refused),
            true => Outcome::Untested("the model was not asked".to_owned()),
            false => Outcome::Held(How::NoSuchField),
        }
    }

    fn nothing_passes(&self, reply: &Reply) -> Outcome {
        if !self.model.received().is_empty() {
            return Outcome::Leaked("it arrived at the model".to_owned());
        }
        match reply.status {
            200..300 => Outcome::Leaked(format!(
                "it was answered: {}",
                beginning(&String::from_utf8_lossy(&reply.body))
            )),
            _ => Outcome::Held(How::Refused),
        }
    }
}

/// Enough of a body to recognise it.
fn beginning(text: &str) -> String {
    text.chars().take(200).collect()
}

/// A result as JSON, for the report.
impl From<&Ran> for Value {
    fn from(ran: &Ran) -> Value {
        let (outcome, detail) = match &ran.outcome {
            Outcome::Held(how) => ("held", how.words()),
            Outcome::Leaked(seen) => ("leaked", seen.as_str()),
            Outcome::Untested(why) => ("untested", why.as_str()),
        };
        serde_json::json!({ "way": ran.way.to_string(), "place": ran.place, "outcome": outcome, "detail": detail })
    }
}
