//! Is it written down? One request's trail through the audit log: the outcome's place is reserved first, the intent is
//! durable before a byte goes upstream, the outcome before the end goes to the client.
//!
//! A trail collects facts as the stages settle them and closes exactly once. Dropped on the way it still leaves a
//! record: the outcome `client_gone` (`abandoned` after a panic), enqueued without waiting, if an intent was written; a
//! count in the connection summary, if not.
//!
//! Nothing a caller typed goes into an entry: principals, models and rules are registered names, paths are contract
//! paths. Text goes into the sealed body, as it was after redaction.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use audit::{
    Intent, Outcome, OutcomeStatus, Pending, Receipt, Refusal as RefusalEntry, RefusalKind,
    RequestId, Reservation, Served,
};
use backends::{Embedded, Remarks, Usage};
use guardrails::{Action, Report, Stage};
use policy::{Ask, Denied, Permit, Policy};
use uuid::Uuid;

use crate::Gateway;
use crate::config::AuditLevel;
use crate::connections::Closed;
use crate::deadline::Deadline;
use crate::decisions::Asker;
use crate::dialect::Dialect;
use crate::incoming::Incoming;
use crate::pipeline::authenticate::Caller;
use crate::pipeline::forward::Target;
use crate::pipeline::ingest::{Dropped, Prompt, Wanted};
use crate::pipeline::release::{Ending, How, Piece, Screened};
use crate::pipeline::route;
use crate::pipeline::screen::Clearance;
use crate::pipeline::texts::{self, Question};
use crate::refusal::Refusal;
use crate::reply::Described;
use crate::rules::Rules;

mod bodies;
mod entries;

use bodies::{Kept, Transcript};

/// One request's way through the log.
pub struct Trail {
    gw: Arc<Gateway>,
    /// What decides this request, whatever is loaded meanwhile.
    rules: Arc<Rules>,
    started: Instant,
    place: Option<Place>,
    facts: Facts,
    /// What has gone to the client, or is about to.
    transcript: Transcript,
    /// Of that, what a stream's windows have taken out already.
    released_bytes: u64,
    /// The status that has gone out with a stream's head; 0 while there is none.
    head_sent: u16,
    in_flight: Option<crate::places::Place>,
    /// The prompt's bytes, until they are recorded.
    unrecorded: Option<crate::places::Unrecorded>,
}

/// How an admitted request ended.
struct End<'r> {
    status: OutcomeStatus,
    /// The status that the client got; 0 if there was no client left.
    http: u16,
    code: Option<audit::Name>,
    /// What the model server said about its failure. Somebody else's words: sealed.
    said: Option<audit::Body<'r>>,
}

impl<'r> End<'r> {
    fn well(status: OutcomeStatus, http: u16) -> End<'r> {
        End {
            status,
            http,
            code: None,
            said: None,
        }
    }

    fn failed(refusal: &'r Refusal, told: &Described, http: u16, kept: &Kept) -> End<'r> {
        let (status, code) = (entries::status(refusal), audit::Name::new(told.code));
        End {
            status,
            http,
            code,
            said: kept.said(refusal),
        }
    }
}

/// Whether a refusal has an entry of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It has.
    Yes,
    /// It was only counted: the connection is closed without an answer.
    Counted,
}

/// What is reserved in the log.
enum Place {
    /// Room for an intent or a refusal, and for its outcome.
    Reserved(Reservation),
    /// Room for the outcome of a durable intent.
    Open(Pending),
}

/// What the stages found out.
struct Facts {
    id: Uuid,
    src: audit::Source,
    op: audit::Op,
    path: String,
    method: String,
    who: Option<audit::Who>,
    model: Option<audit::Name>,
    reason: Option<audit::Name>,
    /// For which purpose access was denied.
    purpose: Option<audit::Name>,
    /// The label of the data, once access was decided.
    label: Option<audit::Name>,
    /// The record that would have permitted it, and has run out.
    authority: Option<audit::Name>,
    policy: Option<audit::PolicyRef>,
    prompt_checks: Vec<audit::Check>,
    answer_checks: Vec<audit::Check>,
    dropped: Dropped,
    model_asked: Option<String>,
    stream: bool,
    wanted: Wanted,
    action: Action,
    finish: Vec<audit::Name>,
    tokens: Option<audit::Tokens>,
    upstream: Remarks,
    first_byte_ms: Option<u32>,
    ending: Option<OutcomeStatus>,
    /// The id that the model server gave the request. Somebody else's words: sealed, and digested.
    vendor_id: Option<String>,
    /// Its own words for why choices ended. Sealed.
    odd_reasons: BTreeMap<u32, String>,
    /// Texts of the prompt as they were, where they went nowhere, or went masked.
    prompt_was: Vec<audit::Text<'static>>,
    /// Texts of the answer as they were, where something in them was masked or held back.
    answer_was: Vec<audit::Text<'static>>,
}

impl Trail {
    /// Reserves the places of everything that will have to be written.
    ///
    /// # Errors
    /// [`Refusal::AuditUnavailable`]: nothing may be done, because nothing could be said.
    pub async fn open(
        gw: &Arc<Gateway>,
        rules: Arc<Rules>,
        incoming: &Incoming,
    ) -> Result<Trail, Refusal> {
        let reservation = gw
            .audit
            .reserve()
            .await
            .map_err(Refusal::AuditUnavailable)?;
        gw.metrics.in_flight.inc();
        Ok(Trail {
            gw: gw.clone(),
            rules,
            started: Instant::now(),
            place: Some(Place::Reserved(reservation)),
            facts: Facts::of(incoming, &gw.zone_name),
            transcript: Transcript::default(),
            released_bytes: 0,
            head_sent: 0,
            in_flight: None,
            unrecorded: None,
        })
    }

    /// Takes one of the caller's places among the requests in flight, held as long as the trail.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`].
    pub fn enter(&mut self, caller: &Caller) -> Result<(), Refusal> {
        let place = self.gw.places.take(caller.subject.principal());
        self.in_flight = Some(place.ok_or(Refusal::Overloaded)?);
        Ok(())
    }

    /// Waits until so many bytes more of the caller may wait to be recorded.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`], when that takes too long.
    pub async fn will_record(&mut self, bytes: usize, deadline: Deadline) -> Result<(), Refusal> {
        let place = self.in_flight.as_ref().ok_or(Refusal::Overloaded)?;
        let waited = deadline.limit(place.unrecorded(bytes)).await;
        self.unrecorded = waited.ok().flatten();
        match self.unrecorded {
            Some(_) => Ok(()),
            None => Err(Refusal::Overloaded),
        }
    }

    /// Notes why a credential is not believed, in a word of ours.
    pub fn doubts(&mut self, code: &'static str) {
        self.facts.reason = Some(audit::Name::literal(code));
    }

    /// Notes who asks.
    pub fn is_from(&mut self, caller: &Caller) {
        self.facts.who = entries::who(caller);
    }

    /// Notes what is asked.
    pub fn asks<Q: Question>(&mut self, prompt: &Prompt<Q>) {
        let question = &prompt.question;
        self.facts.dropped = prompt.dropped.clone();
        self.facts.stream = question.streams();
        self.facts.wanted.clone_from(&prompt.wanted);
        self.facts.model_asked = Some(question.model().to_owned());
        if self.gw.models.contains(question.model()) {
            self.facts.model = audit::Name::new(question.model());
        }
        if self.level() == AuditLevel::Full {
            self.went_nowhere(&question.texts());
        }
    }

    /// Notes which model it is about: a registered name.
    pub fn is_about(&mut self, model: &str) {
        self.facts.model = audit::Name::new(model);
    }

    /// Notes the texts of a prompt of which nothing was sent.
    pub fn went_nowhere(&mut self, texts: &[texts::Text<'_>]) {
        if self.level() >= AuditLevel::Request {
            self.facts.prompt_was = texts.iter().map(texts::Text::to_kept).collect();
        }
    }

    /// Notes which texts of a prompt can be sent only masked; the others go as they are.
    pub fn masked(&mut self, which: &[bool]) {
        let mut which = which.iter();
        self.facts
            .prompt_was
            .retain(|_| which.next() == Some(&true));
    }

    /// Whether anything that a model answers is kept.
    pub fn keeps_answers(&self) -> bool {
        self.level() >= AuditLevel::RequestResponse
    }

    /// What decides this request.
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.clone()
    }

    /// Notes which rule permitted: a content rule may still say no, and its entry says under which profile.
    pub fn permitted_by(&mut self, permit: &Permit) {
        self.facts.policy = entries::permitted(permit);
        self.facts.label = audit::Name::new(&permit.label().to_string());
    }

    /// Notes why access was denied, which rule did it or came nearest to permitting, and for which purpose and data:
    /// only registered words, never a caller's own.
    pub fn denied_by(&mut self, policy: &Policy, caller: &Caller, ask: &Ask<'_>, denied: &Denied) {
        let facts = &mut self.facts;
        facts.reason = audit::Name::new(denied.reason.code());
        facts.policy = entries::denied(policy.digest(), denied);
        let purpose = ask.purpose.unwrap_or(caller.subject.default_purpose());
        facts.purpose = audit::Name::new(purpose).filter(|_| policy.has_purpose(purpose));
        let label = audit::Name::new(&ask.data.to_string());
        facts.label = label.filter(|_| policy.has_needs_of(ask.data));
        facts.authority = denied.authority.as_deref().and_then(audit::Name::new);
    }

    /// Notes what was checked on the prompt.
    pub fn judged(&mut self, report: &Report, action: Action) {
        self.facts.prompt_checks = entries::checks(report);
        self.facts.action = action;
        self.measures(Stage::Prompt, report);
    }

    fn measures(&self, stage: Stage, report: &Report) {
        let profile = self.facts.policy.as_ref().map(|policy| &policy.profile);
        if let Some(profile) = profile {
            self.gw.metrics.judged(&profile.to_string(), stage, report);
        }
    }

    /// Makes the intent durable. After this, and not before, may the request be sent.
    ///
    /// # Errors
    /// [`Refusal::AuditUnavailable`].
    pub async fn admit(
        &mut self,
        permit: &Permit,
        _clearance: &Clearance,
        target: &Target,
        question: &impl Question,
    ) -> Result<Receipt, Refusal> {
        let lost = || Refusal::AuditUnavailable(audit::Unavailable::Failed);
        let Some(Place::Reserved(reservation)) = self.place.take() else {
            return Err(lost());
        };
        let intent = self.facts.intent(permit, target).ok_or_else(lost)?;
        let was = std::mem::take(&mut self.facts.prompt_was);
        let body = self.kept().request(question, &self.facts.dropped, was);
        let bodies = body.into_iter().collect();
        let written = reservation.intent(intent, bodies).await;
        self.unrecorded = None;
        let (receipt, pending) = written.map_err(Refusal::AuditUnavailable)?;
        self.place = Some(Place::Open(pending));
        Ok(receipt)
    }

    /// Notes what goes to the client now, or will once the outcome is durable.
    pub fn shows(&mut self, pieces: Vec<Piece>) {
        self.transcript.add(pieces);
    }

    /// All that was, or will be, shown.
    pub fn shown(&self) -> &[Piece] {
        self.transcript.pieces()
    }

    /// Notes that a stream begins, with status 200.
    pub fn begins_stream(&mut self) {
        self.head_sent = 200;
    }

    /// Notes that all that is shown so far goes to the client now.
    pub fn goes_out(&mut self) {
        self.released_bytes = self.transcript.bytes();
        if self.facts.first_byte_ms.is_none() {
            self.facts.first_byte_ms = Some(self.elapsed_ms());
            self.gw
                .metrics
                .first_byte_seconds
                .observe(self.started.elapsed().as_secs_f64());
        }
    }

    /// Notes what was checked on the answer so far, and what its upstream said that nobody asked for.
    pub fn note_checks(&mut self, screened: &Screened) {
        let report = screened.report();
        self.facts.answer_checks = entries::checks(&report);
        self.measures(Stage::Answer, &report);
        self.facts.upstream = screened.remarks();
        self.facts.vendor_id = screened.vendor_id().map(str::to_owned);
        self.facts.odd_reasons = screened.odd_reasons();
        // Held back for want of a decision is held back, too: where everything is kept, so is that.
        if report.action() >= Action::Redact || self.level() == AuditLevel::Full {
            self.facts.answer_was = bodies::as_they_were(screened);
        }
    }

    /// Notes what was checked on the answer, and how it ended.
    pub fn note_answer(&mut self, screened: &Screened, ending: &Ending) {
        self.note_checks(screened);
        self.facts.finish = entries::finish(&ending.tail);
        self.facts.tokens = ending.usage.map(entries::tokens);
        self.facts.ending = Some(match &ending.how {
            How::Complete => OutcomeStatus::Completed,
            How::Blocked(_) => OutcomeStatus::Blocked,
            How::Fault(refusal) => entries::status(refusal),
        });
    }

    /// Notes vectors that are to go out.
    pub fn note_vectors(&mut self, embedded: &Embedded) {
        self.note_usage(embedded.usage);
        self.facts.upstream = embedded.remarks.clone();
        self.facts.vendor_id = embedded.vendor_request_id.clone();
    }

    /// Notes what a request costs, or would.
    pub fn note_usage(&mut self, usage: Usage) {
        self.facts.tokens = Some(entries::tokens(usage));
    }

    /// Makes the outcome of an answer durable. After this, and not before, may its end go out.
    ///
    /// # Errors
    /// [`Refusal::AuditUnavailable`]: then the end may not go out.
    pub async fn close(mut self) -> Result<(), Refusal> {
        let status = self.facts.ending.unwrap_or(OutcomeStatus::Completed);
        self.gw
            .metrics
            .answered(self.decision(), entries::status_word(status));
        self.finish(End::well(status, 200)).await
    }

    /// Makes the outcome of an answer that failed on its way durable.
    ///
    /// # Errors
    /// [`Refusal::AuditUnavailable`].
    pub async fn fail(mut self, refusal: &Refusal) -> Result<(), Refusal> {
        let told = crate::reply::describe(refusal, &self.gw, self.facts.id);
        self.gw.metrics.refused(&told);
        // A stream's status went out with its first window.
        let http = if self.facts.stream {
            200
        } else {
            told.status.as_u16()
        };
        let kept = self.kept();
        self.finish(End::failed(refusal, &told, http, &kept)).await
    }

    /// Records a refusal: alone if nothing was sent upstream, else as the outcome of the intent.
    ///
    /// # Errors
    /// [`Refusal::AuditUnavailable`]: then that is the reason to tell.
    pub async fn refuse(
        mut self,
        refusal: &Refusal,
        told: &Described,
    ) -> Result<Recorded, Refusal> {
        match self.place.take() {
            Some(Place::Reserved(reservation)) => {
                self.refuse_alone(reservation, refusal, told).await
            }
            Some(Place::Open(pending)) => {
                self.place = Some(Place::Open(pending));
                let kept = self.kept();
                let end = End::failed(refusal, told, told.status.as_u16(), &kept);
                self.finish(end).await.map(|()| Recorded::Yes)
            }
            // The intent could not be made durable: its place is the log's own business now.
            None => {
                self.gw
                    .connections
                    .count(Closed::Unrecorded, self.facts.src.ip);
                Ok(Recorded::Yes)
            }
        }
    }

    /// Records a request that the gateway answers itself.
    ///
    /// # Errors
    /// [`Refusal::AuditUnavailable`].
    pub async fn serve(mut self, items: u32) -> Result<(), Refusal> {
        let lost = || Refusal::AuditUnavailable(audit::Unavailable::Failed);
        let (Some(Place::Reserved(reservation)), Some(who)) =
            (self.place.take(), self.facts.who.clone())
        else {
            return Err(lost());
        };
        let policy = audit::Digest::parse(self.rules.policy.digest()).ok_or_else(lost)?;
        let Facts { op, src, .. } = &self.facts;
        let served = Served {
            req: self.request_id(),
            op: *op,
            src: src.clone(),
            who,
            policy,
            http: 200,
            n: items,
            judged: self.facts.judged(),
        };
        self.gw.metrics.answered("allow", "served");
        let was = std::mem::take(&mut self.facts.prompt_was);
        let body = match served.judged {
            Some(_) => self.kept().unsent(&self.facts, was),
            None => None,
        };
        reservation
            .serve(served, body.into_iter().collect())
            .await
            .map(drop)
            .map_err(Refusal::AuditUnavailable)
    }

    /// The client left while the answer was on its way. Waits for the record, since nobody else waits for it.
    pub async fn gone(mut self) {
        self.gw.metrics.answered(self.decision(), "client_gone");
        let http = self.head_sent;
        // There is nobody left to tell.
        let _ = self
            .finish(End::well(OutcomeStatus::ClientGone, http))
            .await;
    }

    /// The request id.
    pub fn id(&self) -> Uuid {
        self.facts.id
    }

    /// Who asks, if that is known.
    pub fn asker(&self) -> Option<Asker> {
        let who = self.facts.who.as_ref()?;
        Some(Asker {
            principal: who.principal.to_string(),
            user: who.on_behalf_of.as_ref().map(ToString::to_string),
        })
    }

    /// In whose words the caller is refused.
    pub fn dialect(&self) -> Dialect {
        Dialect::of(self.facts.op)
    }

    /// The sentence with which the answer ends if it is blocked, if it does.
    pub fn notice(&self) -> Option<String> {
        let Facts { op, id, .. } = &self.facts;
        self.gw.config.answers.notice(*op, *id)
    }

    /// Whether the caller asked for a stream.
    pub fn streams(&self) -> bool {
        self.facts.stream
    }

    /// What the caller is to be told besides the answer.
    pub fn wanted(&self) -> &Wanted {
        &self.facts.wanted
    }

    /// The fields that were dropped.
    pub fn dropped(&self) -> &Dropped {
        &self.facts.dropped
    }

    /// What was decided about the prompt, in one word.
    pub fn decision(&self) -> &'static str {
        match self.facts.action {
            Action::Allow => "allow",
            Action::Flag => "flag",
            Action::Redact => "redact",
            Action::Block => "block",
        }
    }

    async fn refuse_alone(
        &mut self,
        reservation: Reservation,
        refusal: &Refusal,
        told: &Described,
    ) -> Result<Recorded, Refusal> {
        let source = self.facts.src.ip;
        if self.facts.who.is_none() && !self.gw.connections.may_record_unauthenticated() {
            self.gw.connections.count(Closed::Unauthenticated, source);
            return Ok(Recorded::Counted);
        }
        let Some(entry) = self.facts.refusal(refusal, told) else {
            return Err(Refusal::AuditUnavailable(audit::Unavailable::Failed));
        };
        let was = std::mem::take(&mut self.facts.prompt_was);
        let body = self.kept().unsent(&self.facts, was);
        let bodies = body.into_iter().collect();
        let written = reservation.refuse(entry, bodies).await;
        written
            .map(|_receipt| Recorded::Yes)
            .map_err(Refusal::AuditUnavailable)
    }

    async fn finish(&mut self, end: End<'_>) -> Result<(), Refusal> {
        let Some(Place::Open(pending)) = self.place.take() else {
            return Err(Refusal::AuditUnavailable(audit::Unavailable::Failed));
        };
        let outcome = self.outcome(&end, &pending);
        let withheld = self.withheld();
        let shown = self.transcript.body(&self.kept(), &self.facts);
        let bodies = shown.into_iter().chain(end.said).collect();
        let written = pending.outcome_or(outcome, withheld, bodies).await;
        written.map(drop).map_err(Refusal::AuditUnavailable)
    }

    fn outcome(&self, end: &End<'_>, pending: &Pending) -> Outcome {
        Outcome {
            http: end.http,
            code: end.code.clone(),
            finish: self.facts.finish.clone(),
            tokens: self.facts.tokens,
            checks: self.facts.answer_checks.clone(),
            ms_total: self.elapsed_ms(),
            ms_first_byte: self.facts.first_byte_ms,
            released_bytes: self.transcript.bytes(),
            stripped: u32::try_from(self.facts.upstream.stripped).unwrap_or(u32::MAX),
            spoke_after_end: self.facts.upstream.spoke_after_end,
            vendor: self.facts.vendor_id.as_deref().map(|id| pending.digest(id)),
            // The log knows the intent's true place.
            ..Outcome::bare(self.request_id(), audit::EntryIndex(0), end.status)
        }
    }

    /// What is true if the end does not go out: a stream has shown what it had, a plain answer nothing.
    fn withheld(&self) -> audit::Withheld {
        match self.head_sent {
            0 => audit::Withheld {
                http: 503,
                released_bytes: 0,
            },
            http => audit::Withheld {
                http,
                released_bytes: self.released_bytes,
            },
        }
    }

    /// How much of what is said is kept.
    fn level(&self) -> AuditLevel {
        self.gw.config.audit.level(self.facts.op)
    }

    /// That, and whose it is.
    fn kept(&self) -> Kept {
        Kept {
            level: self.level(),
            whose: self.facts.who.as_ref().map(|who| who.principal.clone()),
        }
    }

    fn request_id(&self) -> RequestId {
        RequestId::from_bytes(*self.facts.id.as_bytes())
    }

    fn elapsed_ms(&self) -> u32 {
        u32::try_from(self.started.elapsed().as_millis()).unwrap_or(u32::MAX)
    }
}

/// The client left before the pipeline came to anything.
impl Drop for Trail {
    fn drop(&mut self) {
        self.gw.metrics.in_flight.dec();
        self.gw
            .metrics
            .seconds
            .observe(self.started.elapsed().as_secs_f64());
        match self.place.take() {
            None => {}
            Some(Place::Reserved(_)) => self
                .gw
                .connections
                .count(Closed::ClientGone, self.facts.src.ip),
            Some(Place::Open(pending)) => {
                let status = match std::thread::panicking() {
                    true => OutcomeStatus::Abandoned,
                    false => OutcomeStatus::ClientGone,
                };
                let outcome = self.outcome(&End::well(status, self.head_sent), &pending);
                let shown = self.transcript.body(&self.kept(), &self.facts);
                pending.abandon(outcome, shown.into_iter().collect());
            }
        }
    }
}

impl Facts {
    fn of(incoming: &Incoming, listener: &audit::Name) -> Facts {
        let op = route::of(incoming).map_or(audit::Op::Unknown, |route| route.op());
        let peer = incoming.peer.address;
        Facts {
            id: incoming.id,
            src: audit::Source {
                ip: peer.ip(),
                port: peer.port(),
                listener: listener.clone(),
            },
            op,
            path: incoming.head.uri.to_string(),
            method: incoming.head.method.to_string(),
            who: None,
            model: None,
            reason: None,
            purpose: None,
            label: None,
            authority: None,
            policy: None,
            prompt_checks: Vec::new(),
            answer_checks: Vec::new(),
            dropped: Dropped::default(),
            model_asked: None,
            stream: false,
            wanted: Wanted::default(),
            action: Action::Allow,
            finish: Vec::new(),
            tokens: None,
            upstream: Remarks::default(),
            first_byte_ms: None,
            ending: None,
            vendor_id: None,
            odd_reasons: BTreeMap::new(),
            prompt_was: Vec::new(),
            answer_was: Vec::new(),
        }
    }

    /// `None` if the configuration registered a name that is none; loading has checked them.
    fn intent(&self, permit: &Permit, target: &Target) -> Option<Intent> {
        Some(Intent {
            req: RequestId::from_bytes(*self.id.as_bytes()),
            op: self.op,
            stream: self.stream,
            src: self.src.clone(),
            who: self.who.clone()?,
            model: audit::Name::new(&target.model)?,
            backend: audit::Name::new(&target.backend)?,
            policy: self.policy.clone()?,
            label: audit::Name::new(&permit.label().to_string())?,
            checks: self.prompt_checks.clone(),
            dropped: self.dropped.count,
        })
    }

    /// What was said, where that was the question; `None` where no rule was asked to permit it.
    fn judged(&self) -> Option<audit::Judged> {
        Some(audit::Judged {
            model: self.model.clone()?,
            policy: self.policy.clone()?,
            label: self.label.clone()?,
            checks: self.prompt_checks.clone(),
            dropped: self.dropped.count,
        })
    }

    fn refusal(&self, refusal: &Refusal, told: &Described) -> Option<RefusalEntry> {
        let kind = if told.status.is_server_error() {
            RefusalKind::Undecided
        } else {
            RefusalKind::Deny
        };
        Some(RefusalEntry {
            kind,
            req: RequestId::from_bytes(*self.id.as_bytes()),
            op: self.op,
            src: self.src.clone(),
            who: self.who.clone(),
            model: self.model.clone(),
            http: told.status.as_u16(),
            code: audit::Name::new(told.code)?,
            stage: audit::Name::literal(entries::stage(refusal)),
            reason: self.reason.clone(),
            policy: self.policy.clone(),
            purpose: self.purpose.clone(),
            label: self.label.clone(),
            authority: self.authority.clone(),
            checks: self.prompt_checks.clone(),
            dropped: self.dropped.count,
        })
    }
}
