//! What a subject may do, and who may do a thing: the questions of a review, answered from the rules.
//!
//! For each allow row that concerns a subject, every combination of registered model or tool, action,
//! granted purpose and zone is put to [`Policy::authorize`] with unclassified data at one moment; what
//! it permits is reported with the highest label that the row, the clearance, the zone and the model
//! admit together, and with the deny rows that cut in below it. Combinations are joined only where
//! they are alike in everything else, so a listing claims neither more nor less than the decisions.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Policy,
    decision::{Ask, Object},
    label::Label,
    rule::{Action, Facts, Rule, RuleRef},
    subject::Subject,
    time::UnixTime,
};

/// Some things that a subject may do under one rule: each action for each purpose in each zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// `model/…` or `tool/…`.
    pub object: String,
    /// The actions.
    pub actions: BTreeSet<Action>,
    /// The purposes.
    pub purposes: BTreeSet<String>,
    /// The zones.
    pub zones: BTreeSet<String>,
    /// The highest data label.
    pub ceiling: Label,
    /// Labels from which on a deny row refuses after all, with that row.
    pub except: Vec<(Label, RuleRef)>,
    /// The guardrail profile that the rule grants.
    pub profile: String,
    /// The allow row.
    pub rule: RuleRef,
}

/// One permitted combination, before it is joined with others.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    action: Action,
    zone: String,
    purpose: String,
}

/// Which data a combination is permitted for.
#[derive(PartialEq, Eq)]
struct Bounds {
    ceiling: Label,
    except: Vec<(Label, RuleRef)>,
}

impl Policy {
    /// Everything that the subject may do at a moment, in the order of the bundle.
    #[must_use]
    pub fn reach(&self, subject: &Subject, at: UnixTime) -> Vec<Reach> {
        let mut found = Vec::new();
        for rule in &self.rules {
            if rule.is_deny() || !subject.holds(&rule.role) {
                continue;
            }
            for object in self.objects() {
                if rule.concerns(subject, &object.to_string()) {
                    found.extend(self.reach_by(rule, subject, object, at));
                }
            }
        }
        found
    }

    /// Every registered model and tool.
    pub fn objects(&self) -> impl Iterator<Item = Object<'_>> {
        let models = self
            .attributes
            .models
            .keys()
            .map(|name| Object::Model(name));
        let tools = self.attributes.tools.iter().map(|name| Object::Tool(name));
        models.chain(tools)
    }

    /// What one allow row lets the subject do with one object.
    fn reach_by(
        &self,
        rule: &Rule,
        subject: &Subject,
        object: Object<'_>,
        at: UnixTime,
    ) -> Vec<Reach> {
        let mut alike: BTreeMap<usize, Vec<Place>> = BTreeMap::new();
        let mut bounds: Vec<Bounds> = Vec::new();
        for place in self.places(rule, subject) {
            let Some(found) = self.bounds(rule, subject, object, &place, at) else {
                continue;
            };
            let nth = bounds.iter().position(|known| *known == found);
            let nth = nth.unwrap_or_else(|| {
                bounds.push(found);
                bounds.len() - 1
            });
            alike.entry(nth).or_default().push(place);
        }
        let profile = self.profile_of(rule).map_or("", AsRef::as_ref);
        let report = |(bounds, places): (Bounds, Vec<Place>)| {
            joined(places)
                .into_iter()
                .map(move |(actions, purposes, zones)| Reach {
                    object: object.to_string(),
                    actions,
                    purposes,
                    zones,
                    ceiling: bounds.ceiling.clone(),
                    except: bounds.except.clone(),
                    profile: profile.to_owned(),
                    rule: rule.reference.clone(),
                })
        };
        bounds
            .into_iter()
            .zip(alike.into_values())
            .flat_map(report)
            .collect()
    }

    /// Every combination of action, purpose and zone about which the row speaks.
    fn places(&self, rule: &Rule, subject: &Subject) -> Vec<Place> {
        let actions = Action::ALL
            .into_iter()
            .filter(|action| rule.is_about(subject.tenant(), *action));
        let mut places = Vec::new();
        for action in actions {
            for purpose in subject.purposes() {
                for zone in self.attributes.zones.keys() {
                    places.push(Place {
                        action,
                        zone: zone.clone(),
                        purpose: purpose.clone(),
                    });
                }
            }
        }
        places
    }

    /// Up to which label the row permits a combination, and where deny rows cut in; `None` if it does
    /// not permit it at all.
    fn bounds(
        &self,
        rule: &Rule,
        subject: &Subject,
        object: Object<'_>,
        place: &Place,
        at: UnixTime,
    ) -> Option<Bounds> {
        let data = Label::unclassified();
        let ask = Ask {
            object,
            action: place.action,
            purpose: Some(&place.purpose),
            data: &data,
            zone: &place.zone,
            at,
        };
        let permit = self.authorize(subject, &ask).ok()?;
        // Another row may permit what this one does not.
        if !permit.rules().contains(&rule.reference) {
            return None;
        }
        let zone = self.attributes.zones.get(&place.zone)?;
        let mut ceiling = rule.label.meet(subject.clearance()).meet(zone);
        if let Object::Model(model) = object {
            ceiling = ceiling.meet(self.attributes.models.get(model)?);
        }
        let facts = Facts {
            data: &ceiling,
            ..self.facts(subject, &ask, &place.purpose)
        };
        let (_, rows) = self.section(subject, place.action)?;
        let cuts = rows
            .iter()
            .filter(|row| row.is_deny() && row.matches(&facts));
        let except = cuts.map(|row| (row.label.clone(), row.reference.clone()));
        let except = except.collect();
        Some(Bounds { ceiling, except })
    }
}

/// Joins combinations into products: those that differ in the purpose alone, then in the zone alone,
/// then in the action alone.
fn joined(places: Vec<Place>) -> Vec<(BTreeSet<Action>, BTreeSet<String>, BTreeSet<String>)> {
    let mut by_place: BTreeMap<(Action, String), BTreeSet<String>> = BTreeMap::new();
    for place in places {
        let purposes = by_place.entry((place.action, place.zone)).or_default();
        purposes.insert(place.purpose);
    }
    let mut by_action: BTreeMap<(Action, BTreeSet<String>), BTreeSet<String>> = BTreeMap::new();
    for ((action, zone), purposes) in by_place {
        by_action
            .entry((action, purposes))
            .or_default()
            .insert(zone);
    }
    let mut out: BTreeMap<(BTreeSet<String>, BTreeSet<String>), BTreeSet<Action>> = BTreeMap::new();
    for ((action, purposes), zones) in by_action {
        out.entry((purposes, zones)).or_default().insert(action);
    }
    out.into_iter()
        .map(|((purposes, zones), actions)| (actions, purposes, zones))
        .collect()
}
