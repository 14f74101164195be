//! bot-detection: clients that call themselves robots are refused.

mod robots;
mod schema;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use gateway_proxy::pdk::{Access, Answer, Context, Definition, Environment, Phases, Plugin, RequestBody};
use regex::bytes::{RegexSet, RegexSetBuilder};
use serde::Deserialize;
use serde_json::Value;

pub(crate) use schema::schema;

/// How much memory the expressions of one list may take.
const SIZE_LIMIT: usize = 16 << 20;

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct BotDetection;

impl Definition for BotDetection {
    fn name(&self) -> &'static str {
        "bot-detection"
    }

    fn priority(&self) -> i32 {
        2500
    }

    fn compile(&self, config: &Value, environment: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        let set = |field: &str, list: Option<Vec<String>>| {
            let set = RegexSetBuilder::new(list.unwrap_or_default()).size_limit(SIZE_LIMIT).build();
            set.map_err(|error| format!("{field}: {error}"))
        };
        Ok(Arc::new(Compiled {
            allow: set("allow", config.allow)?,
            deny: set("deny", config.deny)?,
            robots: environment.node.shared(robots::Robots::new),
        }))
    }
}

#[derive(Deserialize)]
struct Config {
    allow: Option<Vec<String>>,
    deny: Option<Vec<String>>,
}

#[derive(Debug)]
struct Compiled {
    allow: RegexSet,
    deny: RegexSet,
    robots: Arc<robots::Robots>,
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { access: true, ..Phases::default() }
    }

    fn access<'a>(&'a self, context: &'a mut Context, _: &'a mut dyn RequestBody) -> Access<'a> {
        let mut agents = context.request.headers.get_all("user-agent");
        let Some(agent) = agents.next() else {
            return Access::Continue;
        };
        if agents.next().is_some() {
            return Access::respond(Answer::error(400, "Only one User-Agent header allowed"));
        }
        let agent = agent.trim_ascii();
        let passes = self.allow.is_match(agent) || !self.deny.is_match(agent) && !self.robots.include(agent);
        if passes { Access::Continue } else { Access::respond(Answer::error(403, "Forbidden")) }
    }
}
