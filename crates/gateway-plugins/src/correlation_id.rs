//! correlation-id: a request has an id, which the upstream and perhaps the client are told.

mod schema;

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gateway_proxy::pdk::{
    Access, Context, Definition, Environment, Phases, Plugin, RequestBody, ResponseHead, headers,
};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

pub(crate) use schema::schema;

const DEFAULT_NAME: &str = "Kong-Request-ID";

/// Registers the plugin.
#[derive(Debug)]
pub(crate) struct CorrelationId;

impl Definition for CorrelationId {
    fn name(&self) -> &'static str {
        "correlation-id"
    }

    fn priority(&self) -> i32 {
        100_001
    }

    fn compile(&self, config: &Value, environment: &Environment) -> Result<Arc<dyn Plugin>, String> {
        let config = Config::deserialize(config).map_err(|error| error.to_string())?;
        let name = config.header_name.unwrap_or_else(|| DEFAULT_NAME.to_owned());
        if !headers::is_name(name.as_bytes()) {
            return Err(format!("header_name '{name}' is not a header name: take letters, digits and '-'"));
        }
        let numbers = environment.node.shared(|| Numbers {
            start: Uuid::new_v4(),
            last: AtomicU64::new(0),
            tracked: AtomicU64::new(0),
        });
        Ok(Arc::new(Compiled { name, generator: config.generator, echo: config.echo_downstream, numbers }))
    }
}

#[derive(Deserialize)]
struct Config {
    header_name: Option<String>,
    generator: Generator,
    echo_downstream: bool,
}

/// How ids are made.
#[derive(Clone, Copy, Debug, Deserialize)]
enum Generator {
    #[serde(rename = "uuid")]
    Random,
    #[serde(rename = "uuid#counter")]
    Counter,
    #[serde(rename = "tracker")]
    Tracker,
}

/// The node's counts of ids.
#[derive(Debug)]
struct Numbers {
    start: Uuid,
    last: AtomicU64,
    tracked: AtomicU64,
}

#[derive(Debug)]
struct Compiled {
    name: String,
    generator: Generator,
    echo: bool,
    numbers: Arc<Numbers>,
}

/// The id of a request whose answer shall have it.
struct Id(Vec<u8>);

impl Plugin for Compiled {
    fn phases(&self) -> Phases {
        Phases { access: true, header_filter: self.echo, ..Phases::default() }
    }

    fn access<'a>(&'a self, context: &'a mut Context, _: &'a mut dyn RequestBody) -> Access<'a> {
        let given = context.request.headers.get(&self.name).filter(|id| !id.is_empty());
        let id = match given {
            Some(given) if self.echo => given.to_vec(),
            Some(_) => return Access::Continue,
            None => {
                let id = self.generate(context);
                context.request.headers.set(&self.name, &id);
                id.into_bytes()
            }
        };
        if self.echo {
            context.keep(Id(id));
        }
        Access::Continue
    }

    fn header_filter(&self, context: &mut Context, response: &mut ResponseHead) {
        match context.kept::<Id>() {
            Some(Id(id)) => response.headers.set(&self.name, id),
            None => response.headers.set(&self.name, self.generate(context)),
        }
    }
}

impl Compiled {
    fn generate(&self, context: &Context) -> String {
        let mut id = String::with_capacity(Hyphenated::LENGTH + 12);
        let written = match self.generator {
            Generator::Random => write!(id, "{}", Uuid::new_v4().hyphenated()),
            Generator::Counter => write!(id, "{}#{}", self.numbers.start.hyphenated(), next(&self.numbers.last)),
            Generator::Tracker => {
                let client = &context.client;
                let now = context.now_ms() as f64 / 1000.0;
                let process = std::process::id();
                let (ip, port) = (client.local.ip(), client.local.port());
                write!(id, "{ip}-{port}-{process}-{}-{}-{now:.3}", client.peer.port(), next(&self.numbers.tracked))
            }
        };
        written.expect("a String takes every write");
        id
    }
}

fn next(count: &AtomicU64) -> u64 {
    count.fetch_add(1, Ordering::Relaxed) + 1
}
