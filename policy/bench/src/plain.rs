//! Casbin as its documentation shows it: one model, one list of rules, `enforce`. The columns and the comparisons are
//! those of `model.conf`; every call looks at every rule.

use casbin::{
    CoreApi, DefaultModel, Enforcer, MemoryAdapter, MgmtApi, function_map::OperatorFunction,
    rhai::ImmutableString,
};
use policy::Label;

use crate::{
    Engine,
    rules::{ASSURANCE, ROLES, Request, Rules, principal, tenant},
};

const MODEL: &str = "
[request_definition]
r = sub, dom, obj, act, purp, data, zone, aal
[policy_definition]
p = rid, role, dom, obj, act, purp, label, zone, aal, eft
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = r.dom == p.dom && g(r.sub, p.role, r.dom) && r.obj == p.obj && r.act == p.act && one_of(r.purp, p.purp) && in_scope(r.data, p.label) && r.zone == p.zone && at_least(r.aal, p.aal)
";

pub(crate) struct Plain(Enforcer);

impl Engine for Plain {
    const NAME: &'static str = "casbin, plain `enforce`";

    fn load(rules: &Rules) -> Self {
        now(async {
            let model = DefaultModel::from_str(MODEL).await.expect("a model");
            let mut enforcer = Enforcer::new(model, MemoryAdapter::default())
                .await
                .expect("an enforcer");
            functions(&mut enforcer);
            let rows = rules.rows.iter().enumerate().map(|(nth, row)| {
                let (direction, effect) = if row.deny {
                    (">", "deny")
                } else {
                    ("<", "allow")
                };
                let [first, second] = row.purposes;
                vec![
                    format!("R-{nth}"),
                    format!("role:r{}", row.role),
                    tenant(row.tenant),
                    format!("model/m{}", row.model),
                    "chat".into(),
                    format!("p.{first}|p.{second}"),
                    format!("{direction}{}", row.label),
                    row.zone.into(),
                    if row.deny { 1 } else { row.assurance }.to_string(),
                    effect.into(),
                ]
            });
            enforcer.add_policies(rows.collect()).await.expect("rows");
            let all =
                (0..rules.tenants).flat_map(|tenant| (0..ROLES).map(move |role| (tenant, role)));
            let links = all.map(|(nth, role)| {
                vec![principal(nth, role), format!("role:r{role}"), tenant(nth)]
            });
            enforcer
                .add_grouping_policies(links.collect())
                .await
                .expect("links");
            Self(enforcer)
        })
    }

    fn permits(&self, request: &Request) -> bool {
        let request = (
            principal(request.tenant, request.role),
            tenant(request.tenant),
            format!("model/m{}", request.model),
            "chat",
            format!("p.{}", request.purpose),
            request.label.to_string(),
            request.zone,
            ASSURANCE.to_string(),
        );
        self.0.enforce(request).expect("an answer")
    }
}

/// The comparisons of a cell with more than one value.
fn functions(enforcer: &mut Enforcer) {
    let two = OperatorFunction::Arg2;
    enforcer.add_function(
        "one_of",
        two(|name, cell| one_of(&text(name), &text(cell)).into()),
    );
    enforcer.add_function(
        "in_scope",
        two(|data, cell| in_scope(&text(data), &text(cell)).into()),
    );
    enforcer.add_function(
        "at_least",
        two(|have, cell| (text(have) >= text(cell)).into()),
    );
}

fn text(value: casbin::rhai::Dynamic) -> ImmutableString {
    value.into_immutable_string().unwrap_or_default()
}

fn one_of(name: &str, cell: &str) -> bool {
    cell.split('|').any(|known| known == name)
}

fn in_scope(data: &str, cell: &str) -> bool {
    let (direction, label) = cell.split_at(1);
    match (Label::parse(data), Label::parse(label)) {
        (Ok(data), Ok(label)) if direction == "<" => label.dominates(&data),
        (Ok(data), Ok(label)) => data.dominates(&label),
        _ => false,
    }
}

/// What casbin's futures come to: nothing here waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => unreachable!("nothing does I/O"),
    }
}
