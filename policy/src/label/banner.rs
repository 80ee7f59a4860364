//! Banner lines and portion marks, as people write them.
//!
//! ```text
//! TOP SECRET//SI-G/TK//REL TO USA, GBR      (S//NF)      CUI//SP-PRVCY/EXPT//FEDCON
//! ```
//!
//! `//` separates categories, `/` items, a space or `-` a compartment from its system. The order of
//! categories is not checked: an unusual order must not lower a label.

use super::{Label, LabelError, Level, Release, check_size, countries, country, need};

/// Reads one banner. Capital letters only, as the manuals ask.
pub(super) fn parse(text: &str) -> Result<Label, LabelError> {
    let text = text.trim();
    check_size(text)?;
    let text = portion(text).trim();
    if text.starts_with("//") {
        return Err(LabelError::Foreign);
    }
    let mut categories = text.split("//");
    let mut label = Label::of(level(categories.next().unwrap_or_default().trim())?);
    for item in categories.flat_map(|category| category.split('/')) {
        add_item(&mut label, item.trim())?;
    }
    label.check_bounds()
}

/// The inside of a portion mark, or the text itself.
fn portion(text: &str) -> &str {
    text.strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
        .unwrap_or(text)
}

/// The level in either spelling.
fn level(text: &str) -> Result<Level, LabelError> {
    match text {
        "UNCLASSIFIED" => Ok(Level::U),
        "CONTROLLED" => Ok(Level::Cui),
        "CONFIDENTIAL" => Ok(Level::C),
        "SECRET" => Ok(Level::S),
        "TOP SECRET" => Ok(Level::Ts),
        short => short.parse(),
    }
}

/// Adds one item between slashes: a release marking or a need.
fn add_item(label: &mut Label, item: &str) -> Result<(), LabelError> {
    let only = match item {
        "NOFORN" | "NF" => Some(countries(["USA"])),
        "FVEY" | "REL FVEY" | "REL TO FVEY" | "REL TO USA, FVEY" => {
            Some(countries(super::FIVE_EYES))
        }
        _ => match item.strip_prefix("REL TO ") {
            Some(list) => Some(
                list.split(',')
                    .map(|code| country(code.trim()))
                    .collect::<Result<_, _>>()?,
            ),
            None => None,
        },
    };
    match only {
        Some(only) => label.release = label.release.intersect(&Release::Only(only)),
        None => add_need(label, item)?,
    }
    Ok(())
}

/// Adds a need and, for a compartment (`SI-G`), the system that it belongs to.
fn add_need(label: &mut Label, item: &str) -> Result<(), LabelError> {
    let tag = item
        .strip_prefix("SP-")
        .unwrap_or(item)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join("-");
    let tag = need(&tag)?;
    if let Some((system, _)) = tag.split_once('-') {
        label.needs.insert(need(system)?);
    }
    label.needs.insert(tag);
    Ok(())
}
