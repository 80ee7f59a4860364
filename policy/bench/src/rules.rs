//! Rules as an agency has them: a hundred rows for each tenant, about ten roles, ten models and twenty purposes, one
//! of ten a denial; and requests that are all different.

use policy::{Label, Level};

/// Everything about which the engines are asked.
pub(crate) struct Rules {
    pub(crate) tenants: usize,
    pub(crate) rows: Vec<Row>,
}

/// One row of `rules.csv`.
pub(crate) struct Row {
    pub(crate) tenant: usize,
    pub(crate) role: usize,
    pub(crate) model: usize,
    pub(crate) purposes: [usize; 2],
    pub(crate) label: Label,
    pub(crate) zone: &'static str,
    pub(crate) assurance: u8,
    pub(crate) deny: bool,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) tenant: usize,
    /// The principal's number in its tenant, and the only role that it holds.
    pub(crate) role: usize,
    pub(crate) model: usize,
    pub(crate) purpose: usize,
    pub(crate) label: Label,
    pub(crate) zone: &'static str,
}

/// Of each principal.
pub(crate) const ASSURANCE: u8 = 2;
pub(crate) const MODELS: usize = 10;
pub(crate) const PURPOSES: usize = 20;
pub(crate) const ROLES: usize = 10;
pub(crate) const ROWS_EACH: usize = 100;
pub(crate) const ZONES: [&str; 2] = ["net", "lab"];

impl Rules {
    pub(crate) fn of(count: usize) -> Self {
        let tenants = count.div_ceil(ROWS_EACH);
        let row = |nth: usize| {
            let (tenant, nth) = (nth / ROWS_EACH, nth % ROWS_EACH);
            Row {
                tenant,
                role: nth % ROLES,
                model: (nth / ROLES + nth) % MODELS,
                purposes: [nth % PURPOSES, (nth * 7 + 3) % PURPOSES],
                label: labels()[nth % 3].clone(),
                zone: ZONES[nth / 50],
                assurance: if nth % 7 == 0 { 3 } else { 2 },
                deny: nth % 10 == 9 && nth % 20 == 19,
            }
        };
        Self {
            tenants,
            rows: (0..count).map(row).collect(),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.rows.len()
    }

    /// The request of a number, spread over tenants first: half of them about what some row is for.
    pub(crate) fn request(&self, nth: usize) -> Request {
        let mixed = nth.wrapping_mul(2_654_435_761) >> 7;
        if nth % 2 == 0 {
            let row = &self.rows[mixed % self.rows.len()];
            return Request {
                tenant: row.tenant,
                role: row.role,
                model: row.model,
                purpose: row.purposes[nth / 2 % 2],
                label: labels()[(mixed / 3) % 3].clone(),
                zone: row.zone,
            };
        }
        Request {
            tenant: nth % self.tenants,
            role: mixed % ROLES,
            model: (mixed / 10) % MODELS,
            purpose: (mixed / 100) % PURPOSES,
            label: labels()[(mixed / 3) % 3].clone(),
            zone: ZONES[(mixed / 5) % 2],
        }
    }
}

/// What data bears, and what rows are for.
pub(crate) fn labels() -> [Label; 3] {
    ["U", "CUI", "CUI:PRVCY"].map(|text| Label::parse(text).unwrap_or_else(|_| Label::of(Level::U)))
}

pub(crate) fn tenant(nth: usize) -> String {
    format!("t/o/m{nth}")
}

pub(crate) fn principal(tenant: usize, role: usize) -> String {
    format!("svc:app-{tenant}-{role}")
}
