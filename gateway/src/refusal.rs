//! Every way in which a request ends without an answer. A denial and an inability to decide never share a variant:
//! `reply.rs` gives each its status, its public sentence and its log level, in one exhaustive match.

use audit::Unavailable;
use backends::UpstreamError;
use guardrails::{Finding, Report, Undecided};
use policy::{Denied, RuleRef};

/// Why there is no answer.
#[derive(Debug)]
pub enum Refusal {
    /// No credential, or one that proves nothing.
    Unauthenticated(AuthFault),
    /// An access rule says no, or none says yes.
    AccessDenied(Denied),
    /// The model does not exist, or not for this subject.
    ModelNotFound,
    /// A content rule blocks the prompt.
    Content(Box<Blocked>),
    /// The request is not one that we understand.
    BadRequest(BadRequest),
    /// The body is larger than the limit.
    TooLarge {
        /// the limit
        bytes_max: usize,
    },
    /// The body did not arrive in time.
    SlowBody,
    /// The body broke off.
    BrokenBody,
    /// No such path.
    UnknownUrl,
    /// No refusal of that id is known, or it is somebody else's.
    DecisionNotFound,
    /// The path exists, for another method.
    MethodNotAllowed {
        /// the methods it has
        allow: &'static str,
    },
    /// The body is compressed.
    UnsupportedEncoding,
    /// More requests in flight than the limit.
    Overloaded,
    /// The guardrails could not decide.
    GuardrailUnavailable(Undecided),
    /// Whether a credential holds could not be found out.
    IdentityUnavailable,
    /// The access rules could not be evaluated.
    PolicyUnavailable,
    /// What was judged is not what would be sent. A bug of ours; nothing was sent.
    ClearanceMismatch,
    /// The decision could not be recorded.
    AuditUnavailable(Unavailable),
    /// The gateway shut down before the answer was through.
    ShuttingDown,
    /// The upstream failed before anything of its answer was released.
    Upstream(Box<UpstreamError>),
}

/// A content rule's hit on a prompt, and everything that ran.
#[derive(Debug)]
pub struct Blocked {
    /// The finding that decided.
    pub finding: Finding,
    /// All checks that ran.
    pub report: Report,
    /// The access rule that had permitted the request.
    pub rule: RuleRef,
}

impl Blocked {
    /// What refused, each with its detector. What would not have refused by itself is the officer's business.
    pub fn refusing(&self) -> impl Iterator<Item = (&str, &Finding)> {
        let all = self.report.checks.iter().flat_map(|check| {
            let found = check.findings.iter();
            found.map(|found| (check.detector.as_str(), found))
        });
        all.filter(|(_, found)| found.action >= self.finding.action)
    }
}

/// Why a credential proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthFault {
    /// There is none.
    Missing,
    /// Not one of ours.
    Unknown,
    /// It was one of ours.
    Expired,
    /// A key and a certificate that stand for different principals.
    Contradictory,
    /// Two different keys in two headers.
    Ambiguous,
    /// The principal is not in the policy.
    NoSubject,
    /// A client certificate that held when the connection began, and does not any more.
    Revoked,
    /// A front end that passes no token of the user for whom it asks.
    NoUser,
    /// A user's token from somebody who may not pass one on.
    NotAFrontEnd,
}

/// What is wrong with a request, said so that its author can mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRequest {
    /// Machine-readable kind, such as `invalid_type`.
    pub code: &'static str,
    /// JSON path of the place.
    pub param: Option<String>,
    /// A sentence. Never holds what the caller wrote.
    pub message: String,
}

impl BadRequest {
    /// A value of the wrong type.
    pub fn wrong_type(path: &str, wanted: &str, found: &str) -> BadRequest {
        let place = if path.is_empty() {
            "The body".to_owned()
        } else {
            format!("'{path}'")
        };
        let message = format!("{place} must be {wanted}, not {found}.");
        BadRequest {
            code: "invalid_type",
            param: Some(path.to_owned()).filter(|p| !p.is_empty()),
            message,
        }
    }

    /// A required value that is not there.
    pub fn missing(path: &str) -> BadRequest {
        BadRequest {
            code: "missing_required_parameter",
            param: Some(path.to_owned()),
            message: format!("'{path}' is required."),
        }
    }

    /// A value outside what is allowed.
    pub fn invalid(path: &str, must: &str) -> BadRequest {
        BadRequest {
            code: "invalid_value",
            param: Some(path.to_owned()),
            message: format!("'{path}': {must}."),
        }
    }

    /// No body at all.
    pub fn empty() -> BadRequest {
        BadRequest {
            code: "invalid_json",
            param: None,
            message: "The body is empty; it must be a JSON object.".to_owned(),
        }
    }
}

impl From<BadRequest> for Refusal {
    fn from(fault: BadRequest) -> Refusal {
        Refusal::BadRequest(fault)
    }
}

impl From<UpstreamError> for Refusal {
    fn from(error: UpstreamError) -> Refusal {
        Refusal::Upstream(Box::new(error))
    }
}
