//! May they, for this data and purpose? The policy decides; this stage only says what is asked.

use policy::{Ask, Object, Permit, Policy, Refused};

use crate::Gateway;
use crate::pipeline::authenticate::Caller;
use crate::pipeline::label::Labelled;
use crate::pipeline::trail::Trail;
use crate::refusal::Refusal;

/// Asks the policy, and notes the rule that matched on the trail.
///
/// # Errors
/// [`Refusal::AccessDenied`], [`Refusal::ModelNotFound`] for a model that this subject may not know of, and
/// [`Refusal::PolicyUnavailable`] where the policy could not decide.
pub fn permit<Q>(
    gw: &Gateway,
    policy: &Policy,
    caller: &Caller,
    labelled: &Labelled<Q>,
    model: &str,
    trail: &mut Trail,
) -> Result<Permit, Refusal> {
    let ask = Ask {
        object: Object::Model(model),
        action: labelled.prompt.action,
        purpose: caller.purpose.as_deref(),
        data: &labelled.label,
        zone: &caller.zone,
        at: policy::UnixTime(gw.now().as_second()),
    };
    let decided = match &caller.user {
        Some(user) => policy.authorize_both(&caller.subject, user, &ask),
        None => policy.authorize(&caller.subject, &ask),
    };
    match decided {
        Ok(permit) => {
            trail.permitted_by(&permit);
            Ok(permit)
        }
        Err(Refused::Denied(denied)) => {
            trail.denied_by(policy, caller, &ask, &denied);
            Err(Refusal::AccessDenied(denied))
        }
        Err(Refused::Hidden) => Err(Refusal::ModelNotFound),
        Err(Refused::Undecided(_)) => Err(Refusal::PolicyUnavailable),
    }
}
