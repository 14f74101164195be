//! A gateway without sockets: what phases of plugins are called with.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use base::clock::ManualClock;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use gateway_model::entities::RouterFlavor;
use gateway_model::registry::Registry;
use gateway_model::schema::Source as Generator;
use gateway_model::typed::{Consumer, Protocol, Route, Service};
use gateway_proxy::pdk::{
    Access, Answer, BodyError, Client, Content, Context, Credential, Definition, Directory, Environment, Headers,
    Method, Node, Plugin, RequestBody, RequestHead, RequestId, ResponseHead, Source, Trust, Version,
};
use runtime::tasks::Tasks;
use serde_json::{Value, json};

/// A node with consumers and a clock that is moved by hand; it starts at 2026-01-02T03:04:05Z.
pub(crate) struct Lab {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) node: Arc<Node>,
    pub(crate) directory: Directory,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::new("2026-01-02T03:04:05Z".parse().unwrap()));
        let time: Arc<dyn base::Clock> = Arc::clone(&clock) as _;
        let node = Arc::new(Node::new("host", "node-id", "3.9.3", "/nonexistent", time, Tasks::new()));
        Self { clock, node, directory: Directory::default() }
    }

    /// Puts in a consumer whose id is `id-<name>` and custom id `custom-<name>`.
    pub(crate) fn consumer(&mut self, name: &str) {
        self.directory.put_consumer(Consumer {
            id: format!("id-{name}").into(),
            username: Some(name.into()),
            custom_id: Some(format!("custom-{name}").into()),
            created_at: None,
            tags: None,
        });
    }

    /// Puts in a credential of the consumer `name`, with `id` and `ttl` (Unix milliseconds) out of its document.
    pub(crate) fn credential(&mut self, of: &dyn Definition, collection: &'static str, name: &str, document: Value) {
        let parsed = of.credential(collection, &document).unwrap();
        let Value::Object(mut fields) = document else { panic!("not an object") };
        let id = fields.remove("id").and_then(|id| id.as_str().map(Arc::from));
        self.directory.put_credential(
            collection,
            Credential {
                id: id.unwrap_or_else(|| Arc::from(&*parsed.key)),
                consumer: Some(format!("id-{name}").into()),
                expires_ms: fields.get("ttl").and_then(Value::as_i64),
                key: parsed.key,
                value: parsed.value,
            },
        );
    }

    /// A plugin whose configuration is `config` and defaults.
    pub(crate) fn plugin(&self, of: &dyn Definition, config: Value) -> Arc<dyn Plugin> {
        of.compile(&configuration(of.name(), config).unwrap(), &self.environment()).unwrap()
    }

    pub(crate) fn environment(&self) -> Environment {
        Environment {
            node: Arc::clone(&self.node),
            plugin: "plugin-id".into(),
            instance_name: None,
            service: None,
            route: None,
            consumer: None,
        }
    }

    pub(crate) fn request(&self, method: &str, target: &str) -> Exchange {
        let request = RequestHead {
            method: Method::from_token(method),
            target: target.into(),
            version: Version::Http11,
            headers: Headers::new(),
        };
        let client = Client {
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 40000,
            peer: SocketAddr::from(([127, 0, 0, 1], 40000)),
            local: SocketAddr::from(([127, 0, 0, 1], 8000)),
            trust: Trust::Untrusted,
            protocol: Protocol::Http,
            tls: None,
        };
        let directory = Arc::new(self.directory.clone());
        let mut context = Context::new(Arc::clone(&self.node), directory, RequestId::new(0xabc), request, client);
        let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
        context.target.path = path.into();
        context.target.query = query.into();
        Exchange { context, body: MemoryBody::default() }.header("Host", "example.com")
    }
}

/// A request, and its body.
pub(crate) struct Exchange {
    pub(crate) context: Context,
    pub(crate) body: MemoryBody,
}

impl Exchange {
    /// With a further header field.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.context.request.headers.append(name, value);
        self
    }

    /// With a body whose length is announced.
    pub(crate) fn body(mut self, content_type: &str, body: &str) -> Self {
        self.body = MemoryBody { bytes: body.into(), announced: Some(body.len() as u64) };
        self.header("Content-Type", content_type).header("Content-Length", &body.len().to_string())
    }

    /// On the route `route-id`.
    pub(crate) fn routed(mut self) -> Self {
        let route = json!({ "id": "route-id", "name": "route", "protocols": ["http", "https"] });
        self.context.route = Some(Arc::new(serde_json::from_value::<Route>(route).unwrap()));
        self
    }

    /// To the service `service-id`.
    pub(crate) fn served(mut self) -> Self {
        let service = json!({
            "id": "service-id", "name": "service", "protocol": "http", "host": "upstream.example", "port": 80,
        });
        self.context.service = Some(Arc::new(serde_json::from_value::<Service>(service).unwrap()));
        self
    }

    /// The access phase; the answer, if that ended the request.
    pub(crate) fn access(&mut self, plugin: &dyn Plugin) -> Option<Answer> {
        match plugin.access(&mut self.context, &mut self.body) {
            Access::Continue => None,
            Access::Respond(answer) => Some(*answer),
            Access::Wait(wait) => {
                wait.now_or_never().expect("nothing to wait for with a body in memory").map(|answer| *answer)
            }
        }
    }

    /// The access phase of a plugin that asks a server; the answer, if that ended the request.
    pub(crate) async fn access_in_time(&mut self, plugin: &dyn Plugin) -> Option<Answer> {
        match plugin.access(&mut self.context, &mut self.body) {
            Access::Continue => None,
            Access::Respond(answer) => Some(*answer),
            Access::Wait(wait) => wait.await.map(|answer| *answer),
        }
    }

    /// The header filter with an answer of the upstream's that has these fields.
    pub(crate) fn filter_headers(&mut self, plugin: &dyn Plugin, fields: &[(&str, &str)]) -> ResponseHead {
        let mut head = ResponseHead::new(200);
        for (name, value) in fields {
            head.headers.append(name, value);
        }
        self.context.source = Source::Service;
        plugin.header_filter(&mut self.context, &mut head);
        head
    }

    /// A field of the request as it goes upstream.
    pub(crate) fn upstream(&self, name: &str) -> Option<&str> {
        self.context.request.headers.get_str(name)
    }

    /// A field that the answer will have.
    pub(crate) fn response(&self, name: &str) -> Option<&str> {
        self.context.response_headers.get_str(name)
    }

    /// The query as it goes upstream.
    pub(crate) fn query(&self) -> &str {
        std::str::from_utf8(&self.context.target.query).unwrap()
    }
}

/// The complete configuration of a plugin, or the error's body.
pub(crate) fn configuration(plugin: &str, config: Value) -> Result<Value, Value> {
    let mut written = write("plugins", named(plugin, config))?;
    Ok(written["config"].take())
}

/// A document of an entity as it is stored, or the error's body.
pub(crate) fn write(entity: &str, document: Value) -> Result<Value, Value> {
    let registry = Registry::new(RouterFlavor::TraditionalCompatible, crate::schemas());
    let Value::Object(document) = document else { panic!("not an object") };
    let schema = registry.entity(entity).expect("the entity exists");
    schema.insert(document, &mut Numbers).map(Value::Object).map_err(|error| error.body())
}

/// What a plugin's configuration is after a write that names only its required fields, as reads show it.
pub(crate) fn shown(plugin: &str, config: Value) -> Value {
    let registry = Registry::new(RouterFlavor::TraditionalCompatible, crate::schemas());
    let Value::Object(document) = named(plugin, config) else { unreachable!("made as an object") };
    let schema = registry.entity("plugins").expect("a core entity");
    let written = schema.insert(document, &mut Numbers).unwrap_or_else(|error| panic!("{}", error.body()));
    schema.present(&written)["config"].clone()
}

fn named(plugin: &str, config: Value) -> Value {
    let mut document = json!({ "name": plugin });
    document["config"] = config;
    document
}

/// Generates the same always.
pub(crate) struct Numbers;

impl Generator for Numbers {
    fn now_ms(&mut self) -> u64 {
        1_767_323_045_000
    }

    fn random(&mut self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

/// The words of an error that is answered in the form the client prefers.
pub(crate) fn words(answer: &Answer) -> &str {
    match &answer.content {
        Content::Error(message) => message,
        other => panic!("not a message in the client's form: {other:?}"),
    }
}

/// A request body in memory.
#[derive(Default)]
pub(crate) struct MemoryBody {
    pub(crate) bytes: Vec<u8>,
    pub(crate) announced: Option<u64>,
}

impl RequestBody for MemoryBody {
    fn read<'a>(&'a mut self, limit: usize) -> LocalBoxFuture<'a, Result<&'a [u8], BodyError>> {
        let read = if self.bytes.len() > limit { Err(BodyError::TooLarge(limit)) } else { Ok(&self.bytes[..]) };
        Box::pin(std::future::ready(read))
    }

    fn announced_length(&self) -> Option<u64> {
        self.announced
    }
}
