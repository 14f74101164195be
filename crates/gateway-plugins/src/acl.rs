//! acl: consumers let in or kept out by their groups.

mod schema;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use gateway_proxy::pdk::{
    Access, Answer, Context, Credential, Definition, Environment, Parsed, Phases, Plugin, RequestBody,
};
use serde::Deserialize;
use serde_json::Value;

use crate::auth;

pub(crate) use schema::schema;

const COLLECTION: &str = "acls";
const CONSUMER_GROUPS: &str = "X-Consumer-Groups";
const AUTHENTICATED_GROUPS: &str = "X-Authenticated-Groups";

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct Acl;

impl Definition for Acl {
    fn name(&self) -> &'static str {
        "acl"
    }

    fn priority(&self) -> i32 {
        950
    }

    fn compile(&self, config: &Value, _: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        let rule = match (config.deny, config.allow) {
            (Some(deny), _) if !deny.is_empty() => Rule::Deny(deny),
            (_, Some(allow)) => Rule::Allow(allow),
            (deny, None) => Rule::Deny(deny.unwrap_or_default()),
        };
        Ok(Arc::new(Compiled {
            rule,
            hide: config.hide_groups_header,
            prefer_authenticated: config.always_use_authenticated_groups,
        }))
    }

    fn collections(&self) -> &'static [&'static str] {
        &[COLLECTION]
    }

    /// A group is only found through its consumer.
    fn credential(&self, _: &str, document: &Value) -> Result<Parsed, String> {
        let group: Box<str> = auth::text(document, "group")?.into();
        Ok(Parsed { key: "".into(), value: Arc::new(Group(group)) })
    }
}

#[derive(Deserialize)]
struct Config {
    allow: Option<Vec<String>>,
    deny: Option<Vec<String>>,
    hide_groups_header: bool,
    always_use_authenticated_groups: bool,
}

/// A group that a consumer is in.
struct Group(Box<str>);

#[derive(Debug)]
struct Compiled {
    rule: Rule,
    hide: bool,
    prefer_authenticated: bool,
}

#[derive(Debug)]
enum Rule {
    Allow(Vec<String>),
    Deny(Vec<String>),
}

impl Rule {
    fn lets_in<'a>(&self, mut groups: impl Iterator<Item = &'a str>) -> bool {
        match self {
            Self::Allow(listed) => groups.any(|group| listed.iter().any(|one| one == group)),
            Self::Deny(listed) => !groups.any(|group| listed.iter().any(|one| one == group)),
        }
    }
}

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { access: true, ..Phases::default() }
    }

    fn access<'a>(&'a self, context: &'a mut Context, _: &'a mut dyn RequestBody) -> Access<'a> {
        let authenticated = context.credential.is_some();
        let consults_groups = context.consumer.is_none() || !authenticated || self.prefer_authenticated;
        if consults_groups && let Some(groups) = &context.groups {
            let groups = groups.iter().map(String::as_str);
            return match self.decide(groups) {
                Some(header) => self.admit(context, AUTHENTICATED_GROUPS, header),
                None => forbid(),
            };
        }
        let Some(consumer) = &context.consumer else {
            return if authenticated { forbid() } else { unauthorized() };
        };
        let memberships = context.directory.credentials_of(COLLECTION, &consumer.id);
        if memberships.is_empty() && matches!(self.rule, Rule::Allow(_)) {
            return if authenticated { forbid() } else { unauthorized() };
        }
        match self.decide(memberships.iter().filter_map(|membership| group(membership))) {
            Some(header) => self.admit(context, CONSUMER_GROUPS, header),
            None => forbid(),
        }
    }
}

impl Compiled {
    /// `None` to refuse, else what the upstream is told.
    fn decide<'a>(&self, groups: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
        if !self.rule.lets_in(groups.clone()) {
            return None;
        }
        let mut header = String::new();
        if !self.hide {
            for group in groups {
                if !header.is_empty() {
                    header.push_str(", ");
                }
                header.push_str(group);
            }
        }
        Some(header)
    }

    fn admit(&self, context: &mut Context, name: &str, groups: String) -> Access<'static> {
        if !self.hide {
            context.request.headers.set(name, groups);
        }
        Access::Continue
    }
}

fn group(membership: &Credential) -> Option<&str> {
    membership.value().map(|Group(group)| &**group)
}

fn forbid() -> Access<'static> {
    Access::respond(Answer::error(403, "You cannot consume this service"))
}

fn unauthorized() -> Access<'static> {
    Access::respond(Answer::error(401, "Unauthorized"))
}
