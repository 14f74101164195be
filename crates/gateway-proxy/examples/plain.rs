//! The gateway with one route to one service and nothing around it: what a profiler is pointed at.
//!
//! `plain LISTEN UPSTREAM`, addresses as `127.0.0.1:8000`; the route is `/plain`.

use std::error::Error;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use base::{Clock as _, SystemClock};
use engine::dns::Names;
use engine::health::probe::ProbeTls;
use engine::tls::client::{Configurations, Settings as TlsSettings, Verify};
use engine::tls::{Alpn, Certificate, CertificateTable, Certificates, ServerIdentity};
use engine::worker::{ListenerSpec, Settings, Workers};
use gateway_proxy::pdk::Node;
use gateway_proxy::{Change, Compiler, Gateway, References, Surroundings};
use pki::tls::{KeyType, Role};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, listen, upstream] = &arguments[..] else {
        return Err("usage: plain LISTEN UPSTREAM".into());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let config = Arc::new(ArcSwap::from_pointee(compiler(upstream.parse()?)?.config(1)));
        let settings = Settings { workers: NonZeroUsize::MIN, max_requests: u64::MAX, ..Settings::default() };
        let listener = ListenerSpec::plain(listen.parse()?);
        let workers =
            Workers::start(settings, vec![listener], move |_| Gateway::new(Arc::clone(&config), None, 0x5eed))?;
        tokio::signal::ctrl_c().await?;
        workers.shutdown(Duration::from_secs(10)).await;
        Ok(())
    })
}

fn compiler(upstream: SocketAddr) -> Result<Compiler, Box<dyn Error>> {
    let unverified = TlsSettings { verify: Verify::Off, identity: None, alpn: Alpn::None };
    let unverified = Configurations::default().get(&unverified)?;
    let own = pki::tls::self_signed(Role::Server, KeyType::Ecdsa, &["localhost".to_owned()], SystemClock.now())?;
    let own = ServerIdentity::new(Certificate::from_pem(&own.cert_pem, own.key_pem.expose())?, None);
    let mut compiler = Compiler::new(Surroundings {
        settings: Arc::default(),
        node: Arc::new(Node::new(
            "host",
            "id",
            "3.9.3",
            "/nowhere",
            Arc::new(SystemClock),
            runtime::tasks::Tasks::new(),
        )),
        definitions: Vec::new(),
        names: Names::new(engine::dns::Settings::default(), Arc::new(SystemClock))?.0,
        certificates: Certificates::new(CertificateTable::new(own.clone())),
        default_identity: own,
        probe_tls: ProbeTls { verified: Arc::clone(&unverified), unverified },
        references: References::new([]),
    });
    let service = json!({
        "id": "service", "protocol": "http", "host": upstream.ip().to_string(), "port": upstream.port(),
        "enabled": true, "retries": 5, "connect_timeout": 60_000, "write_timeout": 60_000, "read_timeout": 60_000,
    });
    let route = json!({
        "id": "route", "paths": ["/plain"], "protocols": ["http", "https"], "strip_path": true,
        "request_buffering": true, "response_buffering": true, "service": { "id": "service" },
    });
    let documents = [("services", "service", service.to_string()), ("routes", "route", route.to_string())];
    let changes =
        documents.iter().map(|(collection, id, document)| Change::Put { collection, id, document, expires_ms: None });
    let problems = compiler.apply(changes);
    if problems.is_empty() { Ok(compiler) } else { Err(format!("{problems:?}").into()) }
}
