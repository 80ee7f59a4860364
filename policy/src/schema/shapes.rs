//! The shape of each TOML file, written down for people and editors. Nothing is read with these types:
//! the loader reads value by value, so that every mistake has its place.
#![expect(dead_code, reason = "only their schemas are used")]

use std::collections::BTreeMap;

use schemars::{
    JsonSchema, Schema,
    generate::SchemaSettings,
    json_schema,
    transform::{RecursiveTransform, Transform},
};
use serde_json::Value;

/// The schema of every file, by the file's name.
pub(super) fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("attributes.toml", of::<Attributes>()),
        ("authorities.toml", of::<Authorities>()),
        ("bundle.toml", of::<Bundle>()),
        ("identities.toml", of::<Identities>()),
        ("purposes.toml", of::<Purposes>()),
        ("tests.toml", of::<Tests>()),
    ]
}

fn of<T: JsonSchema>() -> Value {
    let mut no_null = RecursiveTransform(without_null);
    let settings = SchemaSettings::draft2020_12();
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    no_null.transform(&mut schema);
    schema.to_value()
}

/// A key that may be absent is not a key that may be null: TOML has no such value.
fn without_null(schema: &mut Schema) {
    let is_null = |value: &Value| value == "null" || value["type"] == "null";
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| !is_null(name));
        if let [one] = types.as_slice() {
            let one = one.clone();
            schema.insert("type".into(), one);
        }
    }
    let Some(Value::Array(mut any)) = schema.remove("anyOf") else {
        return;
    };
    any.retain(|option| !is_null(option));
    match (any.pop(), any.is_empty()) {
        (Some(Value::Object(only)), true) => {
            for (key, value) in only {
                schema.insert(key, value);
            }
        }
        (last, _) => {
            any.extend(last);
            schema.insert("anyOf".into(), any.into());
        }
    }
}

/// What this bundle is, and which tenants and guardrail profiles it speaks about.
#[derive(JsonSchema)]
#[schemars(title = "bundle.toml", deny_unknown_fields)]
struct Bundle {
    /// The bundle's name.
    id: Word,
    /// Grows with every change; an older revision never replaces a newer one.
    #[schemars(range(min = 1), extend("examples" = [7]))]
    revision: u64,
    /// Last day on which the bundle is current. An expired bundle stays in force and raises an alarm.
    expires: LastDay,
    /// Why this revision was made.
    reason: Text,
    /// The change record on which it rests.
    ticket: Option<Text>,
    /// Guardrail profiles that rules may name, mildest first: of several, the strictest holds.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    profiles: Vec<Word>,
    /// Per cent of the rules that the cases of tests.toml must decide by. Default 0.
    #[schemars(range(max = 100))]
    coverage_floor: Option<u8>,
    /// One folder below tenants/ each.
    tenant: Option<BTreeMap<Word, Tenant>>,
}

/// The rules of one folder below tenants/.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Tenant {
    /// The tenants about which its rules may speak.
    domain: TenantPattern,
    /// Who answers for them.
    owner: Text,
}

/// The words that rules and identities may use. The levels U, CUI, C, S and TS are part of the program.
#[derive(JsonSchema)]
#[schemars(title = "attributes.toml", deny_unknown_fields)]
struct Attributes {
    /// Need-to-know tags of labels. The release marks NF, FVEY, NOREL and REL-AAA-BBB need no registration.
    need: Option<BTreeMap<NeedTag, Text>>,
    /// Where a request comes in; each listener names one.
    zone: Option<BTreeMap<Word, Ceiling>>,
    /// Models, by the name that callers use.
    model: Option<BTreeMap<Word, Ceiling>>,
    /// Weekly windows, at a fixed offset from UTC.
    window: Option<BTreeMap<Word, Window>>,
    /// Tools that a model may be given.
    tool: Option<BTreeMap<Word, Tool>>,
}

/// A zone or a model.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Ceiling {
    /// What it is, for people.
    about: Text,
    /// The highest label that may travel here, or for which the model's backend is accredited.
    ceiling: Label,
}

/// Some days, and one range of hours on each.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Window {
    /// The days on which it is open.
    #[schemars(length(min = 1))]
    days: Vec<Day>,
    /// When it opens. Default 00:00:00.
    from: Option<TimeOfDay>,
    /// When it closes. Default: the end of the day.
    until: Option<TimeOfDay>,
    /// Local time minus UTC, all year round: there is no daylight saving. Default UTC.
    utc_offset: Option<UtcOffset>,
}

/// A tool.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Tool {
    /// What it does, for people.
    about: Text,
}

/// What models may be used for. Without a purpose nothing is permitted.
#[derive(JsonSchema)]
#[schemars(title = "purposes.toml", deny_unknown_fields)]
struct Purposes {
    /// The purposes that may be granted.
    purpose: BTreeMap<Word, Purpose>,
    /// Families of purposes that nobody may use: the name itself and everything below it.
    forbidden: Option<BTreeMap<Word, Forbidden>>,
}

/// One purpose of use.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend(
    "if" = { "properties": { "high_impact": { "const": true } }, "required": ["high_impact"] },
    "then" = { "required": ["inventory", "assessment"] },
))]
struct Purpose {
    /// Who answers for it.
    owner: Text,
    /// What it is, for people.
    about: Text,
    /// Last day on which it may be used.
    expires: LastDay,
    /// Whether it is a high-impact use (OMB M-25-21), which needs `inventory` and `assessment`. Default false.
    high_impact: Option<bool>,
    /// Its number in the agency's inventory of uses.
    inventory: Option<Text>,
    /// Its impact assessment.
    assessment: Option<Text>,
    /// Use-policy clauses that an authority record must lift first. Default none.
    #[schemars(extend("examples" = [["AUP-2.1"]]))]
    needs_lifted: Option<Vec<Word>>,
}

/// A family that nobody may use, whatever a rule says.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Forbidden {
    /// Why: a clause of the use policies.
    clause: Text,
    /// What it is, for people.
    about: Text,
}

/// Named, expiring records by which an official lifts clauses of a use policy.
#[derive(JsonSchema)]
#[schemars(title = "authorities.toml", deny_unknown_fields)]
struct Authorities {
    /// By the id that audit entries cite.
    authority: Option<BTreeMap<Word, Authority>>,
}

/// One record.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Authority {
    /// The official who decided.
    official: Text,
    /// What for, for people.
    about: Option<Text>,
    /// The tenants to which it applies.
    tenant: TenantPattern,
    /// The purposes to which it applies.
    #[schemars(length(min = 1))]
    purposes: Vec<Word>,
    /// The clauses that it lifts.
    #[schemars(length(min = 1))]
    lifts: Vec<Word>,
    /// SHA-256 of the signed decision.
    document: Sha256,
    /// Last day on which it may be relied upon.
    expires: LastDay,
}

/// Who exists, and what is known about them. Roles are in the tenants' roles.csv.
#[derive(JsonSchema)]
#[schemars(title = "identities.toml", deny_unknown_fields)]
struct Identities {
    /// Principals, by namespace and name; a name that ends with `*` speaks of all below it.
    identity: Option<BTreeMap<RecordName, Identity>>,
    /// Who says what a record does not state.
    source: Option<BTreeMap<Word, Source>>,
    /// Which certificates on cards stand for people.
    card: Option<BTreeMap<Word, Card>>,
    /// Which SPIFFE ids stand for workloads.
    spiffe: Option<Spiffe>,
}

/// One principal.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Identity {
    /// Who that is, for people.
    about: Option<Text>,
    /// The one tenant to which it belongs.
    tenant: TenantOf,
    /// The highest label whose data it may handle.
    clearance: ClearanceOf,
    /// The best assurance that a session of it may have; the authenticator may lower it.
    assurance: AssuranceOf,
    /// The country to which data with a release mark must be released. Default: the clearance alone decides.
    nationality: Option<NationalityOf>,
    /// The purposes that it may select.
    #[schemars(length(min = 1))]
    purposes: Vec<Word>,
    /// The purpose that holds when the caller selects none. Default: the first.
    default_purpose: Option<Word>,
    /// What it does for the gateway itself. Officers, auditors, admins and operators check one another.
    #[schemars(extend("uniqueItems" = true))]
    duties: Option<Vec<Duty>>,
    /// Who is behind it: records of one person name the same one. Default: the principal.
    person: Option<Text>,
    /// URIs in certificates that stand for it.
    #[schemars(extend("examples" = [["spiffe://agency.example/app"]]))]
    san_uri: Option<Vec<Text>>,
    /// Host names in certificates that stand for it.
    #[schemars(extend("examples" = [["app.agency.example"]]))]
    san_dns: Option<Vec<Text>>,
    /// SHA-256 of certificates that stand for it.
    sha256: Option<Vec<Sha256>>,
}

/// A tenant, or who says which it is.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum TenantOf {
    Stated(TenantName),
    From(TenantFrom),
}

/// A tenant that a source names.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct TenantFrom {
    /// The source.
    source: Word,
    /// The tenants that it may name; for claims they must be here. Default: all that its file names.
    #[schemars(length(min = 1))]
    one_of: Option<Vec<TenantName>>,
}

/// A label, or who says which it is.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum ClearanceOf {
    Stated(Label),
    From(ClearanceFrom),
}

/// A clearance that a source gives.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ClearanceFrom {
    /// The source.
    source: Word,
    /// How much of it is believed; for claims it must be here. Default: all of it.
    at_most: Option<Label>,
}

/// An assurance, or who says which it is.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum AssuranceOf {
    Stated(Assurance),
    From(AssuranceFrom),
}

/// An assurance that a source gives.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct AssuranceFrom {
    /// The source.
    source: Word,
    /// How much of it is believed; for claims it must be here. Default: all of it.
    at_most: Option<Assurance>,
}

/// A country, or who says which it is.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum NationalityOf {
    Stated(Country),
    From(NationalityFrom),
}

/// A nationality that a source gives.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct NationalityFrom {
    /// The source.
    source: Word,
}

/// A file of the bundle, or the claims of tokens.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [
    { "required": ["file", "expires"], "not": { "anyOf": [{ "required": ["issuer"] }, { "required": ["claims"] }] } },
    { "required": ["issuer", "claims"], "not": { "anyOf": [{ "required": ["file"] }, { "required": ["expires"] }] } },
]))]
struct Source {
    /// What it is, for people.
    about: Option<Text>,
    /// A file in sources/: a heading `principal, clearance, …`, then a row for each principal.
    #[schemars(extend("examples" = ["hr.csv"]))]
    file: Option<Text>,
    /// Last day on which the file is believed.
    expires: Option<LastDay>,
    /// Whose tokens bear the claims, as in `oidc:ISSUER:…`.
    issuer: Option<Word>,
    /// The claim that says an attribute.
    #[schemars(length(min = 1))]
    claims: Option<BTreeMap<AttributeName, Text>>,
}

/// A duty for the gateway itself.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Duty {
    Officer,
    Auditor,
    Admin,
    Operator,
}

/// The cards of one public key infrastructure.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Card {
    /// What they are, for people.
    about: Option<Text>,
    /// Distinguished names of the authorities that sign them, as `portcullis certs show` prints them.
    #[schemars(length(min = 1))]
    issuers: Vec<DistinguishedName>,
    /// Certificate policies, one of which an authentication certificate bears.
    #[schemars(length(min = 1))]
    policies: Vec<ObjectIdentifier>,
    /// `edipi`: dod: and the ten digits of the subject. `subject`: piv: and a digest of the subject.
    principal: CardPrincipal,
}

/// What a card's certificate says about its holder.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum CardPrincipal {
    Edipi,
    Subject,
}

/// Workloads with SPIFFE ids.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Spiffe {
    /// The trust domains whose ids are principals: spiffe:agency.example/app.
    #[schemars(length(min = 1))]
    trust_domains: Vec<TrustDomain>,
}

/// What the bundle's authors expect it to say. `portcullis policy test` decides every case.
#[derive(JsonSchema)]
#[schemars(title = "tests.toml", deny_unknown_fields)]
struct Tests {
    /// The moment of every case that names none.
    at: Option<Moment>,
    /// The cases.
    case: Option<Vec<Case>>,
}

/// One request, and what must be said to it.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Case {
    /// What the case shows, in words.
    name: Text,
    /// Who asks for what.
    request: Request,
    /// What must be said.
    expect: Expect,
}

/// Who asks for what.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Request {
    /// The principal.
    sub: Principal,
    /// The model or tool.
    #[schemars(regex(pattern = r"^(model|tool)/."), extend("examples" = ["model/llama-3.3-70b"]))]
    obj: String,
    /// The action.
    act: Action,
    /// The purpose. Default: the principal's own.
    purp: Option<Text>,
    /// The label of the data. Default U.
    data: Option<Label>,
    /// The zone.
    zone: Word,
    /// The session's assurance. Default: the best that the identity may have.
    aal: Option<Assurance>,
    /// Claims of the token with which the principal comes.
    claims: Option<BTreeMap<String, Text>>,
    /// The moment. Default: the file's.
    at: Option<Moment>,
}

/// What must be said.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Expect {
    /// The verdict.
    verdict: Verdict,
    /// The rules on which it must rest; any if absent.
    because: Option<Vec<Word>>,
    /// The guardrail profile that is granted.
    profile: Option<Word>,
    /// The reason for a denial.
    reason: Option<Text>,
}

/// What a case may expect.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Verdict {
    Allow,
    Deny,
    Hidden,
}

/// What a subject wants to do.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Action {
    Chat,
    Complete,
    Embed,
    Moderate,
    Tool,
}

/// Authenticator assurance (NIST SP 800-63B).
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Assurance {
    Aal1,
    Aal2,
    Aal3,
}

/// A day of the week.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// A text of a form that a pattern describes.
macro_rules! text {
    ($(#[doc = $about:literal])+ $name:ident, $pattern:expr $(, $key:literal: $value:tt)*) => {
        $(#[doc = $about])+
        struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> Schema {
                json_schema!({
                    "description": concat!($($about),+).trim(),
                    "type": "string",
                    "pattern": $pattern,
                    $($key: $value,)*
                })
            }
        }
    };
}

text!(
    /// Any text that is not blank; `…` is a placeholder for somebody to fill in.
    Text, r"^(?!\s*…?\s*$)"
);
text!(
    /// Letters, digits, `.`, `_` and `-`, at most 64.
    Word, r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", "examples": ["civ-standard"]
);
text!(
    /// Capital letters, digits and `-`, at most 32; no release mark.
    NeedTag, r"^(?!(NF|FVEY|NOREL|REL)$|REL-)[A-Z0-9-]{1,32}$", "examples": ["PRVCY"]
);
text!(
    /// LEVEL or LEVEL:TAG+TAG.
    Label, r"^(U|CUI|C|S|TS)(:[A-Z0-9-]{1,}(\+[A-Z0-9-]{1,})*)?$", "examples": ["U", "CUI:PRVCY", "S:NF"]
);
text!(
    /// agency/office/mission.
    TenantName, r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9][A-Za-z0-9._-]{0,63}){2}$",
    "examples": ["demo/benefits/web"]
);
text!(
    /// agency/office/mission, or a shorter path that ends with `/*`, or `*`.
    TenantPattern,
    r"^(\*|[A-Za-z0-9][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9][A-Za-z0-9._-]{0,63})?/\*|[A-Za-z0-9][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9][A-Za-z0-9._-]{0,63}){2})$",
    "examples": ["demo/benefits/*"]
);
text!(
    /// A namespace and a name.
    Principal, r"^(svc|oidc|piv|dod|spiffe):[A-Za-z0-9._/:@+-]{1,124}$",
    "examples": ["svc:benefits-app", "piv:demo:7c1d5e"], "maxLength": 128
);
text!(
    /// A principal, or the beginning of many: a namespace and a name that ends with `:*` or `/*`.
    RecordName, r"^((svc|oidc|piv|dod|spiffe):[A-Za-z0-9._/:@+-]{1,124}|(oidc|piv|dod|spiffe):([A-Za-z0-9._/:@+-]{0,122}[:/])?\*)$",
    "examples": ["svc:benefits-app", "oidc:agency:*"], "maxLength": 128
);
text!(
    /// What a source may say.
    AttributeName, r"^(tenant|clearance|assurance|nationality)$", "examples": ["clearance"]
);
text!(
    /// Three capital letters (ISO 3166-1).
    Country, r"^[A-Z]{3}$", "examples": ["USA"]
);
text!(
    /// 64 lower-case hexadecimal digits.
    Sha256, r"^[0-9a-f]{64}$",
    "examples": ["a32442faa45d97bdca80d73f5ec10f7fad25e99a9cf9edd0b2afd8dcbd4fd68b"]
);
text!(
    /// Most specific part first, without spaces after commas.
    DistinguishedName, r"^(?!.*, )[^,=]*=[^,]*(,[^,=]*=[^,]*)*$", "examples": ["CN=Agency CA 2,O=Agency,C=US"]
);
text!(
    /// Numbers with dots; not that of the card authentication certificate, which opens without a PIN.
    ObjectIdentifier,
    r"^(?!2\.16\.840\.1\.101\.3\.2\.1\.3\.1[79]$)(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2,}$",
    "examples": ["2.16.840.1.101.3.2.1.3.13"]
);
text!(
    /// A SPIFFE trust domain, without its scheme.
    TrustDomain, r"^[a-z0-9._-]+$", "examples": ["agency.example"]
);
text!(
    /// A sign, hours and minutes.
    UtcOffset, r"^[+-](0[0-9]|1[0-4]):[0-5][0-9]$", "examples": ["-05:00"]
);
text!(
    /// The end of this day in UTC; a TOML date, without quotes.
    LastDay, r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "examples": ["2031-12-31"], "format": "date"
);
text!(
    /// A TOML time, without quotes.
    TimeOfDay, r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]+)?)?$", "examples": ["07:00:00"]
);
text!(
    /// A TOML moment with its offset, without quotes.
    Moment, r"(Z|z|[+-][0-9]{2}:[0-9]{2})$", "examples": ["2026-11-23T15:00:00Z"], "format": "date-time"
);
