//! The tools of a request: functions, and groups of them.
//!
//! A *namespace* groups functions (OpenAI API reference, *Namespace tools*). Model servers know none, so a function of one
//! is called by both names there, `crm__lookup`, and the answer tells its call as the caller has it. What is said of a
//! group is said of each of its functions.

use backends::Tool;

use crate::dialect::namespaced;
use crate::json::Json;
use crate::pipeline::ingest::Places;
use crate::pipeline::ingest::chat::{TOOLS_MAX, schema};
use crate::pipeline::ingest::fields::Fields;
use crate::refusal::BadRequest;

/// The functions of a request, and the names of their groups.
#[derive(Default)]
pub(super) struct Tools {
    pub(super) functions: Vec<Tool>,
    pub(super) namespaces: Vec<String>,
}

/// The group that a function is read in.
struct Group {
    name: String,
    description: Option<String>,
}

impl Tools {
    pub(super) fn read(top: &mut Fields<'_>, places: &mut Places) -> Result<Tools, BadRequest> {
        let mut tools = Tools::default();
        for (at, item) in few(top, "tools")?.into_iter().enumerate() {
            let mut tool = Fields::of(format!("tools[{at}]"), item, top.dropped())?;
            match tool.required_string("type")?.as_str() {
                "function" => tools.function(tool, None, places)?,
                "namespace" => tools.group(tool, places)?,
                _ => return Err(not_run(&tool)),
            }
        }
        Ok(tools)
    }

    fn group(&mut self, mut tool: Fields<'_>, places: &mut Places) -> Result<(), BadRequest> {
        let group = Group {
            name: tool.required_string("name")?,
            description: tool.string("description")?,
        };
        let path = tool.path("tools");
        for (at, item) in few(&mut tool, "tools")?.into_iter().enumerate() {
            let mut function = Fields::of(format!("{path}[{at}]"), item, tool.dropped())?;
            if function.required_string("type")? != "function" {
                return Err(not_run(&function));
            }
            self.function(function, Some(&group), places)?;
        }
        tool.finish();
        self.namespaces.push(group.name);
        Ok(())
    }

    fn function(
        &mut self,
        mut tool: Fields<'_>,
        group: Option<&Group>,
        places: &mut Places,
    ) -> Result<(), BadRequest> {
        if self.functions.len() >= TOOLS_MAX {
            return Err(too_many("tools"));
        }
        let (name, description) = (tool.required_string("name")?, tool.string("description")?);
        let (name, description) = match group {
            None => (name, description),
            Some(group) => {
                let all = [group.description.clone(), description];
                let all: Vec<String> = all.into_iter().flatten().collect();
                let description = (!all.is_empty()).then(|| all.join("\n"));
                (namespaced(&group.name, &name), description)
            }
        };
        if group.is_some() && self.functions.iter().any(|known| known.name == name) {
            let message =
                format!("is, with its namespace, the name of another function ('{name}')");
            return Err(BadRequest::invalid(&tool.path("name"), &message));
        }
        for field in ["name", "description", "parameters"] {
            places.put(
                format!("tools[{}].function.{field}", self.functions.len()),
                tool.path(field),
            );
        }
        self.functions.push(Tool {
            name,
            description,
            parameters: schema(&mut tool, "parameters")?,
            strict: tool.boolean("strict")?,
        });
        tool.inert(&["defer_loading"]);
        tool.finish();
        Ok(())
    }
}

fn few(of: &mut Fields<'_>, key: &str) -> Result<Vec<Json>, BadRequest> {
    let path = of.path(key);
    let items = of.array(key)?.unwrap_or_default();
    match items.len() > TOOLS_MAX {
        true => Err(too_many(&path)),
        false => Ok(items),
    }
}

fn too_many(path: &str) -> BadRequest {
    BadRequest::invalid(path, &format!("must hold at most {TOOLS_MAX} tools"))
}

fn not_run(tool: &Fields<'_>) -> BadRequest {
    let why = "only functions are, which the caller runs itself";
    super::unsupported(&tool.path("type"), why)
}
