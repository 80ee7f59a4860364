//! Cedar: one policy for each row, with roles as parents of principals and labels as a level with a set of needs.

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicySet, Request as Question,
    RestrictedExpression,
};

use crate::{
    Engine,
    rules::{ASSURANCE, ROLES, Request, Row, Rules, principal, tenant},
};

pub(crate) struct Cedar {
    authorizer: Authorizer,
    policies: PolicySet,
    entities: Entities,
}

impl Engine for Cedar {
    const NAME: &'static str = "Cedar";

    fn load(rules: &Rules) -> Self {
        let policies: String = rules.rows.iter().map(policy).collect();
        let all = (0..rules.tenants).flat_map(|tenant| (0..ROLES).map(move |role| (tenant, role)));
        let entities = all.flat_map(|(tenant, number)| {
            let role = role(tenant, number);
            let person = uid("Principal", &principal(tenant, number));
            [
                Entity::with_uid(role.clone()),
                Entity::new_no_attrs(person, [role].into()),
            ]
        });
        Self {
            authorizer: Authorizer::new(),
            policies: policies.parse().expect("policies"),
            entities: Entities::from_entities(entities, None).expect("entities"),
        }
    }

    fn permits(&self, request: &Request) -> bool {
        let text = |text: String| RestrictedExpression::new_string(text);
        let number = RestrictedExpression::new_long;
        let needs = request.label.needs().iter().cloned().map(text);
        let context = Context::from_pairs([
            ("purpose".into(), text(format!("p.{}", request.purpose))),
            ("level".into(), number(request.label.level() as i64)),
            (
                "needs".into(),
                RestrictedExpression::new_set(needs.collect::<Vec<_>>()),
            ),
            ("zone".into(), text(request.zone.to_owned())),
            ("assurance".into(), number(ASSURANCE.into())),
        ]);
        let question = Question::new(
            uid("Principal", &principal(request.tenant, request.role)),
            uid("Action", "chat"),
            uid("Model", &format!("m{}", request.model)),
            context.expect("a context"),
            None,
        );
        let question = question.expect("a request");
        let answer = self
            .authorizer
            .is_authorized(&question, &self.policies, &self.entities);
        answer.decision() == Decision::Allow
    }
}

/// A row in Cedar's language. A role of a tenant is an entity of its own, so that the tenant needs no comparison.
fn policy(row: &Row) -> String {
    let [first, second] = row.purposes;
    let level = row.label.level() as i64;
    let needs: Vec<String> = row
        .label
        .needs()
        .iter()
        .map(|need| format!("\"{need}\""))
        .collect();
    let needs = format!("[{}]", needs.join(", "));
    let (effect, label) = match row.deny {
        true => (
            "forbid",
            format!("context.level >= {level} && context.needs.containsAll({needs})"),
        ),
        false => (
            "permit",
            format!("context.level <= {level} && {needs}.containsAll(context.needs)"),
        ),
    };
    let assurance = if row.deny { 1 } else { row.assurance };
    format!(
        "{effect}(principal in {}, action == Action::\"chat\", resource == Model::\"m{}\") when {{ [\"p.{first}\", \"p.{second}\"].contains(context.purpose) && {label} && context.zone == \"{}\" && context.assurance >= {assurance} }};\n",
        role(row.tenant, row.role),
        row.model,
        row.zone,
    )
}

fn role(nth: usize, role: usize) -> EntityUid {
    uid("Role", &format!("{}/r{role}", tenant(nth)))
}

fn uid(kind: &str, name: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.parse().expect("a type"), name.parse().expect("an id"))
}
